"""A handler of a signal logs, flushes or closes anywhere in the middle of a writer that does the same."""

import contextlib
import os

import pytest

import recordfs.events
from recordfs.errors import UnavailableError
from recordfs.events import SummaryWriter
from support.event_files import steps_in
from support.interrupts import handled_at, tracing_lines, tracing_places_of_signals

pytestmark = pytest.mark.slow

HANGS = 60.0
"""Seconds after which a handler that waits for what it interrupted is known to wait for ever."""

CODE = os.path.dirname(recordfs.events.__file__)


def call_at(number, tracing, handler, act):
    """Do something; call a handler at that step of it in the code of the writer; see ``handled_at``."""
    return handled_at(number, act, handler, lambda code: code.co_filename.startswith(CODE), tracing)


def log(writer):
    writer.add_scalar("handled", 1.0, 0)


def log_and_flush(writer):
    log(writer)
    writer.flush(HANGS)


def log_and_close(writer):
    log(writer)
    writer.close(HANGS)


def close_and_log(writer):
    writer.close(HANGS)
    log(writer)


@pytest.mark.parametrize(
    ("policy", "handle"),
    [
        ("drop", log),
        ("drop", log_and_flush),
        ("drop", log_and_close),
        ("drop", close_and_log),
        ("spool", log),
        ("spool", close_and_log),
    ],
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

        is_over = not call_at(number, tracing_lines, lambda writer=writer: handle(writer), act)
        writer.close()
        assert steps_in(directory) == [0, 1], number
        assert steps_in(directory, "handled") == ([] if is_over else [0]), number
    assert number > 100
    assert list(spools.iterdir() if policy == "spool" else []) == []


@pytest.mark.parametrize("handle", [log_and_flush, log_and_close])
@pytest.mark.parametrize("policy", ["drop", "spool"])
@pytest.mark.parametrize("act", [SummaryWriter.flush, SummaryWriter.close])
def test_a_flush_and_a_close_hang_nowhere_where_a_handler_does_the_same(tmp_path, spools, handle, policy, act):
    number, is_over = 0, False
    while not is_over:
        number += 1
        directory = tmp_path / str(number)
        writer = SummaryWriter(directory, flush_secs=3600, policy=policy)
        writer.add_scalar("a", 1.0, 0)
        is_over = not call_at(
            number, tracing_places_of_signals, lambda writer=writer: handle(writer), lambda writer=writer: act(writer)
        )
        writer.close()
        assert steps_in(directory) == [0], number
        assert steps_in(directory, "handled") == ([] if is_over else [0]), number
    assert number > 20


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
            call_at(number, tracing_lines, handle, writer.close)
        writer.add_scalar("a", 1.0, 1)
        writer.close()
        assert steps_in(directory) == [0, 1], number
        assert steps_in(directory, "handled") == [0] * len(called), number
        is_over = not called
    assert number > 20
