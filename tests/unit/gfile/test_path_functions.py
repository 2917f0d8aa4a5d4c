"""gfile's functions on local paths, row by row of what TensorFlow does, and where they are better on purpose."""

import os
import tempfile
from pathlib import Path

import pytest

from recordfs import errors, file_io, gfile
from recordfs.filesystems.posix import PosixFileSystem


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "a.txt").write_bytes(b"aaa")
    (tmp_path / "d" / ".hidden.txt").write_bytes(b"h")
    (tmp_path / "d" / "sub" / "b.txt").write_bytes(b"bb")
    (tmp_path / "f").write_bytes(b"file")
    os.symlink("nowhere", tmp_path / "dangling")
    return str(tmp_path)


def test_exists_tells_files_and_directories_from_what_is_missing(tree):
    assert gfile.exists(f"{tree}/f")
    assert gfile.exists(f"{tree}/d")
    assert gfile.exists(f"{tree}/missing/../f")
    assert gfile.exists(f"{tree}/f/")
    for path in ("", f"{tree}/missing", f"{tree}/f/below", f"{tree}/dangling", f"{tree}/{'x' * 300}"):
        assert not gfile.exists(path)
        assert not gfile.isdir(path)
    with pytest.raises(errors.UnknownSchemeError, match="registered"):
        gfile.exists("no-such-scheme://x")


def test_a_store_that_cannot_be_reached_does_not_say_no():
    class Unreachable(PosixFileSystem):
        def stat(self, path):
            raise errors.UnavailableError("no route", path=path)

    for function in (gfile.exists, gfile.isdir):
        with pytest.raises(errors.UnavailableError):
            function("/x", file_system=Unreachable())


def test_isdir_tells_a_directory_from_all_else(tree):
    assert gfile.isdir(f"{tree}/d")
    assert not gfile.isdir(f"{tree}/f")
    assert not gfile.isdir("no-such-scheme://x")


def test_listdir(tree):
    assert sorted(gfile.listdir(f"{tree}/d")) == [".hidden.txt", "a.txt", "sub"]
    for path in ("", f"{tree}/missing", f"{tree}/f", f"{tree}/f/below", "no-such-scheme://x"):
        with pytest.raises(errors.NotFoundError, match="Could not find directory"):
            gfile.listdir(path)


def test_glob(tree, monkeypatch):
    assert gfile.glob(f"{tree}/d/*.txt") == [f"{tree}/d/.hidden.txt", f"{tree}/d/a.txt"]
    assert gfile.glob(f"{tree}/*/*/b.txt") == [f"{tree}/d/sub/b.txt"]
    assert gfile.glob(f"{tree}/**/b.txt") == []
    assert gfile.glob(f"{tree}/**/b.txt", recursive=True) == [f"{tree}/d/sub/b.txt"]
    assert gfile.glob([f"{tree}/f", f"{tree}/d/[!.]*.txt", f"{tree}/f"]) == [
        f"{tree}/f",
        f"{tree}/d/a.txt",
        f"{tree}/f",
    ]
    assert gfile.glob([]) == []
    assert gfile.glob(f"{tree}/missing/*") == []
    assert gfile.glob(f"{tree}/missing") == []
    assert gfile.glob(f"file://{tree}/d/a*") == [f"file://{tree}/d/a.txt"]
    assert gfile.glob(Path(tree) / "d" / "?.txt") == [f"{tree}/d/a.txt"]
    assert gfile.glob(f"{tree}/d/*/") == [f"{tree}/d/sub/"]
    monkeypatch.chdir(tree)
    assert gfile.glob("d/a*") == ["d/a.txt"]
    assert gfile.glob("./d/a*") == ["./d/a.txt"]
    with pytest.raises(TypeError):
        gfile.glob(None)
    with pytest.raises(errors.UnknownSchemeError):
        gfile.glob("no-such-scheme://*")


