"""GFile wherever Python expects a file, on the local disk and on a filesystem that writes only at the end."""

import csv
import gzip
import io
import json
import pickle
import tarfile
import uuid
import zipfile
from itertools import pairwise

import numpy as np
import pytest

from recordfs import errors, gfile
from recordfs.gfile import GFile

TEXT = "one\nzwei é\r\ndrei\rvier\n\nlast"


@pytest.fixture(params=["local", "ram"])
def root(request, tmp_path):
    if request.param == "local":
        yield str(tmp_path)
        return
    top = f"ram://{uuid.uuid4().hex}"
    gfile.makedirs(top)
    yield top
    gfile.rmtree(top)


def put(path, data):
    with GFile(path, "wb") as file:
        file.write(data)


def get(path):
    with GFile(path, "rb") as file:
        return file.read()


def test_it_counts_as_a_file_object(root):
    file = GFile(f"{root}/x")
    assert isinstance(file, io.IOBase)
    assert not file.isatty()
    with pytest.raises(io.UnsupportedOperation):
        file.fileno()


def test_wrapped_in_buffers_and_text(root):
    path = f"{root}/x"
    with io.BufferedWriter(GFile(path, "wb")) as file:
        file.write(b"abc\n" * 5000)
    with io.BufferedReader(GFile(path, "rb")) as file:
        assert file.read(2) == b"ab"
        assert file.seek(-8, 2) == 19992
        assert file.readlines() == [b"abc\n", b"abc\n"]
        assert file.seek(0) == 0
        assert len(file.read()) == 20000
    with io.TextIOWrapper(GFile(path, "wb"), "utf-16-le", newline="") as file:
        file.write(TEXT)
    with io.TextIOWrapper(GFile(path, "rb"), "utf-16-le") as file:
        assert file.read() == TEXT.replace("\r\n", "\n").replace("\r", "\n")


def test_zip_files_both_ways(root):
    path = f"{root}/x.zip"
    with GFile(path, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "a" * 100_000)
        archive.writestr("b/c.bin", b"\x00\xff")
    with GFile(path, "rb") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.txt", "b/c.bin"]
        assert archive.read("b/c.bin") == b"\x00\xff"


def test_zip_files_grow_in_place(tmp_path):
    path = f"{tmp_path}/x.zip"
    for mode, zip_mode, name in (("w+b", "w", "a"), ("r+b", "a", "b"), ("r+b", "a", "c")):
        with GFile(path, mode) as file, zipfile.ZipFile(file, zip_mode) as archive:
            archive.writestr(name, name * 1000)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in "abc"] == [b"a" * 1000, b"b" * 1000, b"c" * 1000]


def test_tarfile_and_gzip_write_and_read_through_gfile(root):
    path = f"{root}/x.tar.gz"
    with GFile(path, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        info = tarfile.TarInfo("a")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    with GFile(path, "rb") as file, tarfile.open(fileobj=file, mode="r:gz") as archive:
        assert archive.extractfile("a").read() == b"hello"
    with GFile(path, "rb") as file, gzip.open(file) as unzipped:
        assert len(unzipped.read()) % 512 == 0


def test_an_archive_that_is_cut_is_told_as_of_pythons_own_file(root):
    put(f"{root}/short", b"tiny")
    assert not zipfile.is_zipfile(GFile(f"{root}/short", "rb"))
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(GFile(f"{root}/short", "rb"))
    assert not tarfile.is_tarfile(GFile(f"{root}/short", "rb"))
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        info = tarfile.TarInfo("x")
        info.size = 5000
        tar.addfile(info, io.BytesIO(b"x" * 5000))
    put(f"{root}/cut.tar", whole.getvalue()[:1024])
    with pytest.raises(tarfile.ReadError), tarfile.open(fileobj=GFile(f"{root}/cut.tar", "rb")) as tar:
        tar.getnames()
    for data in (b"", b"PK\x05\x06"):
        put(f"{root}/empty", data)
        assert not zipfile.is_zipfile(GFile(f"{root}/empty", "rb"))


def test_a_zip_file_is_written_by_an_object_that_may_read_too(tmp_path):
    with GFile(tmp_path / "a.zip", "w+b") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "A" * 100)
        archive.writestr("b", "B")
    with zipfile.ZipFile(GFile(tmp_path / "a.zip", "rb")) as archive:
        assert archive.testzip() is None
        assert archive.read("a") == b"A" * 100


def test_json_csv_and_pickle(root):
    path = f"{root}/x"
    value = {"é": [1, 2.5, None]}
    with GFile(path, "w") as file:
        json.dump(value, file, ensure_ascii=False)
    with GFile(path) as file:
        assert json.load(file) == value

    rows = [["a", "é,\nb"], ["", "c"]]
    with GFile(path, "w") as file:
        csv.writer(file).writerows(rows)
    with GFile(path) as file:
        assert list(csv.reader(file)) == rows

    objects = [value, b"x" * 300_000, [bytearray(100_000)]]
    with GFile(path, "wb") as file:
        for one in objects:
            pickle.dump(one, file, protocol=5)
    with GFile(path, "rb") as file:
        assert [pickle.load(file) for _ in objects] == objects


