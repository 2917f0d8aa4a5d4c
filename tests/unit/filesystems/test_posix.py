"""What only a local filesystem has: links, permissions, pipes, cleaned paths, mapped regions."""

import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from recordfs import operations
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
    UnimplementedError,
)
from recordfs.filesystem import FileSystem
from recordfs.filesystems import _posix_names, posix
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem

system = PosixFileSystem()


def write(path, data=b"data", **options):
    with system.new_writable_file(str(path), **options) as file:
        file.append(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.fixture
def tmp_path(disk_path):
    """Where the tests here write: a disk is what they are about."""
    return disk_path


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def test_paths_are_cleaned_by_text(tmp_path):
    write(f"{tmp_path}/missing/../f/")
    assert system.stat(f"{tmp_path}//./f").length == 4
    assert system.stat(f"file://any-host{tmp_path}/f").length == 4
    assert system.canonical_path(f"file://{tmp_path}/x/../f") == system.canonical_path(f"{tmp_path}/f")
    assert system.translate_name(f"file://host{tmp_path}//f") == f"{tmp_path}/f"


@pytest.mark.parametrize("path", ["", "file://", "file://host"])
def test_an_empty_path_names_nothing(path):
    assert not system.file_exists(path)
    for call in (system.stat, system.delete_recursively, system.create_dir, system.new_writable_file):
        with pytest.raises(NotFoundError):
            call(path)


def test_links_are_followed_by_reading_and_kept_by_deleting(tmp_path):
    (tmp_path / "d").mkdir()
    write(tmp_path / "d/f")
    (tmp_path / "to-dir").symlink_to(tmp_path / "d")
    (tmp_path / "to-file").symlink_to(tmp_path / "d/f")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert system.stat(f"{tmp_path}/to-file").length == 4
    entries = {
        entry.name: (entry.is_directory, entry.is_symbolic_link) for entry in system.list_directory(f"{tmp_path}")
    }
    assert entries == {
        "d": (True, False),
        "to-dir": (True, True),
        "to-file": (False, True),
        "nowhere": (False, True),
        "loop": (False, True),
    }
    for name in ("nowhere", "loop"):
        assert not system.file_exists(f"{tmp_path}/{name}")
        with pytest.raises(NotFoundError):
            system.stat(f"{tmp_path}/{name}")
    with pytest.raises(NotADirectoryError):
        system.delete_dir(f"{tmp_path}/to-dir")
    system.delete_recursively(f"{tmp_path}/to-dir")
    system.delete_file(f"{tmp_path}/to-file")
    system.delete_file(f"{tmp_path}/nowhere")
    assert read(tmp_path / "d/f") == b"data"


def test_a_tree_with_links_is_deleted_and_what_they_point_to_is_not(tmp_path):
    (tmp_path / "outside").mkdir()
    write(tmp_path / "outside/precious")
    (tmp_path / "tree/deep").mkdir(parents=True)
    for name in ("tree/link", "tree/deep/link"):
        (tmp_path / name).symlink_to(tmp_path / "outside")
    (tmp_path / "tree/up").symlink_to("..")
    system.delete_recursively(f"{tmp_path}/tree")
    assert sorted(os.listdir(tmp_path)) == ["outside"]
    assert read(tmp_path / "outside/precious") == b"data"


@pytest.mark.parametrize("moment", ["before it is opened", "after it was opened"])
def test_a_directory_that_becomes_a_link_while_its_tree_is_deleted_is_not_followed(tmp_path, monkeypatch, moment):
    for name in ("tree/sub/inner", "outside/inner"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "precious").write_bytes(b"x")
    real_open = os.open

    def swap():
        os.rename(tmp_path / "tree/sub", tmp_path / "elsewhere")
        os.symlink(tmp_path / "outside", tmp_path / "tree/sub")

    def open_directory(path, flags, *arguments, **keywords):
        if path != "sub":
            return real_open(path, flags, *arguments, **keywords)
        if moment == "before it is opened":
            swap()
            return real_open(path, flags, *arguments, **keywords)
        descriptor = real_open(path, flags, *arguments, **keywords)
        swap()
        return descriptor

    monkeypatch.setattr(os, "open", open_directory)
    with contextlib.suppress(FailedPreconditionError):
        PosixFileSystem().delete_recursively(f"{tmp_path}/tree")
    assert (tmp_path / "outside/inner/precious").exists()


@pytest.fixture
def deep_path(tmp_path):
    """Where a tree may be made that Python itself cannot remove; it is gone however the test ends."""
    yield f"{tmp_path}/tree"
    subprocess.run(["rm", "-rf", f"{tmp_path}/tree"], check=True)


def test_a_tree_deeper_than_descriptors_and_the_stack_allow_is_deleted(deep_path):
    path = deep_path
    os.mkdir(path)
    for level in range(1500):
        path += "/d"
        os.mkdir(path)
        if level % 500 == 0:
            write(f"{path}/f")
    # In a process of its own: this one has open what the tests before it left open.
    program = (
        "import resource, sys; from recordfs.filesystems.posix import PosixFileSystem; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1])); "
        "PosixFileSystem().delete_recursively(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", program, deep_path], check=True)
    assert os.listdir(os.path.dirname(deep_path)) == []


