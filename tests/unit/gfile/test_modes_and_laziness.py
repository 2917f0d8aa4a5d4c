"""GFile's modes, laziness and positions, row by row of what TensorFlow does."""

import os
import pickle
from pathlib import Path

import pytest

from recordfs import errors
from recordfs.file_io import FileIO
from recordfs.gfile import FastGFile, GFile, Open, remove


@pytest.mark.parametrize("mode", ["r", "w", "a", "r+", "w+", "a+", "rb", "br", "rbb", "r+b", "rb+", "bw+"])
def test_modes_that_tensorflow_takes(path, mode):
    assert GFile(path, mode).mode == mode


@pytest.mark.parametrize("mode", ["", "b", "rt", "x", "U", "rw", "+r", "r++", "R"])
def test_any_other_mode_is_refused_by_the_constructor(path, mode):
    with pytest.raises(errors.InvalidArgumentError, match="mode"):
        GFile(path, mode)


@pytest.mark.parametrize("name", [None, 3, 1.5, object()])
def test_what_is_no_path_is_refused_by_the_constructor(name):
    with pytest.raises(TypeError):
        GFile(name)


def test_a_nul_character_is_refused(tmp_path):
    with pytest.raises(errors.InvalidArgumentError, match="NUL"):
        GFile(f"{tmp_path}/a\0b")


def test_half_of_a_surrogate_pair_is_refused(tmp_path):
    with pytest.raises(errors.InvalidArgumentError, match="surrogate") as caught:
        GFile(f"{tmp_path}/a\ud83db", "w").write("x")
    assert caught.value.path.isascii()


@pytest.mark.parametrize("mode", ["r", "w", "a", "r+", "w+", "a+"])
def test_opening_and_closing_touches_nothing(path, mode):
    with GFile(path, mode):
        pass
    assert not os.path.exists(path)
    Path(path).write_bytes(b"old")
    with GFile(path, mode) as file:
        file.flush()
    assert Path(path).read_bytes() == b"old"


def test_an_unknown_scheme_is_found_at_first_use():
    file = GFile("no-such-scheme://x")
    with pytest.raises(errors.UnknownSchemeError):
        file.read()


def test_writing_nothing_makes_or_empties_the_file(path):
    with GFile(path, "w") as file:
        assert file.write("") == 0
    assert Path(path).read_bytes() == b""
    Path(path).write_bytes(b"old")
    with GFile(path, "w") as file:
        file.write("")
    assert Path(path).read_bytes() == b""


def test_a_text_that_cannot_be_encoded_does_not_empty_the_file(path):
    Path(path).write_bytes(b"old")
    with GFile(path, "w") as file, pytest.raises(UnicodeEncodeError):
        file.write("\udc80")
    assert Path(path).read_bytes() == b"old"


@pytest.mark.parametrize("mode", ["w", "a", "wb"])
@pytest.mark.parametrize(
    "use",
    [
        lambda f: f.read(),
        lambda f: f.readline(),
        lambda f: f.seek(0),
        lambda f: list(f),
        lambda f: next(f),
        lambda f: f.readinto(bytearray(1)),
    ],
)
def test_modes_for_writing_do_not_read_or_seek(path, mode, use):
    with GFile(path, mode) as file:
        assert not file.readable()
        assert not file.seekable()
        assert file.writable()
        with pytest.raises(errors.PermissionDeniedError, match="mode"):
            use(file)
    assert not os.path.exists(path)


def test_the_mode_for_reading_does_not_write(path):
    Path(path).write_bytes(b"old")
    with GFile(path) as file:
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        with pytest.raises(PermissionError):
            file.write("x")
    assert Path(path).read_bytes() == b"old"


@pytest.mark.parametrize("mode", ["w", "wb", "a", "ab"])
def test_every_mode_writes_str_and_bytes(path, mode):
    with GFile(path, mode) as file:
        assert file.write("é\r\n") == 3
        assert file.write(b"\xff") == 1
        assert file.write(bytearray(b"ab")) == 2
        assert file.write(memoryview(b"cd")) == 2
        assert file.tell() == 9
    assert Path(path).read_bytes() == b"\xc3\xa9\r\n\xffabcd"


@pytest.mark.parametrize("data", [None, 3, ["a"], 1.5])
def test_writing_anything_else_is_a_type_error_and_empties_nothing(path, data):
    Path(path).write_bytes(b"old")
    with GFile(path, "w") as file, pytest.raises(TypeError):
        file.write(data)
    assert Path(path).read_bytes() == b"old"


