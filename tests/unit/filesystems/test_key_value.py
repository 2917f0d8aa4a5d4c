"""A filesystem over a dictionary: what follows from five methods, beyond the conformance suite."""

import tracemalloc

import numpy as np
import pytest

from recordfs import KeyValueFileSystem
from recordfs.errors import (
    DataLossError,
    FailedPreconditionError,
    FileTooLargeError,
    InternalError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from support.limits import limited_file_sizes


class DictFileSystem(KeyValueFileSystem):
    """The smallest store there is; `fail` is raised by every method if it is set."""

    def __init__(self, **options):
        super().__init__(**options)
        self.values = {}
        self.fail = None

    def _check(self):
        if self.fail is not None:
            raise self.fail

    def find_value(self, key):
        self._check()
        return (len(self.values[key]), 0) if key in self.values else None

    def read_value(self, key, offset, length):
        self._check()
        return self.values[key][offset : offset + length]

    def write_value(self, key, data, length):
        self._check()
        self.values[key] = data.read()
        assert len(self.values[key]) == length

    def delete_value(self, key):
        self._check()
        self.values.pop(key, None)

    def list_values(self, prefix):
        self._check()
        return [(key, len(value), 0) for key, value in self.values.items() if key.startswith(prefix)]


@pytest.fixture
def store():
    return DictFileSystem()


def test_keys_are_paths_verbatim(store):
    with store.new_writable_file("x://bucket/a b/c?d#e") as file:
        file.append(b"x")
    store.create_dir("x://bucket/empty")
    assert list(store.values) == ["bucket/a b/c?d#e", "bucket/empty/"]
    assert sorted(store.get_children("x://bucket")) == ["a b", "empty"]
    assert store.get_children("x://") == ["bucket"]
    assert store.get_children("x://bucket/empty") == []


def test_a_file_appears_whole_when_it_is_closed(store):
    file = store.new_writable_file("x://f")
    file.append(b"x")
    with pytest.warns(UserWarning, match="when it is closed"):
        file.flush()
    file.flush()
    assert store.values == {}
    file.close()
    assert store.values == {"f": b"x"}
    discarded = store.new_writable_file("x://f", atomic=True)
    discarded.append(b"y")
    discarded.discard()
    assert store.values == {"f": b"x"}


def test_a_close_that_fails_can_be_tried_again(store):
    file = store.new_writable_file("x://f")
    file.append(b"one")
    store.fail = UnavailableError("no network")
    with pytest.raises(UnavailableError):
        file.close()
    store.fail = None
    file.append(b"two")
    file.close()
    assert store.values == {"f": b"onetwo"}


def test_what_was_interrupted_leaves_no_bytes(store, monkeypatch):
    file = store.new_writable_file("x://f")
    file.append(b"one")
    write = file._collected.write

    def half_a_write(data):
        write(bytes(data)[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file._collected, "write", half_a_write)
    with pytest.raises(OSError, match="No space"):
        file.append(b"lost")
    monkeypatch.undo()
    assert file.tell() == 3
    file.append(b"2")
    file.close()
    assert store.values == {"f": b"one2"}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (KeyError("f"), NotFoundError),
        (IndexError(), NotFoundError),
        (PermissionError(13, "denied"), PermissionDeniedError),
        (UnavailableError("as it is"), UnavailableError),
        (RuntimeError("odd"), UnknownError),
    ],
)
def test_what_a_store_raises_names_the_path(store, raised, expected):
    store.values["f"] = b"data"
    file = store.new_random_access_file("x://f")
    store.fail = raised
    for call in (lambda: file.read(0, 1), lambda: store.stat("x://f"), lambda: list(store.list_directory("x://"))):
        with pytest.raises(expected) as caught:
            call()
        if expected is not UnavailableError:
            assert caught.value.path in ("x://f", "x://")