def test_a_deep_tree_that_is_moved_away_while_it_is_deleted_is_left_and_said(tmp_path, monkeypatch):
    deep = tmp_path / "tree/d" / Path(*"e" * 60)
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"x")
    (tmp_path / "tree/kept").write_bytes(b"x")
    real_unlink = os.unlink
    outside = tmp_path / "outside"
    (outside / "precious").mkdir(parents=True)

    def unlink(name, **keywords):
        if name == "f":
            os.rename(tmp_path / "tree/d/e/e", outside / "e")
        real_unlink(name, **keywords)

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(FailedPreconditionError, match="could not be deleted"):
        PosixFileSystem().delete_recursively(f"{tmp_path}/tree")
    assert (outside / "precious").exists()


def test_writing_through_a_link_keeps_the_link(tmp_path):
    write(tmp_path / "real", b"old")
    (tmp_path / "link").symlink_to("real")
    for number, options in enumerate(({}, {"atomic": True})):
        write(tmp_path / "link", b"new%d" % number, **options)
        assert (tmp_path / "link").is_symlink()
        assert read(tmp_path / "real") == b"new%d" % number
    write(tmp_path / "other", b"copied")
    system.copy_file(f"{tmp_path}/other", f"{tmp_path}/link")
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "real") == b"copied"
    for atomic in (False, True):
        with pytest.raises(AlreadyExistsError):
            system.new_writable_file(f"{tmp_path}/link", exclusive=True, atomic=atomic)


def test_a_copy_onto_itself_by_another_name_keeps_the_file(tmp_path):
    write(tmp_path / "f")
    (tmp_path / "soft").symlink_to("f")
    os.link(tmp_path / "f", tmp_path / "hard")
    for source in ("f", "soft", "hard"):
        for target in ("f", "soft", "hard"):
            system.copy_file(f"{tmp_path}/{source}", f"file://{tmp_path}/{target}")
            assert read(tmp_path / "f") == b"data"
    assert (tmp_path / "soft").is_symlink()


def test_renaming_a_link_moves_the_link(tmp_path):
    write(tmp_path / "f")
    (tmp_path / "link").symlink_to("f")
    system.rename_file(f"{tmp_path}/link", f"{tmp_path}/moved", overwrite=False)
    assert (tmp_path / "moved").is_symlink()
    (tmp_path / "nowhere").symlink_to("missing")
    with pytest.raises(AlreadyExistsError):
        system.rename_file(f"{tmp_path}/f", f"{tmp_path}/nowhere", overwrite=False)
    assert read(tmp_path / "f") == b"data"


def test_a_directory_never_moves_into_itself_through_a_link(tmp_path):
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "link").symlink_to("d/e")
    for overwrite in (True, False):
        with pytest.raises(InvalidArgumentError):
            system.rename_file(f"{tmp_path}/d", f"{tmp_path}/link/inside", overwrite=overwrite)
    assert os.listdir(tmp_path / "d/e") == []


