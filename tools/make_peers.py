"""Makes the peers' environments: one virtual environment for each file ``peers/<name>.txt``.

A peer is a program that recordfs is tested and measured beside: TensorFlow, the ``tfrecord`` package, tensorboardX and
so on. Each has an environment of its own, because some of them cannot share a process (TensorFlow and ``tfrecord``
register the same protobuf symbol) and none of them belongs in recordfs's.

A line ``# tests: PACKAGE FOLDER`` in a requirements file adds a folder of the package's source distribution that its
wheel leaves out, beside what pip has installed.

An environment whose requirements have not changed since it was made is left alone, so running this again costs
nothing. It needs nothing but the standard library, and several may run at once.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

from tools.peers import REQUIREMENTS, peer_names, peers_directory, stamp_path


def fingerprint(requirements: str) -> str:
    """What an environment depends on: its requirements and the interpreter it is made with."""
    digest = hashlib.sha256(sys.version.encode())
    with open(requirements, "rb") as file:
        digest.update(file.read())
    return digest.hexdigest()


def make_peer(name: str, directory: str) -> bool:
    """Makes the environment of the peer `name` in `directory/name`.

    Returns:
        True if it was made, False if it was there already.

    Raises:
        subprocess.CalledProcessError: making it or installing into it failed. The environment then has no stamp, and
            the next call begins again.
    """
    requirements = os.path.join(REQUIREMENTS, f"{name}.txt")
    environment = os.path.join(directory, name)
    stamp = stamp_path(name, directory)
    wanted = fingerprint(requirements)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, f".{name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _read(stamp) == wanted:
            return False
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        python = os.path.join(environment, "bin", "python")
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
        subprocess.run(command, check=True)
        with open(requirements) as file:
            for package, folder in re.findall(r"^# tests: (\S+) (\S+)$", file.read(), re.MULTILINE):
                add_tests(python, package, folder)
        with open(stamp, "w") as file:
            file.write(wanted)
    return True


def add_tests(python: str, package: str, folder: str) -> None:
    """Copies `folder` of a package's source distribution, of the version that is installed, to where the package is.

    Raises:
        subprocess.CalledProcessError: pip cannot fetch the source distribution.
        LookupError: it has no such folder.
    """
    ask = "import sys, sysconfig, importlib.metadata as m; print(sysconfig.get_path('purelib'), m.version(sys.argv[1]))"
    answer = subprocess.run([python, "-c", ask, package], check=True, capture_output=True, text=True)
    installed, version = answer.stdout.split()
    with tempfile.TemporaryDirectory() as directory:
        command = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", package, "--dest", directory, f"{package}=={version}"]
        subprocess.run(command, check=True)
        (archive,) = os.listdir(directory)
        with tarfile.open(os.path.join(directory, archive)) as source:
            source.extractall(directory, filter="data")
        found = os.path.join(directory, archive.removesuffix(".tar.gz"), folder)
        if not os.path.isdir(found):
            raise LookupError(f"{archive} has no folder {folder}")
        shutil.copytree(found, os.path.join(installed, folder))


def _read(path: str) -> str | None:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def main() -> int:
    """Makes the peers named on the command line, or all of them; goes on after a failure and then exits with 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="PEER", help=f"one of: {', '.join(peer_names())} (default: all)")
    parser.add_argument(
        "--directory",
        default=peers_directory(),
        help="where the environments go (default: $RECORDFS_PEERS_DIR, else .peers beside the Makefile)",
    )
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(peer_names()))
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(peer_names())}")
    failed = []
    for name in arguments.names or peer_names():
        try:
            made = make_peer(name, os.path.abspath(arguments.directory))
        except subprocess.CalledProcessError as error:
            print(f"{name}: failed: {error}", file=sys.stderr)
            failed.append(name)
        else:
            print(f"{name}: {'made' if made else 'up to date'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
