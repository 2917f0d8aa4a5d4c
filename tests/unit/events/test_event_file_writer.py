"""EventFileWriter: what the store does costs the caller nothing, and the store's failures cost no event."""

import contextlib
import itertools
import logging
import signal
import threading
import time

import numpy as np
import pytest

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    ClosedFileError,
    DeadlineExceededError,
    InvalidArgumentError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)
from recordfs.events import EventFileWriter, EventsWriter, SummaryWriter, block, columns, decode_event
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem
from support.event_files import WALL, add, scalar, steps_in, tensor_scalar
from support.gated import GateFileSystem


def test_flush_returns_when_every_event_is_visible(tmp_path):
    with EventFileWriter(tmp_path / "run") as writer:
        for round_ in range(20):
            add(writer, [round_])
            writer.flush()
            assert steps_in(tmp_path / "run") == list(range(round_ + 1))
    assert writer.closed
    assert writer.get_logdir() == str(tmp_path / "run")


def test_a_store_that_hangs_holds_up_nobody_who_logs(tmp_path):
    gated = GateFileSystem()
    writer = EventFileWriter(tmp_path, file_system=gated, flush_secs=0.01)
    add(writer, range(5000))
    assert writer.queue.added == 5000, "every call came back while the first write hung"
    with pytest.raises(DeadlineExceededError):
        writer.flush(timeout=0.05)
    gated.gate.set()
    writer.close()
    assert steps_in(tmp_path) == list(range(5000))


@pytest.mark.parametrize("operation", ["append", "flush", "close"])
@pytest.mark.parametrize(
    "error", [UnavailableError("down"), ResourceExhaustedError("full"), PermissionDeniedError("no")]
)
def test_a_write_that_fails_loses_nothing_and_raises_nothing_where_events_are_added(tmp_path, faulty, operation, error):
    writer = EventFileWriter(tmp_path, file_system=faulty)
    faulty.fail(operation, error=error, times=10**6)
    add(writer, range(50))
    for _ in range(3):
        with pytest.raises(type(error)):
            writer.close() if operation == "close" else writer.flush()
        assert type(writer.error) is type(error)
        add(writer, [50])
    faulty.heal()
    writer.close()
    assert writer.error is None
    assert steps_in(tmp_path) == [*range(50), 50, 50, 50]
    assert len(writer.paths) == 1


@pytest.mark.parametrize("operation", ["append", "flush", "close"])
def test_a_file_that_takes_nothing_more_is_followed_by_another_with_what_it_lost(tmp_path, faulty, operation):
    writer = EventFileWriter(tmp_path, file_system=faulty, purge_step=3)
    add(writer, range(10))
    writer.flush()
    add(writer, range(10, 20))
    faulty.fail(operation, error=AbortedError("the object was replaced"))
    if operation == "flush":
        writer.flush()
    writer.close()
    found = columns(tmp_path)
    assert len(writer.paths) == 2
    assert writer.paths == sorted(writer.paths)
    assert sorted(set(found["a"].step.tolist())) == list(range(20))


@pytest.mark.parametrize(
    ("kind", "place"), [(EventFileWriter, "run"), (SummaryWriter, "run"), (EventsWriter, "run/events")]
)
def test_the_error_of_a_program_stays_the_first_when_its_writer_cannot_be_closed(tmp_path, faulty, kind, place):
    (tmp_path / "run").mkdir()
    writer = kind(tmp_path / place, file_system=faulty)

    def program():
        with writer:
            if kind is SummaryWriter:
                writer.add_scalar("a", 1.0, 1)
            else:
                (writer.write_event if kind is EventsWriter else writer.add_event)(scalar("a", 1.0, 1))
            for operation in ("append", "flush", "close"):
                faulty.fail(operation, error=ResourceExhaustedError("no space left"), times=10**6)
            raise KeyError("loss")

    with pytest.raises(KeyError, match="loss") as caught:
        program()
    assert any("no space left" in note for note in caught.value.__notes__)
    faulty.heal()
    writer.close()
    assert steps_in(tmp_path / "run") == [1]


def test_a_name_that_somebody_else_takes_is_left_to_him(tmp_path, faulty):
    faulty.fail("new_writable_file", error=AlreadyExistsError("there is one"), times=3)
    with EventFileWriter(tmp_path, file_system=faulty) as writer:
        add(writer, [1])
    assert steps_in(tmp_path) == [1]