def test_walk_gives_each_directory_with_what_is_in_it(tree):
    os.unlink(f"{tree}/dangling")
    found = [(top, sorted(dirs), sorted(files)) for top, dirs, files in gfile.walk(tree)]
    assert found == [
        (tree, ["d"], ["f"]),
        (f"{tree}/d", ["sub"], [".hidden.txt", "a.txt"]),
        (f"{tree}/d/sub", [], ["b.txt"]),
    ]
    assert [top for top, _, _ in gfile.walk(tree, topdown=False)] == [f"{tree}/d/sub", f"{tree}/d", tree]
    assert [top for top, _, _ in gfile.walk(f"{tree}/")] == [f"{tree}/", f"{tree}/d", f"{tree}/d/sub"]
    assert list(gfile.walk(f"{tree}/missing")) == []
    assert list(gfile.walk(f"{tree}/f")) == []
    failed = []
    assert list(gfile.walk(f"{tree}/missing", onerror=failed.append)) == []
    assert [type(error) for error in failed] == [errors.NotFoundError]
    for _, dirs, _ in gfile.walk(tree):
        dirs.clear()
    assert dirs == []


def test_walk_goes_through_links_and_not_round_in_circles(tree, tmp_path):
    os.symlink(tree, f"{tree}/d/sub/back")
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "c").write_bytes(b"")
    os.symlink(f"{tree}/g", f"{tree}/d/link")
    tops = sorted(top for top, _, _ in gfile.walk(f"{tree}/d"))
    assert f"{tree}/d/link" in tops
    assert len(tops) < 20
    assert sorted(top for top, _, _ in gfile.walk(f"{tree}/d", followlinks=False)) == [f"{tree}/d", f"{tree}/d/sub"]


def test_mkdir_and_makedirs(tree):
    gfile.mkdir(f"{tree}/new")
    gfile.mkdir(f"{tree}/new")
    gfile.mkdir("")
    gfile.makedirs("")
    assert os.path.isdir(f"{tree}/new")
    with pytest.raises(errors.AlreadyExistsError):
        gfile.mkdir(f"{tree}/f")
    with pytest.raises(errors.NotFoundError):
        gfile.mkdir(f"{tree}/missing/x")
    for function in (gfile.mkdir, gfile.makedirs):
        with pytest.raises(errors.NotADirectoryError):
            function(f"{tree}/f/x")
    gfile.makedirs(f"{tree}/x/y/z")
    gfile.makedirs(f"{tree}/x/y/z")
    assert os.path.isdir(f"{tree}/x/y/z")
    with pytest.raises(errors.FailedPreconditionError):
        gfile.makedirs(f"{tree}/f")


def test_copy_keeps_the_permissions_and_overwrites_only_on_request(tree):
    os.chmod(f"{tree}/f", 0o640)
    gfile.copy(f"{tree}/f", f"{tree}/copy")
    assert Path(tree, "copy").read_bytes() == b"file"
    assert os.stat(f"{tree}/copy").st_mode & 0o777 == 0o640
    for source, target in (("f", "d/a.txt"), ("missing", "f"), ("f", "d")):
        with pytest.raises(errors.AlreadyExistsError):
            gfile.copy(f"{tree}/{source}", f"{tree}/{target}")
    gfile.copy(f"{tree}/f", f"{tree}/d/a.txt", overwrite=True)
    assert Path(tree, "d/a.txt").read_bytes() == b"file"
    with pytest.raises(errors.FailedPreconditionError):
        gfile.copy(f"{tree}/f", f"{tree}/d", overwrite=True)
    with pytest.raises(errors.NotFoundError):
        gfile.copy(f"{tree}/missing", f"{tree}/new")
    with pytest.raises(IsADirectoryError):
        gfile.copy(f"{tree}/d", f"{tree}/new")
    assert not os.path.exists(f"{tree}/new")


def test_a_copy_onto_itself_keeps_the_file(tree):
    os.link(f"{tree}/f", f"{tree}/same")
    for target in ("f", "../" + os.path.basename(tree) + "/f", "same"):
        gfile.copy(f"{tree}/f", f"{tree}/{target}", overwrite=True)
    gfile.copy(f"{tree}/f", f"file://{tree}/f", overwrite=True)
    assert Path(tree, "f").read_bytes() == b"file"


def test_copies_between_filesystems(tree):
    gfile.copy(f"{tree}/f", "ram://gfile-copy", overwrite=True)
    gfile.copy("ram://gfile-copy", f"{tree}/back")
    gfile.remove("ram://gfile-copy")
    assert Path(tree, "back").read_bytes() == b"file"