@pytest.mark.parametrize("error_number", ["EPERM", "EOPNOTSUPP"])
def test_without_hard_links_a_rename_still_never_overwrites(tmp_path, monkeypatch, error_number):
    def refuse(*arguments, **keywords):
        raise OSError(getattr(errno, error_number), "no hard links here")

    monkeypatch.setattr(_posix_names.os, "link", refuse)
    write(tmp_path / "a", b"a")
    system.rename_file(f"{tmp_path}/a", f"{tmp_path}/b", overwrite=False)
    assert read(tmp_path / "b") == b"a"
    write(tmp_path / "c", b"c")
    with pytest.raises(FileExistsError):
        _posix_names.move_without_overwriting(f"{tmp_path}/c", f"{tmp_path}/b")
    with pytest.raises(FileNotFoundError):
        _posix_names.move_without_overwriting(f"{tmp_path}/missing", f"{tmp_path}/free")
    assert sorted(os.listdir(tmp_path)) == ["b", "c"]
    write(tmp_path / "new", b"new", exclusive=True, atomic=True)
    assert read(tmp_path / "new") == b"new"


def test_permissions_of_new_files(tmp_path, umask):
    for options in ({}, {"atomic": True}, {"exclusive": True}, {"exclusive": True, "atomic": True}):
        path = tmp_path / "-".join(["f", *options])
        write(path, **options)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    system.create_dir(f"{tmp_path}/d")
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o750


def test_permissions_of_files_that_are_replaced_or_copied(tmp_path, umask):
    write(tmp_path / "secret")
    (tmp_path / "secret").chmod(0o600)
    write(tmp_path / "secret", b"new", atomic=True)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    write(tmp_path / "program")
    (tmp_path / "program").chmod(0o755)
    system.copy_file(f"{tmp_path}/program", f"{tmp_path}/copy")
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o750
    system.copy_file(f"{tmp_path}/program", f"{tmp_path}/secret")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.fixture
def unprivileged():
    """Be a user whom permissions bind."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def closed_directory():
    """Return a directory that nobody may enter, where everybody may go otherwise."""
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)
        closed = f"{parent}/closed"
        os.mkdir(closed)
        write(f"{closed}/f")
        os.chmod(closed, 0o000)
        yield closed
        os.chmod(closed, 0o700)


@pytest.fixture
def anybodys_directory():
    """Return an empty directory in which every user may make things."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        yield directory


def test_a_tree_with_directories_that_may_not_be_touched_is_deleted_but_for_them(anybodys_directory, unprivileged):
    path = f"{anybodys_directory}/tree"
    for name in ("open/inner", "closed/inner", "unlisted", "empty"):
        os.makedirs(f"{path}/{name}")
        if name != "empty":
            write(f"{path}/{name}/f")
    os.chmod(f"{path}/closed", 0o500)
    os.chmod(f"{path}/unlisted", 0o300)
    os.chmod(f"{path}/empty", 0)
    try:
        with pytest.raises(FailedPreconditionError) as caught:
            system.delete_recursively(path)
    finally:
        for name in ("closed", "unlisted"):
            os.chmod(f"{path}/{name}", 0o700)
    failed = {name for name, _ in caught.value.failures}
    assert failed == {f"{path}/closed/inner", f"{path}/closed", f"{path}/unlisted", path}
    assert (caught.value.undeleted_files, caught.value.undeleted_directories) == (0, 4)
    assert sorted(os.listdir(path)) == ["closed", "unlisted"]


def test_a_link_that_is_taken_away_while_it_is_followed_ends_no_walk(tmp_path, monkeypatch):
    (tmp_path / "d").mkdir()
    write(tmp_path / "d" / "f")
    (tmp_path / "link").symlink_to("d")
    real = os.readlink
    changes = 0

    def change_and_read(path, **keywords):
        nonlocal changes
        if changes < 3:
            changes += 1
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return real(path, **keywords)

    monkeypatch.setattr(os, "readlink", change_and_read)
    found = {directory: files for directory, _, files in operations.walk(f"{tmp_path}", followlinks=True)}
    assert found[f"{tmp_path}/link"] == ["f"]
    assert changes == 3


