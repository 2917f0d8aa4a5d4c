"""The adapters between files of the contract and Python's: nothing is lost, doubled or hidden in between."""

import contextlib
import io
import zipfile

import pytest

import recordfs
from recordfs.errors import (
    FailedPreconditionError,
    InternalError,
    ResourceExhaustedError,
    UnavailableError,
    UnimplementedError,
)
from recordfs.file_objects import FileObjectReader, FileObjectWriter, OutputStream, WholeFileStream, open_output
from recordfs.filesystem import WritableFile
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.testing.faulty import FaultyFileSystem


class InterruptedFile(io.BytesIO):
    """A file whose write is interrupted once, after ``landed`` bytes, and which is interrupted again when asked."""

    def __init__(self, landed, *, asked_too, seeks=True):
        super().__init__()
        self.landed, self.asked_too, self.seeks = landed, asked_too, seeks
        self.armed = False

    def seekable(self):
        return self.seeks

    def write(self, data):
        if self.armed:
            self.armed = False
            super().write(bytes(data)[: self.landed])
            self.interrupts_tell = self.asked_too
            raise KeyboardInterrupt
        return super().write(data)

    interrupts_tell = False

    def tell(self):
        if self.interrupts_tell:
            self.interrupts_tell = False
            raise KeyboardInterrupt
        return super().tell()


@pytest.mark.parametrize("asked_too", [False, True])
@pytest.mark.parametrize("landed", range(11))
def test_interrupted_append_is_written_once_or_told_to_be_lost(landed, asked_too):
    file = InterruptedFile(landed, asked_too=asked_too)
    writer = FileObjectWriter(file)
    writer.append(b"before")
    file.armed = True
    with pytest.raises(KeyboardInterrupt):
        writer.append(b"0123456789")
    try:
        taken = writer.tell() == 16
        writer.append(b"after")
        writer.close()
    except FailedPreconditionError:
        assert asked_too
        assert 0 < landed < 10, "all or nothing can be found out"
        assert file.getvalue() == b"before" + b"0123456789"[:landed]
        with pytest.raises(FailedPreconditionError):
            writer.discard()
        assert writer.closed
    else:
        assert file.getvalue() == b"before" + (b"0123456789" if taken else b"") + b"after"
        assert taken is (landed > 0)


def test_interrupted_append_to_a_pipe_is_told_to_be_lost():
    file = InterruptedFile(4, asked_too=False, seeks=False)
    writer = FileObjectWriter(file)
    file.armed = True
    with pytest.raises(KeyboardInterrupt):
        writer.append(b"0123456789")
    for call in (writer.tell, writer.flush, lambda: writer.append(b"x"), writer.close):
        with pytest.raises(FailedPreconditionError, match="unknown"):
            call()
    assert writer.closed


@pytest.mark.parametrize("answer", [True, False, 0, -1, 11, 10.0, "10"])
def test_write_that_returns_no_count_is_an_error(answer):
    class Odd:
        name = "odd"

        def write(self, data):
            taken.append(bytes(data))
            return answer

    taken = []
    writer = FileObjectWriter(Odd())
    with pytest.raises(InternalError, match=f"odd: write of this file object returned {answer!r}"):
        writer.append(b"0123456789")
    with pytest.raises(FailedPreconditionError):
        writer.append(b"more")
    assert taken == [b"0123456789"]


def test_write_that_returns_none_has_taken_everything():
    class Silent(io.BytesIO):
        def write(self, data):
            super().write(data)

    file = Silent()
    with FileObjectWriter(file) as writer:
        writer.append(b"0123")
        writer.append_parts([b"45", b"", b"6"])
    assert file.getvalue() == b"0123456"


def test_rest_of_an_append_is_written_first_when_there_is_room_again():
    class Full(io.BytesIO):
        room = 4

        def write(self, data):
            if not self.room:
                raise OSError(28, "No space left on device")
            part = bytes(data)[: self.room]
            self.room -= len(part)
            return super().write(part)

    file = Full()
    writer = FileObjectWriter(file)
    with pytest.raises(OSError, match="No space"):
        writer.append_parts([b"0123", b"456789"])
    assert writer.tell() == 10
    file.room = 100
    writer.append(b"more")
    assert file.getvalue() == b"0123456789more"