def test_rename(tree):
    gfile.rename(f"{tree}/f", f"file://{tree}/g")
    assert Path(tree, "g").read_bytes() == b"file"
    for source, target in (("g", "d/a.txt"), ("missing", "g"), ("g", "d")):
        with pytest.raises(errors.AlreadyExistsError):
            gfile.rename(f"{tree}/{source}", f"{tree}/{target}")
    gfile.rename(f"{tree}/g", f"{tree}/d/a.txt", overwrite=True)
    assert Path(tree, "d/a.txt").read_bytes() == b"file"
    gfile.mkdir(f"{tree}/empty")
    gfile.rename(f"{tree}/d", f"{tree}/empty", overwrite=True)
    assert sorted(os.listdir(f"{tree}/empty")) == [".hidden.txt", "a.txt", "sub"]
    gfile.mkdir(f"{tree}/full")
    Path(tree, "full", "x").write_bytes(b"")
    for target in ("full", "full/x"):
        with pytest.raises(errors.FailedPreconditionError):
            gfile.rename(f"{tree}/empty", f"{tree}/{target}", overwrite=True)
    with pytest.raises(errors.FailedPreconditionError):
        gfile.rename(f"{tree}/full/x", f"{tree}/empty", overwrite=True)
    with pytest.raises(errors.UnimplementedError, match="filesystem"):
        gfile.rename(f"{tree}/full/x", "ram://x")
    with pytest.raises(errors.NotFoundError):
        gfile.rename(f"{tree}/missing", f"{tree}/new")


def test_remove(tree):
    gfile.remove(f"{tree}/f")
    gfile.remove(f"{tree}/dangling")
    assert os.listdir(tree) == ["d"]
    with pytest.raises(errors.NotFoundError):
        gfile.remove(f"{tree}/f")
    with pytest.raises(errors.IsADirectoryError):
        gfile.remove(f"{tree}/d")


def test_rmtree_never_follows_links(tree):
    os.symlink(f"{tree}/d", f"{tree}/link")
    gfile.mkdir(f"{tree}/e")
    os.symlink(f"{tree}/d", f"{tree}/e/link")
    os.symlink(f"{tree}/f", f"{tree}/e/file")
    gfile.rmtree(f"{tree}/e")
    gfile.rmtree(f"{tree}/link")
    assert sorted(os.listdir(tree)) == ["d", "dangling", "f"]
    assert sorted(os.listdir(f"{tree}/d")) == [".hidden.txt", "a.txt", "sub"]
    for path in ("missing", "f/below"):
        with pytest.raises(errors.NotFoundError):
            gfile.rmtree(f"{tree}/{path}")
    gfile.rmtree(f"{tree}/f")
    gfile.rmtree(f"{tree}/d")
    assert os.listdir(tree) == ["dangling"]


def test_stat(tree):
    os.utime(f"{tree}/f", ns=(0, 1_234_567_890_123_456_789))
    found = gfile.stat(f"{tree}/f")
    assert (found.length, found.mtime_nsec, found.is_directory) == (4, 1_234_567_890_123_456_789, False)
    assert gfile.stat(f"{tree}/d").is_directory
    with pytest.raises(errors.NotFoundError):
        gfile.stat(f"{tree}/missing")
    with pytest.raises(errors.NotFoundError):
        gfile.stat(f"{tree}/dangling")
    with pytest.raises(errors.FailedPreconditionError):
        gfile.stat(f"{tree}/f/below")


def test_join():
    assert gfile.join("a", "b", "c") == "a/b/c"
    assert gfile.join("a/", "b") == "a/b"
    assert gfile.join("a", "/b") == "/b"
    assert gfile.join("a", "") == "a/"
    assert gfile.join("gs://b", "x") == "gs://b/x"
    assert gfile.join("gs://b/y", "/x") == "gs://b/x"
    assert gfile.join("gs://b", "gs://c") == "gs://c"
    assert gfile.join(b"a", b"b") == b"a/b"
    assert gfile.join(Path("a"), "b") == "a/b"
    with pytest.raises(TypeError):
        gfile.join("a", b"b")


def test_schemes_are_listed():
    assert {"", "file", "ram"} <= set(gfile.get_registered_schemes())


