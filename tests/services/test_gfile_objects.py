"""gfile on every object store: the same program as on the local disk, and pools of workers that read."""

import zipfile

import pytest

from recordfs import errors, gfile
from recordfs.gfile import GFile
from support.worker_pools import METHODS, check_workers_read_the_same

pytestmark = [
    pytest.mark.service,
    # Forking with threads running is what the test is about.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


@pytest.fixture
def root(object_place):
    return object_place.root


@pytest.fixture
def store(object_place):
    return object_place.file_system


@pytest.mark.timeout(180)
@pytest.mark.parametrize("method", METHODS)
def test_forked_and_spawned_workers_read(object_place, method):
    root, options = object_place.root, object_place.options
    contents = {f"{root}/file-{i}": b"".join(b"%d of %d\n" % (line, i) for line in range(3000)) for i in range(4)}
    for path, data in contents.items():
        with GFile(path, "wb", options=options) as file:
            file.write(data)
    check_workers_read_the_same(method, list(contents), options)


def test_a_gfile_of_an_object_shows_what_was_flushed(root, store):
    path = f"{root}/x"
    with GFile(path, "w", file_system=store) as file:
        file.write("one\n")
        file.flush()
        reader = GFile(path, file_system=store)
        assert list(reader) == ["one\n"]
        file.write("zwei é\n")
    assert list(reader) == ["zwei é\n"]
    with GFile(path, "a+", file_system=store) as file:
        file.write("three\n")
        assert file.readlines() == ["one\n", "zwei é\n", "three\n"]
    with GFile(path, "r+", file_system=store) as file:
        file.seek(0, 2)
        file.write("four")
        file.seek(0)
        assert file.read(3) == "one"
        with pytest.raises(errors.UnimplementedError, match="end"):
            file.write("x")
    assert GFile(path, file_system=store).read() == "one\nzwei é\nthree\nfour"
    with pytest.raises(FileNotFoundError):
        GFile(f"{root}/missing", file_system=store).read()


def test_a_zip_file_is_written_to_an_object_and_read(root, store):
    with GFile(f"{root}/x.zip", "wb", file_system=store) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "a" * 100_000)
        archive.writestr("b", "b")
    with GFile(f"{root}/x.zip", "rb", file_system=store) as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a", "b"]


def test_the_functions_of_gfile_find_objects(root, store):
    for name in ("d/a.txt", "d/sub/b.txt"):
        with GFile(f"{root}/{name}", "w", file_system=store) as file:
            file.write(name)
    assert sorted(gfile.listdir(f"{root}/d", file_system=store)) == ["a.txt", "sub"]
    assert gfile.glob(f"{root}/**/*.txt", recursive=True, file_system=store) == [
        f"{root}/d/a.txt",
        f"{root}/d/sub/b.txt",
    ]
    assert [top for top, _, _ in gfile.walk(f"{root}/d", file_system=store)] == [f"{root}/d", f"{root}/d/sub"]
    gfile.copy(f"{root}/d/a.txt", f"{root}/copy", file_system=store)
    with pytest.raises(FileExistsError):
        gfile.copy(f"{root}/d/a.txt", f"{root}/copy", file_system=store)
    gfile.rename(f"{root}/copy", f"{root}/moved", file_system=store)
    assert gfile.stat(f"{root}/moved", file_system=store).length == 7
    assert gfile.exists(f"{root}/moved", file_system=store)
    assert gfile.isdir(f"{root}/d", file_system=store)
    gfile.rmtree(f"{root}/d", file_system=store)
    assert not gfile.exists(f"{root}/d/a.txt", file_system=store)
    with pytest.raises(errors.NotFoundError):
        gfile.remove(f"{root}/d/a.txt", file_system=store)