def test_a_store_that_is_down_when_the_writer_is_made_gets_the_events_later(tmp_path, faulty):
    faulty.fail("new_writable_file", error=UnavailableError("down"), times=10**6)
    with pytest.warns(RuntimeWarning, match="events are kept until one can"):
        writer = EventFileWriter(tmp_path, file_system=faulty)
    add(writer, range(3))
    with pytest.raises(UnavailableError):
        writer.flush()
    faulty.heal()
    writer.close()
    assert steps_in(tmp_path) == [0, 1, 2]


def test_what_will_not_work_later_either_is_said_when_the_writer_is_made(tmp_path, faulty):
    faulty.fail("new_writable_file", error=PermissionDeniedError("no"))
    with pytest.raises(PermissionDeniedError):
        EventFileWriter(tmp_path, file_system=faulty)
    for wrong in ({"flush_secs": 0}, {"policy": "wait"}, {"max_queue_bytes": 0}):
        with pytest.raises(InvalidArgumentError):
            EventFileWriter(tmp_path, **wrong)


def test_the_first_failure_and_the_recovery_are_logged_once(tmp_path, faulty, caplog):
    writer = EventFileWriter(tmp_path, file_system=faulty)
    faulty.fail("flush", error=UnavailableError("down"), times=10**6)
    add(writer, [1])
    with caplog.at_level(logging.WARNING, "recordfs"):
        for _ in range(3):
            with pytest.raises(UnavailableError):
                writer.flush()
        faulty.heal()
        writer.close()
    failed, recovered = (record.getMessage() for record in caplog.records)
    assert failed.startswith(f"{tmp_path}: events could not be written and are kept: UnavailableError: ")
    assert "writing works again after" in recovered


def test_writers_in_one_second_share_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    writers = [EventFileWriter(tmp_path) for _ in range(4)]
    for number, writer in enumerate(writers):
        add(writer, [number])
    for writer in writers:
        writer.close()
    assert sorted(steps_in(tmp_path)) == [0, 1, 2, 3]