def test_the_names_of_tensorflow_1(tree):
    gfile.MakeDirs(dirname=f"{tree}/x/y")
    gfile.MkDir(dirname=f"{tree}/x/z")
    gfile.Copy(oldpath=f"{tree}/f", newpath=f"{tree}/x/f", overwrite=False)
    gfile.Rename(oldname=f"{tree}/x/f", newname=f"{tree}/x/g", overwrite=True)
    assert gfile.Exists(filename=f"{tree}/x/g")
    assert gfile.IsDirectory(dirname=f"{tree}/x/y")
    assert sorted(gfile.ListDirectory(dirname=f"{tree}/x")) == ["g", "y", "z"]
    assert gfile.Glob(filename=f"{tree}/x/g*") == [f"{tree}/x/g"]
    assert gfile.Stat(filename=f"{tree}/x/g").length == 4
    assert [top for top, _, _ in gfile.Walk(f"{tree}/x", in_order=False)][-1] == f"{tree}/x"
    gfile.Remove(filename=f"{tree}/x/g")
    gfile.DeleteRecursively(dirname=f"{tree}/x")
    assert not gfile.Exists(f"{tree}/x")


def test_file_io_has_each_function_twice(tree):
    file_io.recursive_create_dir(dirname=f"{tree}/x/y")
    file_io.recursive_create_dir_v2(path=f"{tree}/x/y")
    file_io.create_dir(dirname=f"{tree}/x/z")
    file_io.create_dir_v2(path=f"{tree}/x/z")
    file_io.copy(oldpath=f"{tree}/f", newpath=f"{tree}/x/f")
    file_io.copy_v2(src=f"{tree}/f", dst=f"{tree}/x/f", overwrite=True)
    file_io.rename(oldname=f"{tree}/x/f", newname=f"{tree}/x/g")
    file_io.rename_v2(src=f"{tree}/x/g", dst=f"{tree}/x/f")
    assert file_io.file_exists(filename=f"{tree}/x/f")
    assert file_io.file_exists_v2(path=f"{tree}/x/f")
    assert file_io.is_directory(dirname=f"{tree}/x")
    assert file_io.is_directory_v2(path=f"{tree}/x")
    assert sorted(file_io.list_directory(dirname=f"{tree}/x")) == ["f", "y", "z"]
    assert sorted(file_io.list_directory_v2(path=f"{tree}/x")) == ["f", "y", "z"]
    assert file_io.get_matching_files(filename=f"{tree}/x/?") == file_io.get_matching_files_v2(pattern=f"{tree}/x/?")
    assert file_io.stat(filename=f"{tree}/x/f") == file_io.stat_v2(path=f"{tree}/x/f")
    assert list(file_io.walk(f"{tree}/x", in_order=True)) == list(file_io.walk_v2(f"{tree}/x", topdown=True))
    file_io.delete_file(filename=f"{tree}/x/f")
    with pytest.raises(errors.NotFoundError):
        file_io.delete_file_v2(path=f"{tree}/x/f")
    file_io.delete_recursively(dirname=f"{tree}/x/y")
    file_io.delete_recursively_v2(path=f"{tree}/x")
    assert not file_io.file_exists(f"{tree}/x")


@pytest.fixture
def unprivileged_directory():
    """A directory of a user whom permissions bind; the superuser becomes nobody meanwhile."""
    privileged = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        if privileged:
            os.seteuid(65534)
        try:
            yield directory
        finally:
            if privileged:
                os.seteuid(0)


def test_what_may_not_be_seen(unprivileged_directory):
    secret = f"{unprivileged_directory}/secret"
    gfile.makedirs(f"{secret}/sub")
    Path(secret, "f").write_bytes(b"")
    os.chmod(secret, 0)
    try:
        assert gfile.isdir(secret)
        assert not gfile.exists(f"{secret}/f")
        assert not gfile.isdir(f"{secret}/sub")
        assert gfile.glob(f"{secret}/*") == []
        failed = []
        assert list(gfile.walk(secret, onerror=failed.append)) == []
        assert [error.path for error in failed] == [secret]
        for use in (
            lambda: gfile.listdir(secret),
            lambda: list(gfile.walk(secret)),
            lambda: gfile.GFile(f"{secret}/f").read(),
            lambda: gfile.GFile(f"{secret}/f", "w").write(""),
            lambda: gfile.stat(f"{secret}/f"),
        ):
            with pytest.raises(errors.PermissionDeniedError):
                use()
    finally:
        os.chmod(secret, 0o700)
