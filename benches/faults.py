"""What becomes of the data when the network or the process fails? Every writer under the same faults.

A writer appends 40 pieces of 256 KiB and flushes after each. The program around it catches what is raised and goes on,
as one that logs must; a write that raises is tried again up to three times. What the store holds at the end is
compared with everything that ``write`` accepted.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tools.peers import PeerDiedError, PeerError

from benches.object_stores import observed_gcs, observed_s3
from benches.surveys import Expectation, Survey, start
from benches.writers import DRIVER, GCS_WRITERS, S3_WRITERS, environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.fault_proxy import FaultProxy
    from tools.peers import PeerProcess

    from benches.harness import Contestant
    from benches.object_stores import Observed

PIECE = 256 << 10
PIECES = 40
FAULT_AT = 20
"""The fault comes when 5 MiB are written: there, writers of multipart uploads send their first part."""

PATIENCE = 60
"""Seconds after which a call counts as hung."""

CHANGING = r"^(PUT|POST) "


def _down(proxy: FaultProxy) -> None:
    """Refuse every connection for 5 seconds."""
    proxy.fail("", "reset", count=1 << 30)
    threading.Timer(5, proxy.heal).start()


DOWN = "store down for 5 s"
PAUSE = 0.3
"""Seconds between the pieces while the store is down, so that it is back before the last of them."""

FAULTS: dict[str, Callable[[FaultProxy], object]] = {
    "connection cut in a body": lambda proxy: proxy.fail(CHANGING, "reset_mid_request"),
    "503, 8 times": lambda proxy: proxy.fail(CHANGING, "status", status=503, count=8),
    "answer lost": lambda proxy: proxy.fail(CHANGING, "lose_response"),
    "5 s of delay": lambda proxy: proxy.fail(CHANGING, "delay", seconds=5),
    DOWN: _down,
}
KILLED = "SIGKILL after 20 flushes"
UNCLOSED = "exit without close"
SOUND = "complete"


class _Course(NamedTuple):
    """How it went on the writer's side: pieces taken, and what was raised."""

    taken: list[int]
    raised: list[str]
    hung: bool = False


def examine(contestant: Contestant, observed: Observed) -> dict[str, float | str]:
    """Put a writer through every fault, each in a process and an object of its own."""
    cells: dict[str, float | str] = {}
    for number, (name, arm) in enumerate(FAULTS.items()):
        key = f"{contestant.name}-{number}"
        with _writing(contestant, observed, key) as process:
            course = _write_through(process, partial(arm, observed.proxy), pause=PAUSE if name == DOWN else 0)
            observed.proxy.heal()
        cells[name] = _verdict(observed.content(key), course)
    for name, leave in ((KILLED, _kill), (UNCLOSED, _exit)):
        key = f"{contestant.name}-{name.partition(' ')[0]}"
        with _writing(contestant, observed, key) as process:
            course = _write_and_leave(process, leave, unflushed=name == UNCLOSED)
        cells[name] = _verdict(observed.content(key), course)
    return cells


@contextlib.contextmanager
def _writing(contestant: Contestant, observed: Observed, key: str) -> Any:
    """Run a process with an open writer."""
    variables = {**observed.variables, "piece_size": PIECE}
    with start(contestant, environment(variables)) as process:
        process.call(contestant.source + DRIVER, **variables)
        process.call('state["begin"](key)', key=key)
        yield process


def _write_through(process: PeerProcess, arm: Callable[[], object], *, pause: float) -> _Course:
    course = _Course([], [])
    try:
        for number in range(PIECES):
            if number == FAULT_AT:
                arm()
            if _tried(process, 'state["write"](number)', course, times=3, number=number):
                course.taken.append(number)
            _tried(process, 'state["flush"]()', course)
            if number >= FAULT_AT:
                time.sleep(pause)
        _tried(process, 'state["close"]()', course)
    except PeerDiedError:
        return course._replace(hung=True)
    return course


def _tried(process: PeerProcess, call: str, course: _Course, *, times: int = 1, **variables: Any) -> bool:
    """Make a call; note what it raises, and try again a second later."""
    for left in reversed(range(times)):
        try:
            process.call(call, timeout=PATIENCE, **variables)
        except PeerError as error:
            course.raised.append(error.kind)
            if left:
                time.sleep(1)
        else:
            return True
    return False


def _write_and_leave(process: PeerProcess, leave: Callable[[PeerProcess], None], *, unflushed: bool) -> _Course:
    course = _Course([], [])
    for number in range(FAULT_AT):
        process.call('state["write"](number); state["flush"]()', number=number)
        course.taken.append(number)
    if unflushed:
        process.call('state["write"](number)', number=FAULT_AT)
        course.taken.append(FAULT_AT)
    leave(process)
    return course


def _kill(process: PeerProcess) -> None:
    os.kill(process.pid, signal.SIGKILL)


def _exit(process: PeerProcess) -> None:
    process.close()


def _verdict(content: bytes | None, course: _Course) -> str:
    """Compare what the store holds with what the writer took."""
    expected = b"".join(random.Random(number).randbytes(PIECE) for number in course.taken)
    kept = _agree_up_to(content or b"", expected)
    if course.hung:
        fate = f"no return within {PATIENCE} s; "
    elif course.raised:
        fate = f"raised {', '.join(sorted(set(course.raised)))}; "
    else:
        fate = ""
    if content == expected:
        return fate + SOUND
    lost = f"{(len(expected) - kept) / (1 << 20):.2f} of {len(expected) / (1 << 20):.2f} MiB LOST"
    if content is None:
        return f"{fate}no object, {lost}"
    return fate + (lost if kept < len(expected) else f"{len(content) - kept:,} bytes TOO MANY")


def _agree_up_to(first: bytes, second: bytes) -> int:
    """Return how many bytes from the front are the same."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))


def rows(scale: float) -> list[Survey]:
    """One table a store, the same at any scale."""
    columns = [*FAULTS, KILLED, UNCLOSED]
    expectations = [Expectation(column, "complete", lambda cell: str(cell).endswith(SOUND)) for column in columns]
    return [
        Survey(
            title=f"faults, {store}",
            workload=f"40 pieces of 256 KiB, a flush after each, {store}; the fault comes after 20 of them",
            columns=columns,
            contestants=contestants,
            running=running,
            examine=examine,
            expectations=expectations,
        )
        for store, running, contestants in (
            ("SeaweedFS", observed_s3, S3_WRITERS),
            ("fake-gcs-server", observed_gcs, GCS_WRITERS),
        )
    ]