def test_numpy_saves_and_loads_through_gfile(root):
    path = f"{root}/x"
    array = np.arange(100_000, dtype="<f8").reshape(100, 1000)
    with GFile(path, "wb") as file:
        np.save(file, array)
    with GFile(path, "rb") as file:
        assert (np.load(file) == array).all()
    with GFile(path, "wb") as file:
        np.savez_compressed(file, a=array, b=array[0])
    with GFile(path, "rb") as file, np.load(file) as loaded:
        assert (loaded["a"] == array).all()
        assert (loaded["b"] == array[0]).all()
    with GFile(path, "w") as file:
        np.savetxt(file, array[:2, :3])
    with GFile(path) as file:
        assert (np.loadtxt(file) == array[:2, :3]).all()


def test_lines_end_at_newlines_alone(root):
    path = f"{root}/x"
    with GFile(path, "w") as file:
        file.writelines([TEXT[:5], TEXT[5:]])
    lines = ["one\n", "zwei é\r\n", "drei\rvier\n", "\n", "last"]
    assert list(GFile(path)) == lines
    assert GFile(path).readlines() == lines
    assert list(GFile(path, "rb")) == [line.encode() for line in lines]
    file = GFile(path, "rb")
    assert [file.readline() for _ in range(6)] == [*(line.encode() for line in lines), b""]
    assert GFile(path).readlines(5) == lines[:2]
    assert [GFile(path).readline(n) for n in (0, 2, 4, 9)] == ["", "on", "one\n", "one\n"]


def test_lines_with_characters_that_only_python_takes_for_ends(root):
    path = f"{root}/x"
    lines = ["a\vb\fc\x1cd\x1de\x1ef\n", "g\x85h\u2028i\u2029j\n"]
    with GFile(path, "w") as file:
        file.writelines(lines)
    assert list(GFile(path)) == lines


def test_everything_may_be_done_inside_a_loop_over_lines(root):
    path = f"{root}/x"
    lines = [f"line {i} {'é' * (i % 7)}\n" for i in range(5003)]
    with GFile(path, "w") as file:
        file.writelines(lines)
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line.encode()))

    file = GFile(path)
    seen = []
    for line in file:
        seen.append(line)
        assert file.tell() == ends[len(seen)]
        if len(seen) % 100 == 0:
            seen.append(file.readline())
        if len(seen) % 250 == 0:
            seen.append(file.read(ends[len(seen) + 1] - ends[len(seen)]))
        if len(seen) == 3000:
            seen.append(next(file))
    assert seen == lines

    file.seek(0)
    first, second = iter(file), iter(file)
    mixed = [next(iterator) for _ in range(50) for iterator in (first, second)]
    assert mixed == lines[:100]
    for line in file:
        if line == lines[200]:
            break
    assert file.readline() == lines[201]
    for line in file:
        if line == lines[300]:
            file.seek(ends[4999])
    assert line == lines[-1]


def test_a_file_that_is_closed_inside_a_loop_ends_it_with_an_error(root):
    path = f"{root}/x"
    put(path, b"a\n" * 100)
    file = GFile(path)
    lines = iter(file)
    next(lines)
    file.close()
    with pytest.raises(errors.ClosedFileError):
        next(lines)


def test_lines_longer_than_any_block(root):
    path = f"{root}/x"
    lines = [b"x" * 3_000_000 + b"\n", b"y\n", b"z" * 2_000_000]
    put(path, b"".join(lines))
    assert list(GFile(path, "rb")) == lines
    file = GFile(path, "rb")
    assert [file.readline() for _ in range(4)] == [*lines, b""]


def test_reading_into_buffers(root):
    path = f"{root}/x"
    data = bytes(range(256)) * 10_000
    put(path, data)
    file = GFile(path, "rb")
    got = b""
    for size in (1, 10, 70_000, 3, 1_500_000, 5_000_000, 1):
        buffer = bytearray(size)
        count = file.readinto(buffer)
        got += buffer[:count]
        assert file.tell() == len(got)
    assert got == data
    with pytest.raises(errors.InvalidArgumentError):
        file.readinto(b"read-only")


def test_changing_the_middle_where_the_store_cannot(root):
    path = f"{root}/x"
    put(path, b"0123")
    in_place = gfile.exists(path) and not root.startswith("ram://")
    with GFile(path, "r+b") as file:
        file.seek(0, 2)
        file.write(b"45")
        assert file.tell() == 6
        file.seek(1)
        assert file.read() == b"12345"
        file.seek(2)
        if in_place:
            file.write(b"x")
        else:
            with pytest.raises(errors.UnimplementedError, match="end"):
                file.write(b"x")
            with pytest.raises(errors.UnimplementedError):
                file.truncate()
            assert file.tell() == 2
    assert get(path) == (b"01x345" if in_place else b"012345")


def test_writing_and_reading_back_by_one_object(root):
    path = f"{root}/x"
    with GFile(path, "w+") as file:
        file.write("one\n")
        file.seek(0)
        assert list(file) == ["one\n"]
        file.write("two\n")
        file.seek(0)
        assert file.read() == "one\ntwo\n"
    with GFile(path, "a+") as file:
        file.write("three")
        assert file.read() == "one\ntwo\nthree"
    assert get(path) == b"one\ntwo\nthree"


def test_positions_of_lines_make_an_index(root):
    path = f"{root}/x"
    lines = [b"%d\n" % i for i in range(20_000)]
    put(path, b"".join(lines))
    file = GFile(path, "rb")
    starts = [0]
    while file.readline():
        starts.append(file.tell())
    file = GFile(path, "rb")
    for index, (start, end) in list(enumerate(pairwise(starts)))[::-997]:
        file.seek(start)
        assert file.read(end - start) == lines[index]