def test_reads_give_str_or_bytes_as_the_mode_says(path):
    Path(path).write_bytes("é\r\nb".encode())
    assert GFile(path).read() == "é\r\nb"
    assert GFile(path, "rb").read() == "é\r\nb".encode()
    assert GFile(path).readlines() == ["é\r\n", "b"]
    assert GFile(path, "rb").readlines() == ["é\r\n".encode(), b"b"]


def test_text_that_is_no_utf8_is_an_error_and_the_position_moves_on(path):
    Path(path).write_bytes(b"good\nb\xffd\nalso good\n")
    file = GFile(path)
    lines = iter(file)
    assert next(lines) == "good\n"
    with pytest.raises(UnicodeDecodeError):
        next(lines)
    assert file.readline() == "also good\n"


def test_a_number_of_bytes_that_cuts_a_character_gives_it_whole(path):
    Path(path).write_bytes("aé€😀z".encode())
    file = GFile(path)
    assert file.read(2) == "aé"
    assert file.tell() == 3
    assert file.read(1) == "€"
    assert file.read(3) == "😀"
    assert file.read(5) == "z"
    assert file.read(5) == ""


@pytest.mark.parametrize("data", [b"a\xe2\x82", b"a\xe2\x82zzz", b"a\xff\xff\xff\xff"])
def test_a_broken_character_at_the_cut_is_an_error(path, data):
    Path(path).write_bytes(data)
    file = GFile(path)
    with pytest.raises(UnicodeDecodeError):
        file.read(3)
    assert file.tell() == 3


def test_odd_numbers_of_bytes(path):
    Path(path).write_bytes(b"abc")
    file = GFile(path, "rb")
    assert file.read(0) == b""
    with pytest.raises(errors.InvalidArgumentError):
        file.read(-2)
    with pytest.raises(TypeError):
        file.read(1.0)
    assert file.read(None) == b"abc"
    assert file.read(10) == b""
    assert file.read() == b""
    assert file.seek(1) == 1
    assert file.read(1 << 60) == b"bc"


def test_seek_returns_the_position_and_refuses_impossible_ones(path):
    Path(path).write_bytes(b"0123456789")
    file = GFile(path, "rb")
    assert file.seek(4) == 4
    assert file.seek(-2, 1) == 2
    assert file.seek(-3, 2) == 7
    assert file.read(1) == b"7"
    with pytest.raises(errors.InvalidArgumentError, match="negative"):
        file.seek(-1)
    with pytest.raises(errors.InvalidArgumentError, match="whence"):
        file.seek(0, 3)
    assert file.tell() == 8
    assert file.seek(11) == 11
    assert file.read() == b""
    assert file.tell() == 11
    with pytest.raises(TypeError):
        file.seek()
    with pytest.warns(DeprecationWarning, match="offset"), pytest.raises(TypeError):
        file.seek(1, position=1)
    with pytest.warns(DeprecationWarning, match="offset"):
        assert file.seek(position=3) == 3
    assert file.read() == b"3456789"


def test_where_writers_are(path):
    Path(path).write_bytes(b"old")
    with GFile(path, "a") as file:
        assert file.tell() == 3
        file.write("ab")
        assert file.tell() == 5
    with GFile(path, "w") as file:
        file.write("abcd")
        assert file.tell() == 4


def test_size_is_that_of_the_name(path):
    Path(path).write_bytes(b"12345")
    file = GFile(path)
    assert file.size() == 5
    Path(path).write_bytes(b"1234567")
    assert file.size() == 7
    os.unlink(path)
    with pytest.raises(errors.NotFoundError):
        file.size()


def test_what_was_written_is_seen_after_flush_and_after_close(path):
    file = GFile(path, "w")
    file.write("a")
    file.flush()
    assert Path(path).read_bytes() == b"a"
    file.write("b")
    file.close()
    file.close()
    assert Path(path).read_bytes() == b"ab"


def test_a_writer_that_is_let_go_of_publishes(path):
    with pytest.warns(ResourceWarning, match="unclosed"):
        GFile(path, "w").write("kept")
    assert Path(path).read_bytes() == b"kept"


def test_an_exception_keeps_what_was_written(path):
    def fail_after_a_part(file):
        with file:
            file.write("part")
            raise RuntimeError

    file = GFile(path, "w")
    with pytest.raises(RuntimeError):
        fail_after_a_part(file)
    assert file.closed
    assert Path(path).read_bytes() == b"part"


