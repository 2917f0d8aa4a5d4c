"""Asking a server again: while it helps, for so long, after pauses that the server can lengthen."""

from types import SimpleNamespace

import pytest

from recordfs.filesystems import _attempts
from recordfs.filesystems._attempts import ask_again, pause_after


def failing(*errors):
    """Return what raises each error in turn, and then answers."""
    left = iter(errors)

    def ask():
        for error in left:
            raise error
        return "answer"

    return ask


def at_once(attempt, error):
    return 0.0 if isinstance(error, ConnectionError) else None


def test_what_passes_is_asked_again_so_often_and_anything_else_is_raised_at_once():
    assert ask_again(failing(ConnectionError("1"), ConnectionError("2")), 3, at_once) == "answer"
    with pytest.raises(ConnectionError, match="3"):
        ask_again(failing(*(ConnectionError(number) for number in "1234")), 3, at_once)
    with pytest.raises(ValueError, match="2"):
        ask_again(failing(ConnectionError("1"), ValueError("2")), 3, at_once)


def test_no_attempt_begins_after_the_time_is_over(monkeypatch):
    monkeypatch.setattr(_attempts.time, "sleep", lambda seconds: pytest.fail("it waited for an attempt too late"))
    with pytest.raises(ConnectionError, match="1"):
        ask_again(failing(ConnectionError("1")), 3, lambda attempt, error: 61.0)


def answered(status, **headers):
    return SimpleNamespace(status_code=status, headers={name.replace("_", "-"): text for name, text in headers.items()})


def test_pauses_grow_to_a_limit_and_are_never_shorter_than_the_server_asks():
    for attempt, longest in [(1, 0.25), (2, 0.5), (3, 1.0), (9, 4.0)]:
        assert longest / 2 <= pause_after(attempt) <= longest
    assert 1.0 <= pause_after(1, answered(429)) <= 2.0
    assert pause_after(1, answered(503)) <= 0.25
    assert pause_after(1, answered(503, Retry_After="30")) == 30
    assert pause_after(1, answered(503, Retry_After="Fri, 27 Nov 2026 10:00:00 GMT")) <= 0.25
