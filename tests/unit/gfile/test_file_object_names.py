"""What Python and TensorFlow call things on a GFile: its iterator, keywords, errors, and answers once closed."""

import io
from pathlib import Path

import pytest

from recordfs import errors
from recordfs.gfile import GFile


def test_a_file_is_its_own_iterator(path):
    Path(path).write_bytes(b"1\n2\n3\n4\n5\n6\n")
    file = GFile(path)
    assert iter(file) is file
    assert (next(file), file.next()) == ("1\n", "2\n")
    for line in file:
        assert line == "3\n"
        break
    assert next(iter(file)) == "4\n"
    assert [line + next(file) for line in file] == ["5\n6\n"]
    with pytest.raises(StopIteration):
        file.next()
    with GFile(path, "a") as writer:
        writer.write("7")
    assert file.next() == "7"


def test_a_loop_over_a_closed_file_is_an_error(path):
    Path(path).write_bytes(b"1\n2\n")
    file = GFile(path)
    assert next(file) == "1\n"
    file.close()
    with pytest.raises(ValueError, match="closed"):
        next(file)


def test_write_takes_tensorflows_keyword(path):
    with GFile(path, "w") as file:
        assert file.write(file_content="abc") == 3
    assert Path(path).read_bytes() == b"abc"


def test_errors_have_tensorflows_names(path):
    with pytest.raises(errors.NotFoundError) as caught:
        GFile(path).read()
    assert caught.value.error_code == 5
    assert "No such file" in caught.value.message


@pytest.mark.parametrize("ask", ["readable", "writable", "seekable", "isatty", "fileno", "flush", "readline", "tell"])
def test_a_closed_file_answers_nothing_as_in_python(path, ask):
    Path(path).write_bytes(b"")
    file = GFile(path)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        getattr(file, ask)()
    with pytest.raises(ValueError, match="closed"):
        file.writelines([])


def test_a_text_file_reads_into_no_buffer(path):
    Path(path).write_bytes(b"abc")
    with pytest.raises(io.UnsupportedOperation):
        GFile(path).readinto(bytearray(3))
