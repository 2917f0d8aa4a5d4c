"""What the base of open files makes of backends that are wrong: an error that names them, never a wrong answer."""

import array
import contextlib
import gc
import os
import pickle
import weakref

import pytest

import recordfs
from recordfs import KeyValueFileSystem, checkpoint, events, example, gfile
from recordfs.errors import (
    AbortedError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from recordfs.file_objects import WholeFileStream
from recordfs.filesystem import RandomAccessFile, WritableFile
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.open_files.buffers import byte_view
from recordfs.per_process import PerProcess
from recordfs.testing.faulty import FaultyFileSystem
from recordfs.testing.object_store import SeededObjectFileSystem


class Answering(RandomAccessFile):
    """A file whose ``_read`` returns what it was given."""

    def __init__(self, answer):
        super().__init__("answering://f")
        self.answer = answer

    def _read(self, offset, n):
        return self.answer

    def _size(self):
        return 10


@pytest.mark.parametrize("answer", [bytearray(b"abc"), memoryview(b"abc"), array.array("B", b"abc")])
def test_read_of_another_buffer_gives_bytes(answer):
    file = Answering(answer)
    assert file.read(0, 3) == b"abc"
    assert type(file.read(0, 3)) is bytes
    buffer = bytearray(5)
    assert (file.read_into(0, buffer), buffer) == (3, b"abc\0\0")


@pytest.mark.parametrize("answer", [None, "abc", [1, 2], 3])
def test_read_of_what_is_no_buffer_is_an_error_that_names_the_class(answer):
    for call in (lambda: Answering(answer).read(0, 3), lambda: Answering(answer).read_into(0, bytearray(3))):
        with pytest.raises(InternalError, match=r"Answering\._read returned"):
            call()


def test_read_of_more_than_was_asked_for_is_an_error():
    with pytest.raises(InternalError, match="returned 5 bytes; expected at most 3"):
        Answering(b"abcde").read(0, 3)
    with pytest.raises(InternalError, match="expected at most 3"):
        Answering(b"abcde").read_into(0, bytearray(3))


def test_class_that_forgets_its_base_says_so():
    class Forgetful(Answering):
        def __init__(self):
            pass

    class ForgetfulWriter(WritableFile):
        def __init__(self):
            pass

        def _append(self, data): ...
        def _flush(self): ...
        def _tell(self): ...
        def _close(self): ...

    for call in (Forgetful().close, lambda: Forgetful().read(0, 1), ForgetfulWriter().close, ForgetfulWriter().flush):
        with pytest.raises(TypeError, match=r"has to call super\(\).__init__\(name\)"):
            call()


def test_buffer_of_python_objects_is_refused():
    np = pytest.importorskip("numpy")
    objects = np.array([object(), object()])
    with pytest.raises(TypeError, match="Python objects"):
        byte_view(objects)
    with pytest.raises(InvalidArgumentError, match="Python objects"):
        Answering(b"").read_into(0, objects)


class Publishing(WritableFile):
    """An atomic file of a backend that wrote the four methods that it has to, and no more."""

    def __init__(self, published):
        super().__init__("publishing://f", atomic=True)
        self.published = published

    def _append(self, data): ...
    def _flush(self): ...
    def _tell(self):
        return 0

    def _close(self):
        self.published.append(self.name)


class Undiscardable(Publishing):
    def _discard(self):
        raise recordfs.errors.UnimplementedError("not this one", path=self.name)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # collected, it fails once more
@pytest.mark.parametrize("kind", [Publishing, Undiscardable])
def test_atomic_file_is_never_published_by_an_exception(kind):
    published = []
    with pytest.raises(ZeroDivisionError), kind(published):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), WholeFileStream(kind(published)):
        raise ZeroDivisionError
    gc.collect()
    assert published == []