def test_file_object_is_read_at_any_offset_that_it_can_reach():
    reader = FileObjectReader(io.BytesIO(b"0123456789"))
    assert reader.read(3, 4) == b"3456"
    assert reader.read(0, 100) == b"0123456789"
    assert reader.read(10, 1) == b""
    assert reader.read_ranges([(8, 9), (1, 1)]) == [b"89", b"1"]
    assert reader.size() == -1


def test_output_stream_keeps_what_an_append_that_raised_did_not_take():
    faulty = FaultyFileSystem(MemoryFileSystem())
    stream = OutputStream(faulty.new_writable_file("ram://file-objects/kept"))
    blocks = [bytes([number]) * 100_000 for number in range(30)]
    for block in blocks:
        faulty.fail("append", error=ResourceExhaustedError("full"))
        with pytest.raises(ResourceExhaustedError):
            stream.write(block)
        assert stream.write(block) == len(block)
    faulty.fail("close", error=UnavailableError("not now"))
    with pytest.raises(UnavailableError):
        stream.close()
    assert not stream.closed
    stream.close()
    with MemoryFileSystem().new_random_access_file("ram://file-objects/kept") as file:
        assert file.read(0, file.size()) == b"".join(blocks)


class Undiscardable(WritableFile):
    """A file of a store that publishes whatever it was given."""

    def __init__(self, name, close_error=None):
        super().__init__(name)
        self.close_error = close_error

    def _append(self, data):
        pass

    def _flush(self):
        pass

    def _tell(self):
        return 0

    def _close(self):
        if self.close_error is not None:
            self._end()
            raise self.close_error


@pytest.mark.parametrize("close_error", [None, UnavailableError("the store is gone")])
def test_failed_export_shows_its_own_error_when_the_file_cannot_be_discarded(close_error):
    file = Undiscardable("odd://f", close_error)
    with pytest.raises(ZeroDivisionError) as caught, WholeFileStream(file):
        raise ZeroDivisionError
    assert file.closed
    notes = getattr(caught.value, "__notes__", [])
    assert ("the store is gone" in "".join(notes)) is (close_error is not None)
    with Undiscardable("odd://g") as file, pytest.raises(UnimplementedError):
        file.discard()


class FullStore(Undiscardable):
    """Takes no more after some appends, and then refuses everything in other words, as a file over fsspec does."""

    def __init__(self, taken):
        super().__init__("odd://full")
        self.left = taken
        self.size = 0

    def _append(self, data):
        self.left -= 1
        if self.left == -1:
            raise ResourceExhaustedError("no space left")
        self._flush()
        self.size += len(data)

    def _flush(self):
        if self.left < 0:
            raise FailedPreconditionError("an earlier write failed")

    def _tell(self):
        self._flush()
        return self.size


@pytest.mark.parametrize("taken", range(3))
def test_archive_that_could_not_be_written_shows_the_error_of_the_first_write_that_failed(taken):
    """Leaving it, zipfile writes the archive's end."""
    file = FullStore(taken)
    with (
        pytest.raises(ResourceExhaustedError, match="no space left"),
        WholeFileStream(file) as stream,
        zipfile.ZipFile(stream, "w") as archive,
    ):
        archive.writestr("a", b"x" * 1000)
    assert file.closed
    assert file.left == -1, "nothing was appended after the write that failed"


def test_whole_file_is_not_published_when_nobody_heeded_a_write_that_failed():
    path = "ram://file-objects/unheeded"
    faulty = FaultyFileSystem(MemoryFileSystem())
    stream = WholeFileStream(faulty.new_writable_file(path, atomic=True))
    stream.write(b"a")
    faulty.fail("append", error=ResourceExhaustedError("full"))
    with contextlib.suppress(ResourceExhaustedError):
        stream.write(b"b")
    with pytest.raises(ResourceExhaustedError):
        stream.close()
    stream.close()
    assert stream.closed
    assert not faulty.file_exists(path)


def test_failed_export_leaves_the_old_file():
    path = "ram://file-objects/old"
    with recordfs.get_file_system(path).new_writable_file(path) as file:
        file.append(b"old")
    with pytest.raises(ZeroDivisionError), open_output(path) as stream:  # noqa: PT012 (the second line is the error)
        stream.write(b"half of the new")
        raise ZeroDivisionError
    with recordfs.get_file_system(path).new_random_access_file(path) as file:
        assert file.read(0, 100) == b"old"