@pytest.mark.parametrize("path", ["/", "//", "/.", "/tmp/..", "file:///", "file://tmp/", "file://host/tmp/../."])
@pytest.mark.parametrize("kind", ["local", "by the contract's default"])
def test_the_root_of_all_local_files_is_never_deleted(path, kind, monkeypatch):
    deleted = []

    class Wrapper(WrapperFileSystem):
        delete_recursively = FileSystem.delete_recursively

        def list_directory(self, path):
            deleted.append(path)
            return iter([])

        delete_file = delete_dir = deleted.append

    monkeypatch.setattr(posix, "delete_tree", lambda *arguments: deleted.append(arguments))
    with pytest.raises(FailedPreconditionError, match="root of all local files"):
        (system if kind == "local" else Wrapper(system)).delete_recursively(path)
    assert deleted == []


def test_what_may_not_be_touched_is_permission_denied(closed_directory, unprivileged):
    closed = closed_directory
    calls = [
        lambda path: system.new_random_access_file(f"{path}/f"),
        lambda path: system.new_writable_file(f"{path}/new"),
        lambda path: system.new_writable_file(f"{path}/new", atomic=True),
        lambda path: system.stat(f"{path}/f"),
        lambda path: system.file_exists(f"{path}/f"),
        lambda path: list(system.list_directory(path)),
        lambda path: system.create_dir(f"{path}/d"),
        lambda path: system.delete_file(f"{path}/f"),
        lambda path: system.rename_file(f"{path}/f", f"{path}/g"),
        lambda path: system.copy_file(f"{path}/f", "/tmp/never"),
    ]
    for call in calls:
        with pytest.raises(PermissionDeniedError) as caught:
            call(closed)
        assert isinstance(caught.value, PermissionError)
    assert system.get_matching_paths(f"{closed}/*") == []


def test_a_pipe_is_refused_at_once_for_reading(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnimplementedError, match="pipe"):
        system.new_random_access_file(f"{tmp_path}/pipe")
    with pytest.raises(FailedPreconditionError):
        system.new_writable_file(f"{tmp_path}/pipe", atomic=True)


def test_truncating_a_pipe_does_not_wait_for_a_reader(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FailedPreconditionError, match="nobody serves"):
        system.truncate_file(f"{tmp_path}/pipe", 0)


def test_a_socket_is_not_taken_for_a_missing_file(tmp_path):
    path = f"{tmp_path}/socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        for call in (
            system.new_random_access_file,
            system.new_writable_file,
            system.new_appendable_file,
            system.new_read_only_memory_region_from_file,
            lambda path: system.copy_file(path, f"{tmp_path}/copy"),
        ):
            with pytest.raises(FailedPreconditionError, match="socket"):
                call(path)


def test_what_is_not_a_regular_file_is_not_mapped():
    with pytest.raises(UnimplementedError, match="regular file"):
        system.new_read_only_memory_region_from_file("/dev/null")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ESTALE, AbortedError),
        (errno.ENOTCONN, FailedPreconditionError),
        (errno.ENETDOWN, UnavailableError),
        (errno.EDQUOT, ResourceExhaustedError),
        (errno.EOVERFLOW, OutOfRangeError),
    ],
)
def test_errors_of_network_filesystems_are_told_apart(tmp_path, monkeypatch, number, kind):
    write(tmp_path / "f")
    with system.new_random_access_file(f"{tmp_path}/f") as file:

        def fail(*arguments):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "pread", fail)
        with pytest.raises(kind) as caught:
            file.read(0, 4)
    assert os.strerror(number) in str(caught.value)


def test_a_pipe_is_never_copied_as_an_empty_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnimplementedError, match="a pipe holds nothing that could be copied"):
        system.copy_file(f"{tmp_path}/pipe", f"{tmp_path}/copy")
    assert not os.path.exists(tmp_path / "copy")


