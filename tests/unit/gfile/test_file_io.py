"""file_io's helpers for whole files."""

import os
import zlib
from pathlib import Path

import pytest

from recordfs import errors, file_io
from recordfs.filesystem import FileSystem
from recordfs.filesystems.posix import PosixFileSystem


class WithoutAtomicWrites(PosixFileSystem):
    """A store that can only rename."""

    def capabilities(self, path):
        return super().capabilities(path)._replace(atomic_write=False)

    def new_writable_file(self, path, *, exclusive=False, atomic=False):
        assert not atomic
        return super().new_writable_file(path, exclusive=exclusive)


class FailingRename(WithoutAtomicWrites):
    def rename_file(self, source, target, *, overwrite=True):
        raise errors.UnavailableError("no", path=source)


def test_strings_go_to_files_and_back(tmp_path):
    path = tmp_path / "x"
    file_io.write_string_to_file(path, "é\r\n")
    assert path.read_bytes() == b"\xc3\xa9\r\n"
    assert file_io.read_file_to_string(path) == "é\r\n"
    assert file_io.read_file_to_string(path, binary_mode=True) == b"\xc3\xa9\r\n"
    file_io.write_string_to_file(path, b"\xff")
    assert file_io.read_file_to_string(path, True) == b"\xff"
    with pytest.raises(UnicodeDecodeError):
        file_io.read_file_to_string(path)


@pytest.mark.parametrize("file_system", [PosixFileSystem(), WithoutAtomicWrites()], ids=["atomic", "by renaming"])
def test_atomic_writes(tmp_path, file_system: FileSystem):
    path = tmp_path / "x"
    file_io.atomic_write_string_to_file(path, "one", file_system=file_system)
    assert path.read_text() == "one"
    file_io.atomic_write_string_to_file(path, b"two", file_system=file_system)
    assert path.read_text() == "two"
    with pytest.raises(errors.AlreadyExistsError):
        file_io.atomic_write_string_to_file(path, "three", overwrite=False, file_system=file_system)
    with pytest.raises(TypeError):
        file_io.atomic_write_string_to_file(path, 4, file_system=file_system)
    assert path.read_text() == "two"
    assert os.listdir(tmp_path) == ["x"]


def test_a_failed_atomic_write_leaves_nothing(tmp_path):
    with pytest.raises(errors.UnavailableError):
        file_io.atomic_write_string_to_file(tmp_path / "x", "one", file_system=FailingRename())
    assert os.listdir(tmp_path) == []


def test_the_first_error_of_an_atomic_write_is_the_one_to_see(tmp_path):
    class FailingForGood(FailingRename):
        def file_exists(self, path):
            raise errors.DeadlineExceededError("nobody answers any more")

    with pytest.raises(errors.UnavailableError) as caught:
        file_io.atomic_write_string_to_file(tmp_path / "x", "one", file_system=FailingForGood())
    assert "nobody answers" in caught.value.__notes__[0]


def test_checksums(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"0123456789" * 1000)
    expected = hex(zlib.crc32(path.read_bytes()))
    for block_size in (-1, 1, 7, 100_000):
        assert file_io.file_crc32(path, block_size) == expected
    assert file_io.file_crc32(path) == expected
    for block_size in (0, -2):
        with pytest.raises(errors.InvalidArgumentError, match="block size"):
            file_io.file_crc32(path, block_size)


def test_comparing(tmp_path):
    contents = [b"", b"a", b"b", b"x" * 3_000_000 + b"1", b"x" * 3_000_000 + b"2"]
    for index, data in enumerate(contents):
        Path(tmp_path, str(index)).write_bytes(data)
    for i in range(5):
        for j in range(5):
            assert file_io.filecmp(tmp_path / str(i), tmp_path / str(j)) is (i == j)
    with pytest.raises(errors.NotFoundError):
        file_io.filecmp(tmp_path / "0", tmp_path / "missing")


def test_atomic_moves(tmp_path):
    assert file_io.has_atomic_move(tmp_path)
    assert file_io.has_atomic_move("no-such-scheme://x")