class Collected(recordfs.WritableFile):
    """A writer of a few lines, as in a plugin, that hands its bytes on when it is closed."""

    def __init__(self, kept, **kwargs):
        super().__init__("plug://f", **kwargs)
        self._kept, self._bytes = kept, b""

    def _append(self, data):
        self._bytes += bytes(data)

    def _flush(self):
        pass

    def _tell(self):
        return len(self._bytes)

    def _close(self):
        self._kept.append(self._bytes)
        self._end()

    def _discard(self):
        self._end()


@pytest.mark.parametrize(("atomic", "kept"), [(False, [b"last line"]), (True, [])])
def test_writer_that_nobody_closed_loses_nothing_silently(atomic, kept):
    found = []
    file = Collected(found, atomic=atomic)
    file.append(b"last line")
    with pytest.warns(ResourceWarning, match="unclosed writer of plug://"):
        del file
    assert found == kept


def test_whole_file_is_not_published_where_letting_go_of_it_fails():
    faulty = FaultyFileSystem(MemoryFileSystem())
    with MemoryFileSystem().new_writable_file("ram://open-files/old") as file:
        file.append(b"old")
    faulty.fail("discard", error=UnavailableError("network"))
    file = faulty.new_writable_file("ram://open-files/old", atomic=True)
    stream = WholeFileStream(file)
    stream.write(b"partial")
    with pytest.raises(ZeroDivisionError) as caught, stream:
        raise ZeroDivisionError
    assert "network" in caught.value.__notes__[0]
    del stream
    gc.collect()
    file.discard()
    with MemoryFileSystem().new_random_access_file("ram://open-files/old") as file:
        assert file.read(0, 10) == b"old"


# A writer that could not be let go of is collected, and says so.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("open_file", [recordfs.RecordWriter, lambda path, **words: gfile.GFile(path, "wb", **words)])
def test_users_error_is_the_one_to_see_where_discarding_fails_too(open_file):
    faulty = FaultyFileSystem(MemoryFileSystem())
    faulty.fail("discard", error=UnavailableError("network"))
    recordfs.register_file_system("openfaulty", faulty)
    try:
        with pytest.raises(ZeroDivisionError) as caught, open_file("openfaulty://open-files/x", atomic=True) as file:  # noqa: PT012
            file.write(b"x")
            raise ZeroDivisionError
    finally:
        recordfs.unregister_file_system("openfaulty")
    assert "network" in caught.value.__notes__[0]
    if isinstance(file, recordfs.RecordWriter):
        file.discard()
    del caught, file
    gc.collect()


# Whatever a `with` block closes: readers of every format, and filesystems.
@pytest.mark.parametrize(
    "base",
    [
        recordfs.RecordFile,
        recordfs.RecordReader,
        checkpoint.CheckpointManager,
        checkpoint.CheckpointReader,
        events.EventFileReader,
        example.ExampleReader,
        MemoryFileSystem,
    ],
)
def test_users_error_is_the_one_to_see_where_closing_fails_too(base):
    class FailingToClose(base):
        def close(self):
            raise UnavailableError("network")

        def __del__(self):
            """Nothing was opened."""

    with pytest.raises(ZeroDivisionError) as caught, FailingToClose.__new__(FailingToClose):
        raise ZeroDivisionError
    assert "network" in caught.value.__notes__[0]
    with pytest.raises(UnavailableError, match="network"), FailingToClose.__new__(FailingToClose):
        pass


class Values(KeyValueFileSystem):
    """A dictionary, whose answers a test may change."""

    def __init__(self, database="first", **options):
        super().__init__(**options)
        self.database = database
        self.values = {}
        self.failing = 0
        self.short = None

    def find_value(self, key):
        return [len(self.values[key]), 0] if key in self.values else None

    def read_value(self, key, offset, length):
        return self.values[key][offset : offset + length] if self.short is None else self.short

    def write_value(self, key, data, length):
        with data:
            content = data.read()
        if self.failing:
            self.failing -= 1
            raise TimeoutError("no answer")
        self.values[key] = content

    def delete_value(self, key):
        self.values.pop(key, None)

    def list_values(self, prefix):
        return [(key, len(value), 0) for key, value in self.values.items() if key.startswith(prefix)]


