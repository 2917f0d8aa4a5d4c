"""Records on a store that fails at every call in turn, or crashes: what was flushed is there, and nothing is torn."""

import contextlib
import itertools
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import recordfs
from recordfs import RecordWriter
from recordfs.errors import RecordFSError, TruncatedRecordError, UnavailableError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.testing.faulty import FaultyFileSystem

_numbers = itertools.count()
RECORDS = [b"%d" % number * size for number, size in enumerate([1, 10, 300_000, 5, 0, 40_000, 7])]


@pytest.fixture(params=["posix", "memory"])
def place(request, tmp_path):
    """A filesystem and a directory."""
    if request.param == "posix":
        yield PosixFileSystem(), str(tmp_path)
    else:
        system, root = MemoryFileSystem(), f"ram://faulty-records-{next(_numbers)}"
        system.create_dir(root)
        yield system, root
        system.delete_recursively(root)


def read(system, path):
    return list(recordfs.RecordReader(path, file_system=system))


def write(system, path, **options):
    with recordfs.RecordWriter(path, file_system=system, **options) as writer:
        for number, record in enumerate(RECORDS):
            writer.write(record)
            if number % 2:
                writer.flush()


@pytest.mark.parametrize("options", [{}, {"atomic": True}, {"compression": "GZIP"}], ids=str)
def test_whatever_call_of_a_writer_fails_the_file_holds_whole_records(place, options):
    system, root = place
    counting = FaultyFileSystem(system)
    write(counting, f"{root}/counted", **options)
    assert read(system, f"{root}/counted") == RECORDS
    assert len(counting.calls) > 5
    for number in range(1, len(counting.calls) + 1):
        path = f"{root}/{number}"
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number)
        writer = None
        try:
            writer = recordfs.RecordWriter(path, file_system=faulty, **options)
            for index, record in enumerate(RECORDS):
                writer.write(record)
                if index % 2:
                    writer.flush()
            writer.close()
        except UnavailableError:
            if writer is not None:
                # Nothing was taken by the call that failed but what the writer counts; from there it goes on.
                for record in RECORDS[writer.records_written :]:
                    writer.write(record)
                writer.close()
        if writer is None:
            assert not system.file_exists(path) or read(system, path) == []
        else:
            assert read(system, path) == RECORDS, faulty.calls


def test_a_crash_loses_only_what_was_not_flushed(place):
    system, root = place
    faulty = FaultyFileSystem(system)
    path = f"{root}/f"
    writer = recordfs.RecordWriter(path, file_system=faulty)
    for record in RECORDS[:4]:
        writer.write(record)
    writer.flush()
    for record in RECORDS[4:]:
        writer.write(record)
    faulty.crash()
    with pytest.raises(RecordFSError):
        writer.close()
    writer.discard()
    faulty.restart()
    assert read(system, path) == RECORDS[:4]
    with recordfs.RecordWriter(path, append=True, file_system=faulty) as writer:
        for record in RECORDS[4:]:
            writer.write(record)
    assert read(system, path) == RECORDS


@pytest.mark.parametrize("number", range(1, 8))
def test_a_flush_that_stops_half_way_is_continued(place, number):
    system, root = place
    faulty = FaultyFileSystem(system)
    path = f"{root}/f"
    with recordfs.RecordWriter(path, file_system=faulty) as writer:
        for index, record in enumerate(RECORDS):
            writer.write(record)
            if index + 1 == number:
                faulty.fail("flush", partial=True)
                with pytest.raises(UnavailableError):
                    writer.flush()
                # What a reader finds meanwhile is a beginning of the records, torn at most at its end.
                found = []
                with contextlib.suppress(TruncatedRecordError):
                    found.extend(recordfs.RecordReader(path, file_system=system))
                assert found == RECORDS[: len(found)]
                writer.flush()
                assert read(system, path) == RECORDS[:number]
    assert read(system, path) == RECORDS


@pytest.mark.slow
def test_short_reads_change_nothing_that_is_read(place):
    system, root = place
    write(system, f"{root}/f")
    write(system, f"{root}/g", compression="GZIP")
    for limit in (1, 7, 4096):
        faulty = FaultyFileSystem(system)
        faulty.shorten_reads(limit)
        assert read(faulty, f"{root}/f")[:2] == RECORDS[:2]
        if limit > 1:
            assert read(faulty, f"{root}/f") == RECORDS
            assert read(faulty, f"{root}/g") == RECORDS


def test_a_read_that_fails_can_be_made_again(place):
    system, root = place
    write(system, f"{root}/f")
    faulty = FaultyFileSystem(system)
    faulty.fail("read_into", nth=2)
    reader = iter(recordfs.RecordReader(f"{root}/f", file_system=faulty))
    found = []
    errors = 0
    while True:
        try:
            found.append(next(reader))
        except StopIteration:
            break
        except UnavailableError:
            errors += 1
            assert errors < 3
    assert errors == 1
    assert found == RECORDS


