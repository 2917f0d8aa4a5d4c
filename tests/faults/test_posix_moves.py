"""What local renames, copies and publications leave behind when a call fails or somebody presses Ctrl-C."""

import contextlib
import errno
import gc
import os
import stat
import struct
import warnings

import pytest

from recordfs.errors import FailedPreconditionError, NotFoundError, PermissionDeniedError, ResourceExhaustedError
from recordfs.filesystems import _buffered_writer, _posix_files, _posix_names, posix
from recordfs.filesystems.posix import PosixFileSystem
from support.garbage import forget_what_is_here
from support.interrupts import interrupted_at

system = PosixFileSystem()


@pytest.fixture
def tmp_path(disk_path):
    """Where the tests here write: a disk is what they are about."""
    return disk_path


def interrupt_after(monkeypatch, name):
    """Raise Ctrl-C as Python does it that comes during a system call: when the call has been done."""
    real = getattr(os, name)

    def call(*arguments, **keywords):
        real(*arguments, **keywords)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, name, call)


def fail(monkeypatch, name, number, *, nth=1):
    """Let the nth call of a system call fail."""
    real = getattr(os, name)
    left = nth

    def call(*arguments, **keywords):
        nonlocal left
        left -= 1
        if not left:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **keywords)

    monkeypatch.setattr(os, name, call)


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


def no_hard_links(monkeypatch):
    fail(monkeypatch, "link", errno.EPERM)


@pytest.mark.parametrize("kind", ["file", "file without hard links", "empty directory", "directory"])
def test_interrupt_after_a_rename_that_overwrites_nothing_loses_nothing(tmp_path, monkeypatch, kind):
    source, target = f"{tmp_path}/source", f"{tmp_path}/target"
    if kind.startswith("file"):
        (tmp_path / "source").write_bytes(b"data")
    else:
        os.mkdir(source)
        if kind == "directory":
            (tmp_path / "source" / "f").write_bytes(b"data")
    status = os.stat(source)
    with monkeypatch.context() as patched:
        if kind == "file without hard links":
            no_hard_links(patched)
        interrupt_after(patched, "unlink" if kind == "file" else "rename")
        with pytest.raises(KeyboardInterrupt):
            system.rename_file(source, target, overwrite=False)
    assert os.listdir(tmp_path) == ["target"]
    assert os.path.samestat(os.stat(target), status)


@pytest.mark.parametrize("kind", ["file without hard links", "directory"])
def test_rename_that_fails_leaves_no_placeholder(tmp_path, monkeypatch, kind):
    source = tmp_path / "source"
    if kind == "directory":
        source.mkdir()
    else:
        source.write_bytes(b"data")
    with monkeypatch.context() as patched:
        if kind != "directory":
            no_hard_links(patched)
        fail(patched, "rename", errno.EIO)
        with pytest.raises(OSError, match="Input/output error"):
            system.rename_file(str(source), f"{tmp_path}/target", overwrite=False)
    assert os.listdir(tmp_path) == ["source"]


def test_file_that_may_not_be_taken_from_its_directory_is_not_moved_into_another(tmp_path, monkeypatch):
    (tmp_path / "source").write_bytes(b"data")
    with monkeypatch.context() as patched:
        fail(patched, "unlink", errno.EACCES)
        with pytest.raises(PermissionDeniedError):
            system.rename_file(f"{tmp_path}/source", f"{tmp_path}/target", overwrite=False)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_interrupt_after_a_copy_is_the_error_and_the_copy_is_there(tmp_path, monkeypatch, overwrite):
    (tmp_path / "source").write_bytes(b"data")
    with monkeypatch.context() as patched:
        interrupt_after(patched, "replace" if overwrite else "unlink")
        with pytest.raises(KeyboardInterrupt):
            system.copy_file(f"{tmp_path}/source", f"{tmp_path}/target", overwrite=overwrite)
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]
    assert (tmp_path / "target").read_bytes() == b"data"


