"""A StopIteration that a file raises is an error, as in generators (PEP 479): no loop takes it for the end."""

import io

import numpy as np
import pytest

from recordfs import RandomAccessFile, RecordReader, RecordWriter, register_file_system, unregister_file_system
from recordfs.example import FixedLenFeature, encode_example, read_examples
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.gfile import GFile

RECORD = encode_example({"id": 7})
COUNT = 20_000


def stored_records() -> bytes:
    file = io.BytesIO()
    with RecordWriter(file) as writer:
        writer.write_batch([RECORD] * COUNT)
        return file.getvalue()


class StoppingStream(io.BytesIO):
    """Raises StopIteration where it has been read half."""

    def readinto(self, buffer):
        if self.tell() > len(self.getvalue()) // 2:
            raise StopIteration
        return super().readinto(memoryview(buffer)[:10_000])


class StoppingFile(RandomAccessFile):
    """A hundred thousand lines, of which the second half raises StopIteration."""

    CONTENTS = b"line\n" * 100_000

    def _read(self, offset: int, n: int) -> bytes:
        if offset >= len(self.CONTENTS) // 2:
            raise StopIteration
        return self.CONTENTS[offset : offset + n]

    def _size(self) -> int:
        return len(self.CONTENTS)


class StoppingFileSystem(MemoryFileSystem):
    def new_random_access_file(self, path: str) -> RandomAccessFile:
        return StoppingFile(path)


def read_all(items) -> None:
    for _ in items:
        pass


@pytest.mark.parametrize(
    "items_of",
    [
        iter,
        lambda reader: reader.batches(100),
        lambda reader: reader.views(),
        lambda reader: read_examples(reader, {"id": FixedLenFeature([], np.int64)}, batch_size=100),
    ],
    ids=["records", "batches", "views", "examples"],
)
def test_reading_records_raises_the_stop_iteration_of_a_stream(items_of):
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        read_all(items_of(RecordReader(StoppingStream(stored_records()))))
    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_reading_lines_raises_the_stop_iteration_of_a_file(mode):
    register_file_system("stopping", StoppingFileSystem)
    try:
        path = "stopping://lines"
        with GFile(path, mode) as file, pytest.raises(RuntimeError, match="StopIteration") as caught:
            read_all(file)
        assert isinstance(caught.value.__cause__, StopIteration)
    finally:
        unregister_file_system("stopping")
