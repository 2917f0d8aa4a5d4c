"""BlockReader against a model: whatever is called in whatever order, it reads what io.BytesIO would."""

import io
import random
from itertools import cycle, islice

from hypothesis import example, given
from hypothesis import strategies as st

from recordfs.errors import UnavailableError
from recordfs.filesystem import RandomAccessFile
from recordfs.gfile.block_reader import BlockReader


class Stored(RandomAccessFile):
    """A file in memory that sees what is added to its bytearray, or, of bytes, never grows."""

    def __init__(self, data):
        super().__init__("memory")
        self.data = data

    def _read(self, offset, n):
        return bytes(self.data[offset : offset + n])

    def _size(self):
        return len(self.data)


def taken(lines, count):
    """Up to ``count`` lines, and a mark where one is no UTF-8."""
    found = []
    try:
        for line in islice(lines, count):
            found.append(line)  # noqa: PERF402  (what came before an error is kept)
    except UnicodeDecodeError:
        found.append("not UTF-8")
    return found


pieces = st.sampled_from([b"\n", b"a\n", b"\r", b"\r\n", "é".encode(), b"x" * 5000, b"y" * 40_000 + b"\n", b"z" * 300])
calls = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 100_000)),
        st.tuples(st.just("read_line"), st.integers(-1, 50)),
        st.tuples(st.just("read_into"), st.integers(0, 100_000)),
        st.tuples(st.just("lines"), st.integers(0, 30)),
        st.tuples(st.just("text_lines"), st.integers(0, 30)),
        st.tuples(st.just("seek"), st.integers(0, 200_000)),
        st.tuples(st.just("read_all"), st.just(0)),
        st.tuples(st.just("grow"), pieces),
        st.tuples(st.just("tell"), st.just(0)),
    )
)


@given(st.lists(pieces).map(b"".join), calls)
@example(b"a\nb\nc\n", [("text_lines", 1), ("lines", 1), ("lines", 5), ("grow", b"d\n"), ("lines", 2)])
@example(b"x" * 20_000 + b"\n", [("read", 5), ("read_line", 7), ("read_line", -1), ("read_all", 0)])
def test_it_reads_what_the_model_reads(data, steps):
    stored = bytearray(data)
    model = io.BytesIO(data)
    reader = BlockReader(Stored(stored), lambda: None)
    for call, argument in steps:
        if call == "read":
            assert reader.read(argument) == model.read(argument)
        elif call == "read_line":
            assert reader.read_line(argument) == model.readline(argument)
        elif call == "read_into":
            buffer = bytearray(argument)
            assert buffer[: reader.read_into(buffer)] == model.read(argument)
        elif call == "lines":
            assert list(islice(reader.lines(text=False), argument)) == list(islice(model, argument))
        elif call == "text_lines":
            assert taken(reader.lines(text=True), argument) == taken(map(bytes.decode, model), argument)
        elif call == "seek":
            assert reader.seek(argument) == model.seek(argument)
        elif call == "read_all":
            assert reader.read_all() == model.read()
        elif call == "grow":
            position = model.tell()
            stored += argument
            model = io.BytesIO(stored)
            model.seek(position)
        assert reader.tell() == model.tell()


def test_where_open_files_do_not_grow_the_end_is_looked_for_anew():
    stored = bytearray(b"one\n")
    reader = BlockReader(Stored(bytes(stored)), lambda: Stored(bytes(stored)))
    assert list(reader.lines(text=True)) == ["one\n"]
    stored += b"two\nthree\n"
    assert list(reader.lines(text=True)) == ["two\n", "three\n"]
    stored += b"four\n"
    assert reader.read(100) == b"four\n"
    assert reader.read(100) == b""
    stored += b"five\n"
    assert reader.read_all() == b"five\n"
    stored += b"six\n"
    buffer = bytearray(100_000)
    assert reader.read_into(buffer) == 4
    stored += b"seven\n"
    assert reader.read_line() == b"seven\n"
    stored += b"eight\n"
    assert reader.seek(0, 2) == len(stored)
    assert reader.seek(-6, 1) == len(stored) - 6
    stored += b"nine\n"
    assert reader.seek(len(stored) - 5) == len(stored) - 5
    assert reader.read_all() == b"nine\n"


class Unreliable(Stored):
    """A store that is not reached by every fourth call or so."""

    def __init__(self, data):
        super().__init__(data)
        self.luck = random.Random(4)

    def _read(self, offset, n):
        if self.luck.random() < 0.25:
            raise UnavailableError("try again", path=self.name)
        return super()._read(offset, n)


def test_a_call_that_failed_can_be_tried_again_and_misses_nothing():
    data = b"".join(b"%d " % i + b"x" * (i % 300 * 700) + b"\n" for i in range(900))
    calls = [
        lambda r: r.read(7),
        lambda r: r.read(200_000),
        lambda r: r.read_line(),
        lambda r: r.read_line(30_000),
        lambda r: next(r.lines(text=False)),
        lambda r: next(r.lines(text=True)).encode(),
        lambda r: read_into(r, 100),
        lambda r: read_into(r, 3_000_000),
    ]
    reader = BlockReader(Unreliable(data), lambda: None)
    got = bytearray()
    failures = 0
    for call in cycle(calls):
        if len(got) > len(data) // 2:
            break
        while True:
            position = reader.tell()
            try:
                got += call(reader)
                break
            except UnavailableError:
                failures += 1
                assert reader.tell() == position == len(got)
    assert failures > 10
    assert got == data[: len(got)]


def read_into(reader, size):
    buffer = bytearray(size)
    return buffer[: reader.read_into(buffer)]


def test_the_end_is_asked_for_once_by_a_loop():
    asked = []
    reader = BlockReader(Stored(b"one\ntwo"), lambda: asked.append("again"))
    assert list(reader.lines(text=True)) == ["one\n", "two"]
    assert len(asked) == 2  # after the unfinished line, and after that
