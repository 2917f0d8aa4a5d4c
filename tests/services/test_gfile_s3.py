"""gfile on S3: the same program as on the local disk, and pools of workers that read."""

import zipfile

import pytest

from recordfs import errors, gfile
from recordfs.gfile import GFile
from support.servers import ACCESS_KEY, SECRET_KEY
from support.worker_pools import METHODS, check_workers_read_the_same

pytestmark = [
    pytest.mark.service,
    # Forking with threads running is what the test is about.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


@pytest.fixture
def options(s3_server):
    return {
        "endpoint_url": s3_server.endpoint,
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET_KEY,
        "region_name": "us-east-1",
    }


@pytest.mark.timeout(180)
@pytest.mark.parametrize("method", METHODS)
def test_forked_and_spawned_workers_read(root, options, method):
    contents = {f"{root}/file-{i}": b"".join(b"%d of %d\n" % (line, i) for line in range(3000)) for i in range(4)}
    for path, data in contents.items():
        with GFile(path, "wb", options=options) as file:
            file.write(data)
    check_workers_read_the_same(method, list(contents), options)


def test_files(root, s3):
    path = f"{root}/x"
    with GFile(path, "w", file_system=s3) as file:
        file.write("one\n")
        file.flush()
        reader = GFile(path, file_system=s3)
        assert list(reader) == ["one\n"]
        file.write("zwei é\n")
    assert list(reader) == ["zwei é\n"]
    with GFile(path, "a+", file_system=s3) as file:
        file.write("three\n")
        assert file.readlines() == ["one\n", "zwei é\n", "three\n"]
    with GFile(path, "r+", file_system=s3) as file:
        file.seek(0, 2)
        file.write("four")
        file.seek(0)
        assert file.read(3) == "one"
        with pytest.raises(errors.UnimplementedError, match="end"):
            file.write("x")
    assert GFile(path, file_system=s3).read() == "one\nzwei é\nthree\nfour"
    with pytest.raises(FileNotFoundError):
        GFile(f"{root}/missing", file_system=s3).read()


def test_zip_files(root, s3):
    with GFile(f"{root}/x.zip", "wb", file_system=s3) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "a" * 100_000)
        archive.writestr("b", "b")
    with GFile(f"{root}/x.zip", "rb", file_system=s3) as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a", "b"]


def test_paths(root, s3):
    for name in ("d/a.txt", "d/sub/b.txt"):
        with GFile(f"{root}/{name}", "w", file_system=s3) as file:
            file.write(name)
    assert sorted(gfile.listdir(f"{root}/d", file_system=s3)) == ["a.txt", "sub"]
    assert gfile.glob(f"{root}/**/*.txt", recursive=True, file_system=s3) == [f"{root}/d/a.txt", f"{root}/d/sub/b.txt"]
    assert [top for top, _, _ in gfile.walk(f"{root}/d", file_system=s3)] == [f"{root}/d", f"{root}/d/sub"]
    gfile.copy(f"{root}/d/a.txt", f"{root}/copy", file_system=s3)
    with pytest.raises(FileExistsError):
        gfile.copy(f"{root}/d/a.txt", f"{root}/copy", file_system=s3)
    gfile.rename(f"{root}/copy", f"{root}/moved", file_system=s3)
    assert gfile.stat(f"{root}/moved", file_system=s3).length == 7
    assert gfile.exists(f"{root}/moved", file_system=s3)
    assert gfile.isdir(f"{root}/d", file_system=s3)
    gfile.rmtree(f"{root}/d", file_system=s3)
    assert not gfile.exists(f"{root}/d/a.txt", file_system=s3)
    with pytest.raises(errors.NotFoundError):
        gfile.remove(f"{root}/d/a.txt", file_system=s3)