def test_a_pipe_can_be_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got = []
    thread = threading.Thread(target=lambda: got.append(read(tmp_path / "pipe")))
    thread.start()
    with system.new_writable_file(f"{tmp_path}/pipe") as file:
        file.append(b"x" * 100_000)
        file.append(b"y")
        file.sync()
    thread.join()
    assert got == [b"x" * 100_000 + b"y"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_files_whose_size_is_not_known_are_read_and_copied_whole(tmp_path):
    with system.new_random_access_file("/proc/self/status") as file:
        data = file.read(0, 1 << 30)
    assert b"VmRSS" in data
    system.copy_file("/proc/cpuinfo", f"{tmp_path}/copy")
    assert b"processor" in read(tmp_path / "copy")


@pytest.mark.parametrize("reason", ["no such call", "refused"])
def test_a_copy_works_where_the_kernel_cannot_copy(tmp_path, monkeypatch, reason):
    write(tmp_path / "f", b"data" * 1_000_000)
    if reason == "refused":

        def refuse(*arguments):
            raise OSError(errno.EXDEV, "not here")

        monkeypatch.setattr(posix.os, "copy_file_range", refuse)
    else:
        monkeypatch.delattr(posix.os, "copy_file_range")
    system.copy_file(f"{tmp_path}/f", f"{tmp_path}/g")
    assert read(tmp_path / "g") == b"data" * 1_000_000


def test_a_copy_that_fails_leaves_the_old_target_and_nothing_else(tmp_path, monkeypatch):
    write(tmp_path / "f", b"data" * 1000)
    write(tmp_path / "g", b"old")

    def fail(reader, writer):
        os.write(writer, b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(posix, "_copy_bytes", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        system.copy_file(f"{tmp_path}/f", f"{tmp_path}/g")
    assert caught.value.path == f"{tmp_path}/g"
    assert read(tmp_path / "g") == b"old"
    assert sorted(os.listdir(tmp_path)) == ["f", "g"]


def test_a_rename_to_another_device_says_what_to_do(tmp_path):
    if os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no second device")
    write(tmp_path / "f")
    target = f"/dev/shm/recordfs-test-{os.getpid()}"
    for overwrite in (True, False):
        with pytest.raises(UnimplementedError, match="copy it"):
            system.rename_file(f"{tmp_path}/f", target, overwrite=overwrite)
    assert not os.path.exists(target)


def test_names_that_are_no_utf8_go_round(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write(f"{tmp_path}/{name}")
    assert system.get_children(f"{tmp_path}") == [name]
    assert system.get_matching_paths(f"{tmp_path}/caf*") == [f"{tmp_path}/{name}"]


def test_a_region_is_mapped(tmp_path):
    write(tmp_path / "f", b"before")
    region = system.new_read_only_memory_region_from_file(f"{tmp_path}/f")
    with open(tmp_path / "f", "r+b") as file:
        file.write(b"BEF")
    assert bytes(region) == b"BEFore"


def test_a_large_read_takes_no_memory_for_what_is_not_there(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(3 << 20)
    with system.new_random_access_file(f"{tmp_path}/sparse") as file:
        assert file.read(0, 1 << 50) == bytes(3 << 20)
        assert file.read((3 << 20) - 5, 1 << 50) == bytes(5)


def test_unknown_options_are_refused():
    with pytest.raises(InvalidArgumentError, match="colour"):
        PosixFileSystem(colour="blue")


def test_a_directory_in_the_way_is_named(tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        system.new_writable_file(f"{tmp_path}/d")
    assert str(caught.value) == f"{tmp_path}/d: Is a directory"


def test_a_process_may_change_its_directory_while_it_writes(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    for number, options in enumerate(({}, {"atomic": True}, {"atomic": True, "exclusive": True})):
        monkeypatch.chdir(tmp_path / "a")
        file = system.new_writable_file(f"f{number}", **options)
        file.append(b"data")
        monkeypatch.chdir(tmp_path / "b")
        file.sync()
        file.close()
    assert sorted(os.listdir(tmp_path / "a")) == ["f0", "f1", "f2"]
    assert os.listdir(tmp_path / "b") == []


def test_a_device_is_as_large_as_it_is_or_has_no_size():
    with system.new_random_access_file("/dev/null") as file:
        assert file.size() == 0
    with system.new_random_access_file("/dev/zero") as file, pytest.raises(UnimplementedError, match="no size"):
        file.size()
    for name in os.listdir("/sys/block"):
        sectors = int(Path(f"/sys/block/{name}/size").read_text())
        if sectors and os.path.exists(f"/dev/{name}"):
            assert system.stat(f"/dev/{name}").length == -1
            with contextlib.suppress(PermissionDeniedError), system.new_random_access_file(f"/dev/{name}") as file:
                assert file.size() == 512 * sectors
                return
    pytest.skip("there is no block device that may be read")
