"""GFile's modes with ``+`` and its positions: TensorFlow empties a file at the first write, whatever was sought."""

import errno
import os
from pathlib import Path

import pytest

from recordfs import errors
from recordfs.gfile import GFile, remove


def test_r_plus_changes_the_file_in_place(path):
    Path(path).write_bytes(b"0123456789")
    with GFile(path, "r+") as file:
        assert file.read(2) == "01"
        assert file.write("ab") == 2
        assert file.tell() == 4
        file.seek(0, 1)
        assert file.read(2) == "45"
        file.seek(0, 2)
        file.write("end")
        file.seek(9)
        assert file.read() == "9end"
        assert file.truncate(12) == 12
    assert Path(path).read_bytes() == b"01ab456789en"


def test_r_plus_needs_the_file(path):
    with pytest.raises(FileNotFoundError):
        GFile(path, "r+").write("x")
    assert not os.path.exists(path)


def test_w_plus_that_only_reads_leaves_the_file_alone(path):
    with GFile(path, "w+") as file:
        assert file.read() == ""
    assert not os.path.exists(path)
    Path(path).write_bytes(b"old")
    with GFile(path, "w+") as file:
        assert list(file) == []
        assert file.tell() == file.seek(0, 2) == 0
        file.flush()
    assert Path(path).read_bytes() == b"old"


def test_w_plus_reads_what_it_wrote(path):
    Path(path).write_bytes(b"old")
    with GFile(path, "w+b") as file:
        assert file.read() == b""
        file.write(b"abc\ndef")
        file.seek(1)
        assert list(file) == [b"bc\n", b"def"]
        file.seek(4)
        file.write(b"DEFG")
    assert Path(path).read_bytes() == b"abc\nDEFG"


def test_a_plus_writes_at_the_end_and_reads_where_it_is(path):
    Path(path).write_bytes(b"old")
    with GFile(path, "a+") as file:
        assert file.read(1) == "o"
        file.write("new")
        assert file.tell() == 6
        assert file.read() == "ldnew"
        assert file.tell() == 6
    with GFile(path + "2", "a+") as file:
        assert file.read() == ""
        file.write("x")
    assert Path(path + "2").read_bytes() == b"x"


def test_truncate_where_it_means_nothing(path):
    Path(path).write_bytes(b"old")
    for mode in ("r", "w", "a", "a+"):
        with GFile(path, mode) as file, pytest.raises(errors.UnimplementedError, match="truncate"):
            file.truncate(1)
    assert Path(path).read_bytes() == b"old"


@pytest.mark.parametrize("mode", ["w+", "a+", "r+"])
@pytest.mark.parametrize("scheme", ["local", "ram"])
def test_what_was_written_and_flushed_is_read_next(path, scheme, mode):
    place = path if scheme == "local" else f"ram://positions-{mode}"
    GFile(place, "w").close()
    with GFile(place, "w") as file:
        file.write("")
    with GFile(place, mode) as file:
        file.write("testing")
        assert file.tell() == 7
        file.flush()
        assert file.read(4) == "test"
        assert file.tell() == 4
        file.write(" more")
        assert file.read() == "ing more"
        assert file.read() == ""
    assert GFile(place).read() == "testing more"
    remove(place)


def test_reading_then_writing_goes_on_at_one_position_until_something_is_written(path):
    Path(path).write_bytes(b"0123456789")
    with GFile(path, "r+") as file:
        assert file.read(2) == "01"
        file.write("ab")
        file.write("cd")
        assert file.read(3) == "abc"
        file.write("ef")
        assert file.seek(8) == 8
        file.write("gh")
    assert Path(path).read_bytes() == b"01abcdefgh"


def test_seek_sets_both_positions(path):
    Path(path).write_bytes(b"0123456789")
    with GFile(path, "r+") as file:
        file.write("ab")
        file.seek(5)
        assert file.read(1) == "5"
        file.write("c")
        assert file.seek(-2, 1) == 5
        assert file.read() == "5c789"
    assert Path(path).read_bytes() == b"ab2345c789"


def test_writing_past_the_end_fills_the_gap(path):
    Path(path).write_bytes(b"ab")
    with GFile(path, "r+b") as file:
        assert file.seek(4) == 4
        assert file.read(1) == b""
        file.write(b"c")
    assert Path(path).read_bytes() == b"ab\0\0c"


def test_a_place_past_the_end_is_read_once_the_file_has_grown(path):
    Path(path).write_bytes(b"one")
    file = GFile(path, "rb")
    file.seek(5)
    assert file.read() == b""
    assert list(file) == []
    with GFile(path, "a") as writer:
        writer.write("two and")
    assert file.read() == b"o and"


@pytest.mark.parametrize(("offset", "whence"), [(-1, 0), (-4, 1), (-4, 2), (0, 3)])
def test_a_seek_that_no_file_has_is_an_os_error_and_a_value_error(path, offset, whence):
    Path(path).write_bytes(b"one")
    file = GFile(path)
    for kind in (OSError, ValueError, errors.InvalidArgumentError):
        with pytest.raises(kind) as caught:
            file.seek(offset, whence)
        assert caught.value.errno == errno.EINVAL
    assert file.tell() == 0
