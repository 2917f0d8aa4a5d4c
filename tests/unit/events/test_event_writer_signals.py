"""A handler of a signal logs, flushes or closes between any two lines of a writer that does the same."""

import contextlib
import os
import sys

import pytest

import recordfs.events
from recordfs.errors import UnavailableError
from recordfs.events import SummaryWriter
from support.event_files import steps_in

pytestmark = pytest.mark.slow

CODE = os.path.dirname(recordfs.events.__file__)


def call_at_line(number, handler, act):
    """Do something; call a handler, as a signal would, before the line of that number that runs in this thread.

    Returns:
        Whether it was called: whether so many lines ran.
    """
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if not frame.f_code.co_filename.startswith(CODE):
            return None
        if event == "line":
            lines += 1
            if lines == number:
                sys.settrace(None)
                handler()
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(former)
    return lines >= number


def log(writer):
    writer.add_scalar("handled", 1.0, 0)


def log_and_flush(writer):
    log(writer)
    writer.flush()


def log_and_close(writer):
    log(writer)
    writer.close()


def close_and_log(writer):
    writer.close()
    log(writer)


@pytest.mark.parametrize(
    ("policy", "handle"),
    [("drop", log), ("drop", log_and_flush), ("drop", log_and_close), ("drop", close_and_log), ("spool", log)],
)
def test_a_signal_anywhere_loses_no_event_and_hangs_nothing(tmp_path, spools, handle, policy):
    number, is_over = 0, False
    while not is_over:
        number += 1
        directory = tmp_path / str(number)
        writer = SummaryWriter(directory, flush_secs=3600, policy=policy)

        def act(writer=writer):
            writer.add_scalar("a", 1.0, 0)
            writer.close()
            writer.add_scalar("a", 1.0, 1)
            writer.flush()
            writer.close()

        is_over = not call_at_line(number, lambda writer=writer: handle(writer), act)
        writer.close()
        assert steps_in(directory) == [0, 1], number
        assert steps_in(directory, "handled") == ([] if is_over else [0]), number
    assert number > 100
    assert list(spools.iterdir() if policy == "spool" else []) == []


@pytest.mark.parametrize("policy", ["drop", "spool"])
def test_a_close_that_fails_and_is_interrupted_anywhere_loses_no_event(tmp_path, spools, faulty, policy):
    number, is_over = 0, False
    while not is_over:
        number += 1
        directory = tmp_path / str(number)
        writer = SummaryWriter(directory, flush_secs=3600, policy=policy, file_system=faulty)
        writer.add_scalar("a", 1.0, 0)
        faulty.fail("close", error=UnavailableError("down"))

        called = []

        def handle(writer=writer, called=called):
            called.append(True)
            log(writer)

        # It succeeds where it is asked for again because of what the handler logged.
        with contextlib.suppress(UnavailableError):
            call_at_line(number, handle, writer.close)
        writer.add_scalar("a", 1.0, 1)
        writer.close()
        assert steps_in(directory) == [0, 1], number
        assert steps_in(directory, "handled") == [0] * len(called), number
        is_over = not called
    assert number > 20