def test_reopening_within_a_second_begins_another_file(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    writer = EventFileWriter(tmp_path)
    for step in range(3):
        add(writer, [step])
        writer.close()
        with pytest.raises(ClosedFileError, match="reopen"):
            add(writer, [9])
        writer.reopen()
    writer.reopen()
    writer.close()
    writer.close()
    assert steps_in(tmp_path) == [0, 1, 2]


@pytest.mark.parametrize("policy", ["drop", "spool"])
def test_files_sort_as_they_were_begun_however_the_clock_runs(tmp_path, monkeypatch, spools, policy):
    seconds = iter([*[1_700_000_000.0] * 60, *[1_600_000_000.0] * 10**4])
    monkeypatch.setattr("time.time", lambda: next(seconds))
    writer = EventFileWriter(tmp_path, policy=policy)
    for step in range(30):
        add(writer, [step])
        writer.close()
        writer.reopen()
    writer.close()
    assert steps_in(tmp_path) == list(range(30))


def test_writers_made_one_after_the_other_in_a_second_have_names_in_that_order(tmp_path, monkeypatch):
    monkeypatch.setattr("recordfs.events.names._numbers", itertools.count(95))
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    for step in range(30):
        with EventFileWriter(tmp_path) as writer:
            add(writer, [step])
    assert steps_in(tmp_path) == list(range(30))


def test_a_full_queue_drops_counts_and_tells(tmp_path, caplog):
    gated = GateFileSystem()
    writer = EventFileWriter(tmp_path, file_system=gated, policy="drop", max_queue_bytes=2000)
    with caplog.at_level(logging.WARNING, "recordfs"):
        add(writer, range(500))
        assert 400 < writer.dropped_events < 500
        gated.gate.set()
        with pytest.warns(RuntimeWarning, match=f"{writer.dropped_events} events were dropped"):
            writer.close()
    assert len(steps_in(tmp_path)) == 500 - writer.dropped_events
    assert "events were dropped: the queue was full" in caplog.text


def test_a_full_queue_blocks_no_longer_than_it_was_said_in_all(tmp_path):
    gated = GateFileSystem()
    writer = EventFileWriter(tmp_path, file_system=gated, policy=block(0.2), max_queue_bytes=2000)
    begin = time.monotonic()
    add(writer, range(500))
    assert 0.2 <= time.monotonic() - begin < 20, "0.2 s for all events, not for each"
    gated.gate.set()
    with pytest.warns(RuntimeWarning, match="dropped"):
        writer.close()


def test_a_queue_that_blocks_loses_nothing_if_there_is_room_in_time(tmp_path):
    with EventFileWriter(tmp_path, policy=block(60), max_queue_bytes=1000) as writer:
        threads = [threading.Thread(target=add, args=(writer, range(2000), f"t{n}")) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert writer.dropped_events == 0
    assert {tag: column.step.tolist() for tag, column in columns(tmp_path).items()} == {
        f"t{n}": list(range(2000)) for n in range(4)
    }


def test_a_close_that_times_out_leaves_the_writer_open_and_what_is_added_later_arrives(tmp_path):
    store = GateFileSystem()
    writer = EventFileWriter(tmp_path, file_system=store)
    add(writer, range(3))
    with pytest.raises(DeadlineExceededError):
        writer.close(timeout=0.05)
    assert not writer.closed
    add(writer, range(3, 6))
    store.gate.set()
    writer.flush()
    add(writer, range(6, 9))
    writer.close()
    assert steps_in(tmp_path) == list(range(9))


def test_a_close_waits_for_one_in_another_thread_no_longer_than_it_may(tmp_path):
    store = GateFileSystem()
    writer = EventFileWriter(tmp_path, file_system=store)
    add(writer, range(3))
    other = threading.Thread(target=writer.close)
    other.start()
    while not writer.queue.closed:
        time.sleep(0.001)
    with pytest.raises(DeadlineExceededError, match="another thread"):
        writer.close(timeout=0.05)
    store.gate.set()
    writer.close()
    other.join()
    assert steps_in(tmp_path) == [0, 1, 2]


@pytest.mark.parametrize("policy", ["drop", "spool"])
def test_a_close_in_the_middle_of_logging_waits_for_no_thread_that_logs(tmp_path, faulty, spools, policy):
    failed = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record):
            failed.set()

    handler = Handler()
    logging.getLogger("recordfs").addHandler(handler)
    try:
        writer = EventFileWriter(tmp_path, file_system=faulty, policy=policy)
        faulty.fail("append", error=UnavailableError("down"))
        add(writer, range(3))
        with contextlib.suppress(UnavailableError):
            writer.flush()
        failed.wait()
        # A signal may come while a record is written out, and there is a recovery to be logged.
        with handler.lock:
            writer.close(timeout=30)
    finally:
        logging.getLogger("recordfs").removeHandler(handler)
    assert steps_in(tmp_path) == [0, 1, 2]


@pytest.fixture
def interrupt():
    """Has a handler run in this thread, in the middle of whatever it waits for."""
    handlers = []
    former = signal.signal(signal.SIGUSR1, lambda *_: handlers.pop()())

    def begin(handler):
        handlers.append(handler)
        timer = threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1))
        timer.start()
        return timer

    yield begin
    signal.signal(signal.SIGUSR1, former)


@pytest.mark.parametrize("policy", ["drop", "spool"])
def test_a_signal_that_gives_up_closing_keeps_no_close_from_its_end(tmp_path, spools, interrupt, policy):
    store = GateFileSystem()
    writer = EventFileWriter(tmp_path, file_system=store, policy=policy)
    add(writer, range(3))

    def handle():
        with pytest.raises(DeadlineExceededError):
            writer.close(timeout=0.05)
        store.gate.set()

    timer = interrupt(handle)
    writer.close(timeout=30)
    timer.join()
    assert writer.closed
    assert steps_in(tmp_path) == [0, 1, 2]


@pytest.mark.parametrize("policy", ["drop", "spool"])
def test_a_signal_that_closes_ends_the_close_that_it_interrupted(tmp_path, spools, interrupt, policy):
    store = GateFileSystem()
    writer = EventFileWriter(tmp_path, file_system=store, policy=policy)
    add(writer, range(3))

    def handle():
        store.gate.set()
        writer.close()

    timer = interrupt(handle)
    writer.close(timeout=30)
    timer.join()
    assert writer.closed
    assert steps_in(tmp_path) == [0, 1, 2]


def test_what_a_signal_logs_in_the_middle_of_a_close_is_written_by_it(tmp_path, interrupt):
    threads_before = set(threading.enumerate())
    store = GateFileSystem()
    writer = SummaryWriter(tmp_path, file_system=store)
    writer.add_scalar("a", 1.0, 0)

    def handle():
        writer.add_scalar("a", 1.0, 1)
        store.gate.set()

    timer = interrupt(handle)
    writer.close(timeout=30)
    timer.join()
    assert writer.file_writer.closed
    assert steps_in(tmp_path) == [0, 1]
    assert set(threading.enumerate()) <= threads_before, "one thread writes, and ends"