def test_a_large_file_is_collected_on_disk(store):
    file = store.new_writable_file("x://f")
    block = bytes(1 << 20)
    tracemalloc.start()
    try:
        for _ in range(40):
            file.append(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.tell() == 40 << 20
    # The temporary file takes over from memory at 8 MiB, for a moment beside it.
    assert peak < 20 << 20
    file.close()
    assert len(store.values["f"]) == 40 << 20


def test_a_disk_without_room_for_a_large_file_takes_none_of_it_away(store):
    megabyte = 1 << 20
    file = store.new_writable_file("x://f")
    for number in range(8):
        file.append(bytes([number]) * megabyte)
    with limited_file_sizes() as limit:
        # What is in memory moves to a temporary file at 8 MiB: first that has no room, and then what follows.
        for room in (6, 6, 9):
            limit(room * megabyte)
            with pytest.raises(FileTooLargeError):
                file.append(b"lost" * megabyte)
        limit(None)
    file.append(b"end")
    assert file.tell() == 8 * megabyte + 3
    file.close()
    assert store.values["f"] == b"".join(bytes([number]) * megabyte for number in range(8)) + b"end"


def test_a_call_inside_an_append_is_refused_and_no_byte_is_written_over(store, monkeypatch):
    file = store.new_writable_file("x://f")
    write = file._collected.write

    def write_and_be_interrupted(data):
        count = write(data)
        # As a signal handler of a program that logs to this file would, before the append has counted its bytes.
        for call in (lambda: file.append(b"handler"), file.close, file.discard):
            with pytest.raises(FailedPreconditionError, match="one call at a time"):
                call()
        return count

    monkeypatch.setattr(file._collected, "write", write_and_be_interrupted)
    file.append(b"whole")
    monkeypatch.undo()
    file.append(b" and more")
    file.close()
    assert store.values == {"f": b"whole and more"}


def test_a_store_may_take_a_large_file_line_by_line(store):
    def write_lines(key, data, length):
        store.values[key] = b"".join(data)

    store.write_value = write_lines
    lines = b"".join(b"line %d\n" % number for number in range(1_500_000))
    with store.new_writable_file("x://f") as file:
        file.append(lines)
    assert store.values["f"] == lines


def test_what_was_not_promised_is_refused_by_name(store):
    store.create_dir("x://d")
    for call in (
        store.new_appendable_file,
        lambda path: store.new_writable_file(path, exclusive=True),
        lambda path: store.rename_file("x://d", path),
        lambda path: store.truncate_file(path, 0),
    ):
        with pytest.raises(UnimplementedError, match="DictFileSystem cannot"):
            call("x://f")


def test_a_writer_belongs_to_its_process(store, monkeypatch):
    file = store.new_writable_file("x://f")
    with monkeypatch.context() as patch:
        patch.setattr("recordfs.per_process.OwningProcess.current_pid", -1)
        for call in (lambda: file.append(b""), file.flush, file.tell, file.close, file.discard):
            with pytest.raises(FailedPreconditionError, match="belongs to process"):
                call()
    file.close()


class NeverStoring(DictFileSystem):
    """Takes what the store refuses for done, as a client does that looks at no answer."""

    def write_value(self, key, data, length):
        data.read()


@pytest.mark.parametrize("standing", [None, b"shorter", b"new byte!"])
def test_a_store_that_did_not_store_is_found_out_by_close(standing):
    store = NeverStoring()
    if standing is not None:
        store.values["bucket/f"] = standing
    file = store.new_writable_file("x://bucket/f")
    file.append(b"new bytes")
    with pytest.raises(DataLossError, match="without an error"):
        file.close()
    file.discard()


def test_a_store_that_made_no_directory_is_found_out():
    with pytest.raises(InternalError, match="does write_value look at the answer"):
        NeverStoring().create_dir("x://bucket/d")


class NeverDeleting(DictFileSystem):
    """The same of deletions."""

    def delete_value(self, key):
        pass


def test_a_store_that_did_not_delete_is_found_out():
    store = NeverDeleting()
    store.values = {"bucket/f": b"bytes", "bucket/d/": b"", "bucket/tree/g": b"more"}
    for delete, path in (
        (store.delete_file, "x://bucket/f"),
        (store.delete_dir, "x://bucket/d"),
        (lambda path: store.rename_file("x://bucket/f", path), "x://bucket/new"),
        (store.delete_recursively, "x://bucket/tree"),
    ):
        with pytest.raises(RecordFSError, match="does delete_value look at the answer"):
            delete(path)
    assert store.values["bucket/new"] == b"bytes"


def test_the_same_bytes_again_are_no_doubt(store):
    for _ in range(2):
        with store.new_writable_file("x://bucket/f") as file:
            file.append(b"the same" * 20_000)
    assert store.values["bucket/f"] == b"the same" * 20_000


@pytest.mark.parametrize(
    "told", [(None, 0), ("5", 0), (-1, 0), (5.0, 0), (5, None), (5, 1.5), (5,), 5, "ab"], ids=lambda told: repr(told)
)
def test_a_store_that_tells_no_length_is_an_error_that_says_what_it_told(store, told):
    store.values["f"] = b"12345"
    store.find_value = lambda key: told if key == "f" else None
    store.list_values = lambda prefix: [] if prefix else [("f", *(told if isinstance(told, tuple) else (told,)))]
    file = store.new_writable_file("x://g")
    file.append(b"1")
    for call in (
        lambda: store.stat("x://f"),
        lambda: store.new_random_access_file("x://f"),
        lambda: store.new_writable_file("x://f"),
        lambda: list(store.list_directory("x://")),
    ):
        with pytest.raises(InternalError, match=r"(find_value|list_values, of the key 'f',) returned"):
            call()
    store.find_value = lambda key: told
    with pytest.raises(InternalError, match=r"find_value returned .*; expected the length"):
        file.close()
    del store.find_value
    file.close()
    assert store.values["g"] == b"1"


@pytest.mark.parametrize(("told", "kind"), [("text", "str"), (None, "NoneType"), (4, "int")])
def test_a_store_that_reads_no_bytes_is_an_error_that_names_the_method(store, monkeypatch, told, kind):
    with store.new_writable_file("dict://a") as file:
        file.append(b"data")
    monkeypatch.setattr(store, "read_value", lambda key, offset, length: told)
    with store.new_random_access_file("dict://a") as file, pytest.raises(InternalError) as caught:
        file.read(0, 4)
    assert str(caught.value) == f"dict://a: read_value returned a {kind}; expected bytes"


def test_whole_numbers_of_any_type_are_lengths(store):
    store.values["f"] = b"12345"
    store.find_value = lambda key: (np.uint64(5), np.int64(7)) if key == "f" else None
    statistics = store.stat("x://f")
    assert (statistics.length, statistics.mtime_nsec) == (5, 7)
    assert type(statistics.length) is int


@pytest.mark.parametrize("key", [None, b"f", "elsewhere/f"])
def test_a_listing_of_keys_that_were_not_asked_for_is_an_error(store, key):
    store.values["d/f"] = b""
    store.list_values = lambda prefix: [(key, 1, 0)]
    with pytest.raises(InternalError, match="asked for those of 'd/'"):
        store.get_children("x://d")