@pytest.mark.parametrize(("short", "kind"), [(b"", AbortedError), (b"ab", AbortedError), (b"x" * 20, InternalError)])
def test_value_that_comes_in_another_length_is_never_taken_for_the_file(short, kind):
    store = Values()
    store.values["f"] = b"0123456789"
    store.short = short
    for call in (
        lambda: store.new_random_access_file("values://f").read(0, 10),
        lambda: store.rename_file("values://f", "values://g"),
        lambda: store.copy_file("values://f", "values://g"),
    ):
        with pytest.raises(kind, match=f"returned {len(short)} of 10 bytes at 0"):
            call()
    assert store.values == {"f": b"0123456789"}


def test_value_is_written_again_though_the_client_closed_what_it_was_given():
    store = Values()
    store.failing = 1
    writer = store.new_writable_file("values://f")
    writer.append(b"content")
    with pytest.raises(DeadlineExceededError, match="no answer"):
        writer.close()
    writer.close()
    assert store.values == {"f": b"content"}


def test_failed_close_that_is_tried_again_overwrites_nothing_newer():
    store = Values()
    store.failing = 1
    late = store.new_writable_file("values://latest")
    late.append(b"step 20")
    with pytest.raises(DeadlineExceededError):
        late.close()
    with store.new_writable_file("values://latest") as file:
        file.append(b"step 30, and more")
    with pytest.raises(AbortedError, match="another writer has stored 17 bytes"):
        late.close()
    assert late.closed
    assert store.values == {"latest": b"step 30, and more"}


def test_write_that_is_ignored_is_noticed_where_lengths_are_the_same():
    store = Values()
    store.values["f"] = b"old"
    store.write_value = lambda key, data, length: None
    writer = store.new_writable_file("values://f")
    writer.append(b"new")
    with pytest.raises(recordfs.errors.DataLossError, match="the old one is there"):
        writer.close()
    writer.discard()


def test_error_without_a_number_is_known_by_its_class():
    store = Values()

    def find(key):
        raise FileNotFoundError("no such object")

    store.find_value = find
    with pytest.raises(NotFoundError, match="no such object"):
        store.stat("values://f")


def test_pickled_filesystem_keeps_its_positional_options():
    assert pickle.loads(pickle.dumps(Values("second"))).database == "second"


def test_child_that_drops_a_per_process_value_does_not_destroy_the_parents():
    class Client:
        def __init__(self):
            self.process = os.getpid()

        def __del__(self):
            if self.process != os.getpid():
                os._exit(99)

    holder = PerProcess(Client)
    holder.get()
    child = os.fork()
    if child == 0:
        holder = None
        gc.collect()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert holder.peek() is not None


@pytest.mark.parametrize(
    "what_users_extend",
    [recordfs.RecordReader, recordfs.RecordWriter, gfile.GFile, events.EventFileWriter, events.SummaryWriter],
)
def test_class_of_a_user_may_have_a_metaclass_of_its_own(what_users_extend):
    class Registering(type):
        pass

    class Extended(what_users_extend, metaclass=Registering):
        pass

    assert type(Extended) is Registering


@pytest.mark.filterwarnings("ignore:.*shows a file to readers when it is closed:UserWarning")
@pytest.mark.parametrize("error", [None, KeyError("of the program's")])
@pytest.mark.parametrize(
    "file_system",
    [MemoryFileSystem(), Values(), FsspecFileSystem("memory"), SeededObjectFileSystem()],
    ids=lambda file_system: type(file_system).__name__,
)
def test_writer_that_has_ended_is_held_by_nothing(file_system, error):
    path = "memory://bucket/f"
    writer = file_system.new_writable_file(path, atomic=file_system.capabilities(path).atomic_write)
    with contextlib.suppress(KeyError), writer:
        writer.append(b"data")
        if error is not None:
            raise error.with_traceback(None)
    assert writer.closed
    left = weakref.ref(writer)
    del writer
    gc.collect()
    assert left() is None