def test_a_close_in_another_thread_loses_no_event_that_was_taken(tmp_path):
    taken = []
    with contextlib.ExitStack() as stack:
        for round_ in range(20):
            writer = EventFileWriter(tmp_path / str(round_))
            began = threading.Event()

            def log(writer=writer, began=began, round_=round_):
                count = 0
                with contextlib.suppress(ClosedFileError):
                    while True:
                        writer.add_event(scalar("a", 1.0, count))
                        count += 1
                        if count == 50:
                            began.set()
                taken.append((round_, count))

            thread = threading.Thread(target=log)
            thread.start()
            stack.callback(thread.join)
            began.wait()
            writer.close()
    for round_, count in taken:
        assert steps_in(tmp_path / str(round_)) == list(range(count))


def test_files_end_at_their_size_and_each_says_what_its_tags_are(tmp_path):
    with EventFileWriter(tmp_path, max_file_bytes=1000) as writer:
        for step in range(60):
            writer.add_event(tensor_scalar("a", step / 8, step, "scalars" if step == 0 else None))
            if step % 5 == 4:
                writer.flush()
    assert len(writer.paths) > 2
    assert writer.paths == sorted(writer.paths)
    for path in writer.paths:
        assert columns(path)["a"].value.dtype == np.float64, "only metadata makes a tensor a scalar"
    assert steps_in(tmp_path) == list(range(60))


def test_where_a_flush_sends_bytes_again_files_stay_small(tmp_path):
    class Resending(WrapperFileSystem):
        def capabilities(self, path):
            return super().capabilities(path)._replace(flush_resends=5 << 20)

    with EventFileWriter(tmp_path, file_system=Resending(PosixFileSystem())) as writer:
        for first in range(0, 40_000, 2000):
            add(writer, range(first, first + 2000))
            writer.flush()
    assert 3 <= len(writer.paths) <= 6
    assert steps_in(tmp_path) == list(range(40_000))


def test_step_and_time_of_an_event_can_be_given_anew(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        writer.add_event(decode_event(scalar("a", 1.0, 5)), step=7, walltime=WALL + 0.5)
        with pytest.raises(InvalidArgumentError, match="not a serialized Event"):
            writer.add_event(b"\xff\xff")
    column = columns(tmp_path)["a"]
    assert (column.step.tolist(), column.wall_time.tolist()) == ([7], [WALL + 0.5])


@pytest.mark.parametrize("time_", [float("nan"), float("inf"), -float("inf")])
def test_a_time_that_is_no_finite_number_is_refused_wherever_it_comes_from(tmp_path, time_):
    event = scalar("a", 1.0, 5, time_)
    with SummaryWriter(tmp_path / "run") as writer:
        file_writer = writer.file_writer
        calls = [
            lambda: file_writer.add_event(event),
            lambda: file_writer.add_event(scalar("a", 1.0, 5), walltime=time_),
            lambda: file_writer.add_summary(b"", 5, time_),
            lambda: writer.add_scalar("a", 1.0, 5, time_),
            lambda: writer.add_scalar("a", 1.0, 5, time_, new_style=True),
            lambda: writer.add_scalars("m", {"x": 1.0}, 5, time_),
            lambda: writer.add_text("t", "text", 5, time_),
        ]
        for call in calls:
            with pytest.raises(InvalidArgumentError, match="wall time"):
                call()
    with EventsWriter(tmp_path / "events") as writer, pytest.raises(InvalidArgumentError, match="wall time"):
        writer.write_event(event)
    assert "a" not in columns(tmp_path / "run")


@pytest.mark.parametrize("policy", ["drop", "spool"])
@pytest.mark.parametrize("error", [AbortedError("x"), PermissionDeniedError("x"), ResourceExhaustedError("full")])
def test_a_store_that_refuses_the_next_file_holds_up_nobody_who_logs_on(tmp_path, spools, faulty, policy, error):
    writer = SummaryWriter(tmp_path / "run", file_system=faulty, policy=policy)
    writer.add_scalar("a", 1.0, 0)
    writer.close()
    faulty.fail("new_writable_file", error=error)
    writer.add_scalar("a", 1.0, 1)
    with contextlib.suppress(type(error)):
        writer.flush()
    writer.close()
    assert steps_in(tmp_path / "run") == [0, 1]
