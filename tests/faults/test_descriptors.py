"""A Ctrl-C after any call loses no descriptor of a local file."""

import contextlib
import errno
import gc
import os
import warnings

import pytest

from recordfs.events import spool
from recordfs.events.spool import Spool, SpoolNote
from recordfs.filesystems import _buffered_writer, _posix_files, _posix_names, _posix_trees, _posix_update, posix
from recordfs.filesystems.posix import PosixFileSystem
from support.garbage import forget_what_is_here
from support.interrupts import interrupted_after

MODULES = (_buffered_writer, _posix_files, _posix_names, _posix_trees, _posix_update, posix, spool)

system = PosixFileSystem()


def read(path):
    with system.new_random_access_file(path) as file:
        file.read(0, 10)
        file.size()


def write(path):
    with system.new_writable_file(path) as file:
        file.append(b"data")


def write_atomically(path):
    with system.new_writable_file(path, atomic=True) as file:
        file.append(b"data")
        file.sync()


def update(path):
    with system.new_update_file(path) as file:
        file.write(0, b"data")


def truncate(path):
    system.truncate_file(path, 1)


def copy(path):
    system.copy_file(path, f"{path}.copy")


def delete_tree(path):
    os.makedirs(f"{path}.tree/a/b", exist_ok=True)
    system.delete_recursively(f"{path}.tree")


def make_and_take_a_spool(path):
    Spool.make(f"{path}.spools", SpoolNote("events")).close()
    for name in os.listdir(f"{path}.spools"):
        if name.endswith(".image"):
            taken = Spool.take(f"{path}.spools/{name}")
            assert taken is not None
            taken.remove()


def open_below(directory):
    """What is open in a directory. Others may open what they need meanwhile."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            name = os.readlink(f"/proc/self/fd/{number}")
            found += [name] * name.startswith(str(directory))
    return found


@pytest.mark.parametrize(
    "use", [read, write, write_atomically, update, truncate, copy, delete_tree, make_and_take_a_spool]
)
def test_an_interrupt_after_any_call_leaves_no_descriptor_open(tmp_path, use):
    number, reached, path = 0, True, f"{tmp_path}/f"
    forget_what_is_here()
    while reached:
        number += 1
        (tmp_path / "f").write_bytes(b"old data")
        # A writer that the interrupt keeps from its `with` block is closed when it is collected, and says so.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            reached = interrupted_after(number, lambda: use(path), MODULES)
            gc.collect()
        assert open_below(tmp_path) == [], number
    assert number > 5


def without_hard_links(source, target, **_options):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("kind", ["file", "empty file", "directory", "empty directory"])
@pytest.mark.parametrize("links", ["hard links", "no hard links"])
def test_an_interrupt_after_any_call_of_a_move_loses_nothing_that_was_moved(tmp_path, monkeypatch, kind, links):
    if links == "no hard links":
        monkeypatch.setattr(os, "link", without_hard_links)
    number, reached = 0, True
    while reached:
        number += 1
        source, target = tmp_path / f"{number}.source", tmp_path / f"{number}.target"
        if kind.endswith("file"):
            source.write_bytes(b"data" if kind == "file" else b"")
        else:
            os.makedirs(source / "below" if kind == "directory" else source)

        def move(source=source, target=target):
            system.rename_file(str(source), str(target), overwrite=False)

        before = os.stat(source).st_ino
        reached = interrupted_after(number, move, MODULES)
        found = [path for path in (source, target) if path.exists() and os.stat(path).st_ino == before]
        assert found, number
        if found == [source]:
            # The caller tries again; what holds the place for the move may be left where the interrupt came before it.
            assert not target.exists() or not (os.listdir(target) if target.is_dir() else target.read_bytes())
    assert found == [target]
    assert number > 3