@pytest.mark.parametrize("kind", ["atomic", "exclusive", "copy"])
def test_interrupt_at_any_line_of_a_publication_leaves_no_unpublished_file(tmp_path, kind):
    (tmp_path / "source").write_bytes(b"new")
    target = f"{tmp_path}/target"

    def publish():
        if kind == "copy":
            system.copy_file(f"{tmp_path}/source", target)
        else:
            with system.new_writable_file(target, atomic=True, exclusive=kind == "exclusive") as file:
                file.append(b"new")

    modules = (posix, _posix_files, _posix_names, _buffered_writer)
    line_number = 0
    reached = True
    forget_what_is_here()
    while reached:
        line_number += 1
        if kind == "exclusive":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            reached = interrupted_at(line_number, publish, modules)
            gc.collect()
        assert not [name for name in os.listdir(tmp_path) if name not in ("source", "target")], line_number
    assert line_number > 50
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("options", [{}, {"exclusive": True}, {"atomic": True}, {"atomic": True, "exclusive": True}])
@pytest.mark.parametrize("call", ["fstat", "fchmod", "stat"])
def test_writer_that_cannot_be_opened_leaves_no_descriptor_and_no_unpublished_file(
    tmp_path, monkeypatch, options, call
):
    path = f"{tmp_path}/f"
    if not options.get("exclusive"):
        (tmp_path / "f").write_bytes(b"old")
    before = open_descriptors()
    with monkeypatch.context() as patched:
        fail(patched, call, errno.EIO)
        try:
            system.new_writable_file(path, **options).close()
        except OSError as error:
            assert error.path == path  # noqa: PT017 (some of these calls are not needed)
    assert open_descriptors() == before
    assert [name for name in os.listdir(tmp_path) if name != "f"] == []


@pytest.mark.parametrize("options", [{}, {"atomic": True}])
def test_relative_name_in_a_directory_that_is_gone_is_not_found(tmp_path, monkeypatch, options):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    before = open_descriptors()
    with pytest.raises(NotFoundError) as caught:
        system.new_writable_file("f", **options)
    assert caught.value.path == "f"
    assert open_descriptors() == before


@pytest.mark.parametrize("exclusive", [False, True])
def test_bytes_that_a_server_refuses_when_a_file_is_closed_are_never_published(tmp_path, monkeypatch, exclusive):
    path = f"{tmp_path}/f"
    if not exclusive:
        (tmp_path / "f").write_bytes(b"old")
    file = system.new_writable_file(path, atomic=True, exclusive=exclusive)
    file.append(b"new" * 100_000)
    with monkeypatch.context() as patched:
        fail(patched, "close", errno.EDQUOT)
        with pytest.raises(ResourceExhaustedError) as caught:
            file.close()
    assert caught.value.errno == errno.EDQUOT
    with pytest.raises(FailedPreconditionError, match="could not keep what was written"):
        file.close()
    assert file.closed
    assert [(tmp_path / name).read_bytes() for name in os.listdir(tmp_path)] == ([] if exclusive else [b"old"])


def test_file_is_published_where_no_descriptor_is_left(tmp_path, monkeypatch):
    file = system.new_writable_file(f"{tmp_path}/f", atomic=True)
    file.append(b"data")
    with monkeypatch.context() as patched:
        fail(patched, "dup", errno.EMFILE)
        file.close()
    assert (tmp_path / "f").read_bytes() == b"data"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_file_that_replaces_anothers_is_the_others_too(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    os.chmod(tmp_path / "f", 0o640)
    os.chown(tmp_path / "f", 65534, 65533)
    (tmp_path / "source").write_bytes(b"copied")
    with system.new_writable_file(f"{tmp_path}/f", atomic=True) as file:
        file.append(b"new")
    assert owner_of(tmp_path / "f") == (65534, 65533, 0o640)
    system.copy_file(f"{tmp_path}/source", f"{tmp_path}/f")
    assert owner_of(tmp_path / "f") == (65534, 65533, 0o640)


def owner_of(path):
    status = os.stat(path)
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def test_file_that_cannot_be_given_away_lends_nobodys_rights(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"old")
    os.chmod(tmp_path / "f", 0o6755)
    real = os.stat

    def stat_of_anothers(path, **keywords):
        status = list(real(path, **keywords))
        status[stat.ST_UID] += 1
        return os.stat_result(status)

    with monkeypatch.context() as patched:
        patched.setattr(_posix_names.os, "stat", stat_of_anothers)
        patched.setattr(_posix_names.os, "fchown", lambda *_: (_ for _ in ()).throw(PermissionError(errno.EPERM, "no")))
        with system.new_writable_file(f"{tmp_path}/f", atomic=True) as file:
            file.append(b"new")
    assert owner_of(tmp_path / "f")[2] == 0o755


def test_access_list_of_a_file_is_that_of_what_replaces_it(tmp_path):
    path = f"{tmp_path}/f"
    (tmp_path / "f").write_bytes(b"old")
    # For its owner and the user 12345, not for its group, whose bits in the mode are the mask: acl(5), linux/acl.h.
    entries = [(1, 6, 0xFFFFFFFF), (2, 6, 12345), (4, 0, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    access_list = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", access_list)
    except OSError as error:
        pytest.skip(f"{tmp_path} has no access lists: {error}")
    with system.new_writable_file(path, atomic=True) as file:
        file.append(b"new")
    assert os.getxattr(path, "system.posix_acl_access") == access_list
    assert (tmp_path / "f").read_bytes() == b"new"
