"""Whatever fails while records are written, the file holds whole records, none twice and none lost."""

from __future__ import annotations

import contextlib
import io
import random
import subprocess
import sys
import textwrap

import pytest
from tests.support.record_files import ScheduledWritableFile

import recordfs
from recordfs.errors import FailedPreconditionError

# Small ones, some beyond the size at which a record goes to the file without a copy, and more than one buffer of all.
RECORDS = [
    random.Random(index).randbytes(size)
    for index, size in enumerate([10, 50_000, 3000, 0, 300_000, 33_000] + [997] * 900 + [40_000, 1])
]


def records_in(data: bytes) -> list[bytes]:
    return list(recordfs.RecordReader(io.BytesIO(bytes(data))))


def write_stubbornly(writer: recordfs.RecordWriter, records: list[bytes]) -> int:
    """Write each record again until the writer has it; return how many errors there were."""
    errors = 0
    for count, record in enumerate(records, start=1):
        while writer.records_written < count:
            try:
                writer.write(record)
            except (OSError, KeyboardInterrupt):
                errors += 1
    return errors


def call_stubbornly(call) -> int:
    """Call until it succeeds; return how many errors there were."""
    errors = 0
    while True:
        try:
            call()
        except (OSError, KeyboardInterrupt):
            errors += 1
        else:
            return errors


def write_all_and_close(writer: recordfs.RecordWriter) -> None:
    writer.write_batch(RECORDS)
    writer.close()


def appends_of_a_whole_run(**keywords) -> int:
    file = ScheduledWritableFile()
    writer = recordfs.RecordWriter(file, **keywords)
    write_all_and_close(writer)
    return file.appends


