"""Asking a server again where that may help: how often, after which pauses, and for how long."""

from __future__ import annotations

import random
import time
from itertools import count
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ask_again", "pause_after"]

LONGEST_TRYING = 60.0
"""Seconds after which no further attempt begins, unless said otherwise."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0
"""Seconds between attempts: doubled each time, and shortened at random so that clients spread."""

LIMITED, FIRST_PAUSE_LIMITED = 429, 2.0
"""The status of a rate limit, and the first pause after it: an object can be written about once a second."""

Answer = TypeVar("Answer")


class HTTPAnswer(Protocol):
    """The head of an answer, as clients of HTTP have it."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


def ask_again(
    ask: Callable[[], Answer],
    attempts: int,
    pause: Callable[[int, Exception], float | None],
    longest: float = LONGEST_TRYING,
) -> Answer:
    """Ask, again while that may help, and return what comes.

    Every attempt may have been carried out although its answer was lost.

    Args:
        ask: Called for every attempt.
        attempts: The most of them.
        pause: Given the number of an attempt, the first of which is 1, and its error, returns the seconds to wait
            before the next, or None where that would not help.
        longest: Seconds after which no further attempt begins.

    Raises:
        Exception: Of the last attempt.
    """
    begun = time.monotonic()
    for attempt in count(1):
        try:
            return ask()
        except Exception as error:
            seconds = None if attempt >= attempts else pause(attempt, error)
            if seconds is None or time.monotonic() + seconds - begun > longest:
                raise
        time.sleep(seconds)
    raise AssertionError("the last attempt raises")


def pause_after(attempt: int, answer: HTTPAnswer | None = None) -> float:
    """Return the seconds to wait after an attempt: what the server asks for, or longer.

    Args:
        attempt: Its number; the first is 1.
        answer: What came, if anything did. Of its ``Retry-After`` only seconds are heeded, no date.
    """
    limited = answer is not None and answer.status_code == LIMITED
    longest: float = min(LONGEST_PAUSE, (FIRST_PAUSE_LIMITED if limited else FIRST_PAUSE) * 2 ** (attempt - 1))
    pause = longest * random.uniform(0.5, 1)  # noqa: S311 - to spread clients, not to keep secrets
    asked = "" if answer is None else answer.headers.get("Retry-After", "")
    return max(pause, float(asked)) if asked.isdecimal() else pause
