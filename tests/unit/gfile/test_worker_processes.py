"""Workers of a pool, forked and spawned, read through every filesystem of this machine, and none hangs."""

import uuid

import pytest

from recordfs import get_file_system, gfile
from recordfs.filesystems.memmapped import MemmappedPackageWriter
from recordfs.gfile import GFile
from support.web_server import serve
from support.worker_pools import METHODS, check_workers_read_the_same

pytestmark = [
    pytest.mark.timeout(120),
    # Forking with threads running is what the test is about.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

CONTENTS = {f"file-{i}": b"".join(b"%d of %d\n" % (line, i) for line in range(3000)) for i in range(4)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_local_files(tmp_path, prefix, method):
    for name, data in CONTENTS.items():
        (tmp_path / name).write_bytes(data)
    check_workers_read_the_same(method, [f"{prefix}{tmp_path}/{name}" for name in CONTENTS])


def test_files_in_memory_go_with_a_fork():
    root = f"ram://{uuid.uuid4().hex}"
    gfile.makedirs(root)
    for name, data in CONTENTS.items():
        with GFile(f"{root}/{name}", "wb") as file:
            file.write(data)
    check_workers_read_the_same("fork", [f"{root}/{name}" for name in CONTENTS])
    gfile.rmtree(root)


@pytest.mark.parametrize("method", METHODS)
def test_memory_mapped_packages(tmp_path, method):
    path = str(tmp_path / "package")
    with (
        get_file_system(path).new_writable_file(path) as file,
        MemmappedPackageWriter(file) as writer,
    ):
        for name, data in CONTENTS.items():
            writer.add_tensor(f"memmapped_package://{name.replace('-', '_')}", data)
    paths = [f"memmapped_package://{name.replace('-', '_')}" for name in CONTENTS]
    check_workers_read_the_same(method, paths, {"package": path})


@pytest.mark.parametrize("method", METHODS)
def test_web_servers(method):
    with serve() as site:
        site.files = {f"/{name}": data for name, data in CONTENTS.items()}
        check_workers_read_the_same(method, [f"{site.url}/{name}" for name in CONTENTS])