@pytest.mark.parametrize("fault", ["nothing taken", "all taken"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("compression", [None, "GZIP", "ZLIB"])
def test_an_append_that_fails_at_any_step_loses_and_doubles_nothing(fault, error, compression):
    for step in range(appends_of_a_whole_run(compression=compression)):
        file = ScheduledWritableFile(step, fault, error)
        writer = recordfs.RecordWriter(file, compression=compression)
        errors = write_stubbornly(writer, RECORDS)
        errors += call_stubbornly(writer.close)
        assert errors == 1, f"step {step}"
        assert records_in(file.data) == RECORDS, f"step {step}"


def test_a_write_that_raises_has_not_taken_its_record():
    for step in range(appends_of_a_whole_run()):
        file = ScheduledWritableFile(step)
        writer = recordfs.RecordWriter(file)
        taken = []
        for record in RECORDS:
            before = writer.tell()
            try:
                writer.write(record)
            except OSError:
                assert writer.tell() == before
            else:
                taken.append(record)
        call_stubbornly(writer.close)
        assert records_in(file.data) == taken
        assert writer.records_written == len(taken) >= len(RECORDS) - 1


def test_a_batch_that_raises_tells_how_many_it_took():
    for step in range(appends_of_a_whole_run()):
        file = ScheduledWritableFile(step)
        writer = recordfs.RecordWriter(file)
        while writer.records_written < len(RECORDS):
            with contextlib.suppress(OSError):
                writer.write_batch(RECORDS[writer.records_written :])
        call_stubbornly(writer.close)
        assert records_in(file.data) == RECORDS


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_a_torn_append_makes_the_writer_say_that_it_cannot_go_on(compression):
    for step in range(appends_of_a_whole_run(compression=compression)):
        file = ScheduledWritableFile(step, "some taken")
        writer = recordfs.RecordWriter(file, compression=compression)
        with pytest.raises(OSError, match="scheduled"):
            write_all_and_close(writer)
        before = bytes(file.data)
        # An append that failed in close has closed the writer to all but close.
        for call, arguments in ((writer.write, [b"x"]), (writer.flush, []), (writer.write_batch, [[b"x"]])):
            with pytest.raises(FailedPreconditionError):
                call(*arguments)
        with pytest.raises(FailedPreconditionError, match="repair_tail=True"):
            writer.close()
        writer.close()
        assert writer.closed
        assert bytes(file.data) == before
        if compression is None:
            whole = list(recordfs.RecordReader(io.BytesIO(before), on_error="stop"))
            assert whole == RECORDS[: len(whole)]


def test_an_index_whose_file_fails_still_gets_every_line(tmp_path, monkeypatch):
    writer = recordfs.RecordWriter(tmp_path / "records", index=tmp_path / "index")
    writer.close()
    # The two files are told apart by their names; only the index fails, at its first two appends.
    from recordfs.filesystems import _posix_files

    original = _posix_files.PosixWritableFile.append
    failures = [OSError("first"), OSError("second")]

    def append(self, data):
        if self.name.endswith("index") and failures:
            raise failures.pop()
        original(self, data)

    monkeypatch.setattr(_posix_files.PosixWritableFile, "append", append)
    writer = recordfs.RecordWriter(tmp_path / "records", index=tmp_path / "index")
    assert write_stubbornly(writer, RECORDS) + call_stubbornly(writer.close) == 2
    lines = (tmp_path / "index").read_text().splitlines()
    assert len(lines) == len(RECORDS)
    offset = 0
    for line, record in zip(lines, RECORDS, strict=True):
        assert line == f"{offset} {len(record) + 16}"
        offset += len(record) + 16


FULL_DISK = """
    import resource, signal, sys
    import recordfs
    from tests.unit.records.test_writer_faults import RECORDS, write_stubbornly, call_stubbornly

    # Beyond the limit a write is cut short or fails with EFBIG, as on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path, kind = sys.argv[1:]
    limit = 100_001
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    file = open(path, "wb", buffering=0) if kind == "raw" else open(path, "wb") if kind == "buffered" else path
    writer = recordfs.RecordWriter(file)
    failures = 0
    for count, record in enumerate(RECORDS, start=1):
        while writer.records_written < count:
            try:
                writer.write(record)
            except OSError:
                failures += 1
                limit += 40_001
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    writer.close()
    assert failures > 5, failures
"""


@pytest.mark.parametrize("kind", ["path", "raw", "buffered"])
def test_a_full_disk_that_gets_room_again(tmp_path, kind):
    path = tmp_path / "records"
    subprocess.run([sys.executable, "-c", textwrap.dedent(FULL_DISK), str(path), kind], check=True, timeout=60)
    assert records_in(path.read_bytes()) == RECORDS


STORM = """
    import random, signal, sys
    import recordfs
    from tests.unit.records.test_writer_faults import storm_records

    records = storm_records()
    writer = recordfs.RecordWriter(sys.argv[1])
    interrupts = 0

    def attempt():
        while writer.records_written < len(records):
            writer.write(records[writer.records_written])

    def interrupt(number, frame):
        # Only below attempt(): this test itself has to survive.
        while frame is not None and frame.f_code is not attempt.__code__:
            frame = frame.f_back
        if frame is not None:
            raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    while writer.records_written < len(records):
        try:
            attempt()
        except KeyboardInterrupt:
            interrupts += 1
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    writer.close()
    assert interrupts > 10, interrupts
"""


def storm_records() -> list[bytes]:
    generator = random.Random(7)
    return [generator.randbytes(generator.choice([10, 900, 5000, 40_000, 300_000])) for _ in range(1500)]


def test_a_storm_of_interrupts(tmp_path):
    """KeyboardInterrupts at arbitrary moments; the writer's own count decides what is written again."""
    path = tmp_path / "records"
    subprocess.run([sys.executable, "-c", textwrap.dedent(STORM), str(path)], check=True, timeout=60)
    assert records_in(path.read_bytes()) == storm_records()


def test_a_file_that_cannot_say_what_it_took_is_written_no_more(tmp_path):
    class Torn(io.FileIO):
        """Takes half a write, is interrupted, and then no longer knows where it stands."""

        is_torn = False

        def write(self, data):
            super().write(bytes(data)[: len(data) // 2])
            self.is_torn = True
            raise KeyboardInterrupt

        def tell(self):
            if self.is_torn:
                raise OSError("no position")
            return super().tell()

    with Torn(tmp_path / "records", "wb") as file:
        writer = recordfs.RecordWriter(file)
        writer.write(b"x" * 100)
        with pytest.raises(KeyboardInterrupt):
            writer.flush()
        for call in (lambda: writer.write(b"y"), writer.flush, writer.tell):
            with pytest.raises(FailedPreconditionError, match="should have 0 bytes and cannot say how many it has"):
                call()
        with pytest.raises(FailedPreconditionError, match="how much of it was written is unknown"):
            writer.close()
        assert writer.closed