def test_daemon_threads_in_the_middle_of_records_do_not_abort_the_end_of_the_process(tmp_path):
    program = """
        import sys, threading
        from recordfs import RecordReader, RecordWriter
        from recordfs.filesystems.posix import PosixFileSystem
        from recordfs.filesystems.wrapper import WrapperFileSystem

        # Its files are Python's, in which a thread waits for the interpreter.
        store, path = WrapperFileSystem(PosixFileSystem()), sys.argv[1]
        with RecordWriter(path) as writer:
            writer.write_batch([bytes(1000)] * 5000)
        begun = threading.Barrier(5)

        def read():
            begun.wait()
            while True:
                with RecordReader(path, file_system=store) as reader:
                    list(reader)

        def write(number):
            begun.wait()
            while True:
                with RecordWriter(f"{path}{number}", file_system=store) as writer:
                    writer.write_batch([bytes(100_000)] * 50)

        for number in range(2):
            threading.Thread(target=read, daemon=True).start()
            threading.Thread(target=write, args=[number], daemon=True).start()
        begun.wait()
        threading.Event().wait(0.1)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "records")],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    "work",
    [
        pytest.param("recordfs.RecordWriter('/dev/null').write_batch(endless())", id="an item of an iterable"),
        pytest.param("[recordfs.example.encode_example({'a': [[1]] * 100}) for _ in endless()]", id="a value"),
        pytest.param("[scalars.add_scalar('a', Number(), 1) for _ in endless()]", id="a number"),
        pytest.param("endlessly(scalars.add_scalar, 'a', Float())", id="a float"),
        pytest.param("endlessly(scalars.add_scalar, 'a', 1.0, Float())", id="a step"),
        pytest.param("endlessly(scalars.add_scalar, 'a', Delegating())", id="an attribute"),
        pytest.param("endlessly(discarding.write_batch, Iterable())", id="an iterable"),
        pytest.param("endlessly(discarding.write_batch, LeftEarly())", id="a generator that is left early"),
        pytest.param("endlessly(parser.parse, [b'no Example'])", id="an error"),
        pytest.param(
            "endlessly(lambda: next(iter(recordfs.RecordReader(File(stream)))))", id="a file that is let go of"
        ),
    ],
)
def test_daemon_threads_in_code_that_native_code_calls_do_not_abort_the_end_of_the_process(work):
    program = f"""
        import contextlib, io, threading, time
        import recordfs, recordfs.events, recordfs.example

        begun = threading.Barrier(4)
        scalars = recordfs.events.SummaryWriter("ram://ending/run")
        discarding = recordfs.RecordWriter("/dev/null")
        parser = recordfs.example.ExampleParser({{"a": recordfs.example.FixedLenFeature([], bytes)}})
        with recordfs.RecordWriter(written := io.BytesIO()) as writer:
            writer.write(b"x")
            writer.flush()
            stream = written.getvalue()

        def endless():
            while True:
                yield b"x"

        def endlessly(call, *arguments):
            while True:
                with contextlib.suppress(Exception):
                    call(*arguments)

        def wait_for_interpreter(*_):
            for _ in range(100):
                time.sleep(0.0001)

        class Number:
            def item(self):
                return sum(range(100))

        class Float:
            __float__ = __index__ = wait_for_interpreter

        class Delegating:
            __getattr__ = wait_for_interpreter

        class Iterable:
            __iter__ = wait_for_interpreter

        class LeftEarly:
            def __iter__(self):
                try:
                    yield "no bytes"
                finally:
                    wait_for_interpreter()

        class File(io.BytesIO):
            __del__ = wait_for_interpreter

        def run():
            begun.wait()
            {work}

        if "no Example" in {work!r}:
            recordfs.errors.redact = lambda message: wait_for_interpreter() or message
        threading.excepthook = lambda _: None  # at the end events can no longer be logged, which is an error
        for _ in range(3):
            threading.Thread(target=run, daemon=True).start()
        begun.wait()
        threading.Event().wait(0.1)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_reader_that_a_daemon_thread_is_inside_of_is_an_error_at_the_end_of_the_interpreter_and_no_hang():
    program = """
        import builtins, sys, threading
        from recordfs import RecordReader, RecordWriter
        from recordfs.filesystems.memory import MemoryFileSystem
        from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile

        reads = threading.Event()

        class NeverReads(WrapperRandomAccessFile):
            def read_into(self, offset, buffer):
                reads.set()
                threading.Event().wait()

        class Store(WrapperFileSystem):
            def new_random_access_file(self, path):
                return NeverReads(super().new_random_access_file(path))

        class ClosesAtTheVeryEnd:
            def __init__(self, reader):
                self.reader = reader

            def __del__(self):
                try:
                    self.reader.close()
                except Exception as error:
                    sys.stdout.write(f"{type(error).__name__}: {error}")

        with RecordWriter("ram://a/records") as writer:
            writer.write(b"x")
        reader = RecordReader("ram://a/records", file_system=Store(MemoryFileSystem()))
        builtins.last = ClosesAtTheVeryEnd(reader)
        threading.Thread(target=list, args=[reader], daemon=True).start()
        reads.wait()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("RuntimeError: another thread was using it when the interpreter ended")


def test_writer_that_one_thread_uses_all_the_time_is_had_by_another_too():
    """The one lets go of the GIL only inside of the writer, so that the other cannot wait for a moment between."""
    told = threading.Event()
    writer = RecordWriter("/dev/null")

    def write():
        for number in range(10_000_000):
            writer.write(b"x" * 100)
            if told.is_set():
                return number
        return None

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        for _ in range(20):
            writer.tell()
        told.set()
        assert written.result() is not None, "it was waited for until the other had written everything"
    writer.close()