@pytest.mark.parametrize("mode", ["r", "w", "a", "r+", "a+"])
def test_a_closed_file_stays_closed(path, mode):
    Path(path).write_bytes(b"old")
    file = GFile(path, mode)
    assert not file.closed
    file.close()
    assert file.closed
    for use in (lambda: file.tell(), lambda: file.write("x"), lambda: file.read(), lambda: file.__enter__()):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert Path(path).read_bytes() == b"old"


def test_a_file_that_grows_goes_on(path):
    Path(path).write_bytes(b"one\n")
    reader = GFile(path)
    assert list(reader) == ["one\n"]
    assert reader.read(5) == ""
    with GFile(path, "a") as writer:
        writer.write("two\nthr")
    assert reader.readline() == "two\n"
    assert list(reader) == ["thr"]
    with GFile(path, "a") as writer:
        writer.write("ee")
    assert reader.read() == "ee"
    assert reader.seek(0, 2) == 13


def test_an_open_file_outlives_its_name(path):
    Path(path).write_bytes(b"still here")
    file = GFile(path)
    assert file.read(5) == "still"
    os.unlink(path)
    assert file.read() == " here"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc on this system")
def test_files_without_a_size_are_read_whole():
    assert "Pid:" in GFile("/proc/self/status").read()


@pytest.mark.parametrize("use", [lambda f: f.read(), lambda f: f.readline(), lambda f: list(f), lambda f: f.size()])
def test_a_directory_is_no_file(tmp_path, use):
    with pytest.raises(IsADirectoryError) as caught:
        use(GFile(tmp_path))
    assert caught.value.code == errors.StatusCode.FAILED_PRECONDITION


def test_where_no_file_can_be(tmp_path, path):
    Path(path).write_bytes(b"")
    with pytest.raises(FileNotFoundError):
        GFile(tmp_path / "missing").read()
    with pytest.raises(FileNotFoundError):
        GFile(tmp_path / "missing" / "x", "w").write("")
    with pytest.raises(NotADirectoryError):
        GFile(f"{path}/below", "w").write("")
    with pytest.raises(IsADirectoryError):
        GFile(tmp_path, "w").write("")


def test_names_of_every_kind(tmp_path):
    for name in (str(tmp_path / "s"), os.fsencode(tmp_path / "b"), tmp_path / "p", f"file://{tmp_path}/u"):
        with GFile(name, "w") as file:
            file.write("x")
        assert file.name == name
        assert GFile(name).read() == "x"


@pytest.mark.parametrize("mode", ["r", "wb"])
def test_pickling_until_it_is_used(path, mode):
    Path(path).write_bytes(b"abc")
    file = GFile(path, mode)
    again = pickle.loads(pickle.dumps(file))
    assert (type(again), again.name, again.mode) == (GFile, path, mode)
    assert pickle.loads(pickle.dumps(GFile(path))).read() == "abc"
    file.tell()
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(file)
    file.close()


def test_the_old_names_open_the_same_files(path):
    assert Open is GFile
    with pytest.warns(DeprecationWarning, match="FastGFile"):
        file = FastGFile(path, "w")
    file.write("é")
    file.close()
    with pytest.raises(TypeError):
        FileIO(path)
    assert FileIO(path, "r", encoding="latin-1").readlines() == ["Ã©"]
    with FileIO(path, "w", "latin-1") as file:
        file.write("é\n")
    assert Path(path).read_bytes() == b"\xe9\n"
    assert list(FileIO(path, "r", "latin-1")) == ["é\n"]


@pytest.mark.parametrize("scheme", ["local", "ram"])
def test_an_atomic_file_appears_whole_or_not_at_all(path, scheme):
    place = path if scheme == "local" else "ram://atomic-gfile"
    with GFile(place, "w") as file:
        file.write("old")

    def fail_after_a_part():
        with GFile(place, "w", atomic=True) as file:
            file.write("new")
            file.flush()
            assert GFile(place).read() == "old"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_a_part()
    assert GFile(place).read() == "old"
    with GFile(place, "wb", atomic=True) as file:
        file.write("new")
        assert GFile(place).read() == "old"
    assert GFile(place).read() == "new"
    assert file.closed
    remove(place)


@pytest.mark.parametrize("mode", ["r", "a", "r+", "w+", "a+"])
def test_atomic_is_for_files_that_are_written_anew(path, mode):
    with pytest.raises(errors.InvalidArgumentError, match="atomic needs the mode w"):
        GFile(path, mode, atomic=True)
