"""Builds libhdfs.so, through which PyArrow reaches HDFS by a Java machine: for the benchmarks only.

No registry has one that loads. The crate ``hdfs-sys`` carries Apache's C sources; cargo fetches it and gcc compiles
them, once, into the environment of the peer ``hdfs``.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

from tools.make_servers import servers_directory
from tools.peers import PeerMissingError, peers_directory

__all__ = ["hdfs_client_environment"]

CRATE = "hdfs-sys"
VERSION = "0.3.1"

_MANIFEST = f"""[package]
name = "sources"
version = "0.0.0"
edition = "2021"
[dependencies]
{CRATE} = "={VERSION}"
"""


def hdfs_client_environment() -> dict[str, str]:
    """Return the variables with which PyArrow finds the library, Java and Hadoop's jars.

    Raises:
        PeerMissingError: One of them is not here, or what builds the library.
    """
    classpath = os.path.join(servers_directory(), "hdfs", "classpath")
    if not os.path.exists(classpath):
        raise PeerMissingError("Hadoop's jars are missing: run `make servers`")
    directory = os.path.join(peers_directory(), "hdfs")
    if not os.path.isdir(directory):
        raise PeerMissingError("the peer hdfs is missing: run `make peers`")
    java_home = _java_home()
    library = os.path.join(directory, "libhdfs.so")
    if not os.path.exists(library):
        _build(library, java_home)
    with open(classpath) as file:
        return {"ARROW_LIBHDFS_DIR": directory, "JAVA_HOME": java_home, "CLASSPATH": file.read()}


def _java_home() -> str:
    missing = [tool for tool in ("java", "cargo", "gcc") if shutil.which(tool) is None]
    if missing:
        raise PeerMissingError(f"libhdfs takes {' and '.join(missing)}")
    told = subprocess.run(["java", "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=True)
    found = re.search(r"java\.home = (.+)", told.stderr)
    if found is None:
        raise PeerMissingError("java does not tell where it is installed")
    return found[1]


def _build(library: str, java_home: str) -> None:
    """Compile the sources of Hadoop 3.3, which are the newest that the crate carries."""
    root = os.path.join(_sources(), "libhdfs")
    sources = os.path.join(root, "hdfs_3_3")
    posix = os.path.join(sources, "os", "posix")
    files = [*glob.glob(os.path.join(sources, "*.c")), *glob.glob(os.path.join(posix, "*.c"))]
    includes = [root, sources, os.path.join(sources, "include"), os.path.dirname(posix), posix]
    includes += [os.path.join(java_home, "include"), os.path.join(java_home, "include", "linux")]
    machine = os.path.join(java_home, "lib", "server")
    subprocess.run(
        ["gcc", "-w", "-O2", "-fPIC", "-fcommon", "-shared", "-o", f"{library}.new",
         *(f"-I{path}" for path in includes), *files, f"-L{machine}", "-ljvm", f"-Wl,-rpath,{machine}"],
        check=True,
    )  # fmt: skip
    os.replace(f"{library}.new", library)


def _sources() -> str:
    """Have cargo fetch the crate, and return where it lies."""
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(os.path.join(directory, "src"))
        manifest = os.path.join(directory, "Cargo.toml")
        for path, text in ((manifest, _MANIFEST), (os.path.join(directory, "src", "lib.rs"), "")):
            with open(path, "w") as file:
                file.write(text)
        told = subprocess.run(
            ["cargo", "metadata", "--format-version=1", "--manifest-path", manifest],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    crate = next(package for package in json.loads(told)["packages"] if package["name"] == CRATE)
    return os.path.dirname(str(crate["manifest_path"]))
