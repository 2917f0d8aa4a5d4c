"""A wrapper forwards everything: nothing of the contract gets lost in it."""

import inspect

import pytest

from recordfs.errors import ClosedFileError, UnavailableError
from recordfs.filesystem import FileSystem, RandomAccessFile, WritableFile
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile, WrapperWritableFile

NOT_FORWARDED = {"options"}  # a wrapper's own


def methods_of(contract, *, hooks):
    return {
        name
        for base in contract.__mro__
        if base.__module__.startswith("recordfs.")
        for name, member in vars(base).items()
        if (inspect.isfunction(member) or isinstance(member, property))
        and not name.startswith("__")
        and name.startswith("_") is hooks
    }


def test_wrapper_defines_every_public_method_of_a_filesystem():
    assert methods_of(FileSystem, hooks=False) - set(vars(WrapperFileSystem)) == NOT_FORWARDED


@pytest.mark.parametrize(
    ("contract", "wrapper", "own"),
    [
        (
            RandomAccessFile,
            WrapperRandomAccessFile,
            {"_end", "_end_after", "_check_made", "_check_open", "_checked_range"},
        ),
        # What ends and checks a file is the wrapper's own.
        (
            WritableFile,
            WrapperWritableFile,
            {"_end", "_end_after", "_check_usable", "_check_open", "_check_process", "_check_made", "_checked_range"},
        ),
    ],
)
def test_wrapper_defines_every_method_that_a_backends_file_writes(contract, wrapper, own):
    assert methods_of(contract, hooks=True) - set(vars(wrapper)) == own


def test_wrapped_writer_publishes_by_the_inner_file(tmp_path):
    class Losing(WrapperWritableFile):
        def publish(self, *, overwrite=False):
            published.append(overwrite)

    published = []
    inner = Losing(PosixFileSystem().new_writable_file(str(tmp_path / "f")))
    with WrapperWritableFile(inner) as file:
        file.publish(overwrite=True)
    assert published == [True]


def test_wrapped_writer_stays_open_until_the_inner_one_closes():
    class Stubborn(WrapperWritableFile):
        tries = 0

        def _close(self):
            self.tries += 1
            if self.tries == 1:
                raise UnavailableError("not now", path=self.name)
            super()._close()

    file = WrapperWritableFile(Stubborn(MemoryFileSystem().new_writable_file("ram://wrapper/f")))
    with pytest.raises(UnavailableError):
        file.close()
    assert not file.closed
    file.append(b"more")
    file.close()
    assert file.closed
    with pytest.raises(ClosedFileError):
        file.append(b"late")


def test_wrapped_tree_is_listed_by_the_inner_filesystem():
    class Listing(MemoryFileSystem):
        def tree_lister(self, top):
            asked.append(top)
            return super().tree_lister(top)

    asked = []
    WrapperFileSystem(Listing()).tree_lister("ram://wrapper")
    assert asked == ["ram://wrapper"]
