"""Requests that go wrong by a seed: refused, lost, late or torn, the same for the same seed."""

from __future__ import annotations

import contextlib
import random
import threading
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from recordfs.errors import RecordFSError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NO_FAULTS", "Faults", "SeededRequests"]

Result = TypeVar("Result")


class Faults(NamedTuple):
    """How often a request goes wrong in each way, as shares of 1.

    Attributes:
        refused: It is answered by an outage, and nothing has happened.
        lost: It has happened, and its answer is lost.
        late: It is given up on, and happens at some later request.
        torn: An interrupt tears it, before it is sent or after it has happened.
    """

    refused: float = 0.0
    lost: float = 0.0
    late: float = 0.0
    torn: float = 0.0


NO_FAULTS = Faults()


class SeededRequests:
    """Carries requests out, or lets them go wrong. For any number of threads, each request alone.

    Args:
        seed: Where the faults are drawn from.
        faults: How often each happens.
        interrupt: Makes what tears a call.

    Attributes:
        faults: As given; change it to let the store heal.
        requests: How many requests there were.
        lock: Held while one is carried out.
    """

    def __init__(self, seed: int, faults: Faults, interrupt: type[BaseException]) -> None:
        self.faults = faults
        self.requests = 0
        self.lock = threading.RLock()
        self._random = random.Random(seed)  # noqa: S311 (a schedule is drawn from it, and no secret)
        self._interrupt = interrupt
        self._late: list[Callable[[], object]] = []

    def ask(self, action: Callable[[], Result], *, changes: bool = True) -> Result:
        """Carry a request out, or let it go wrong.

        Raises:
            UnavailableError: Whether it happened is not said.
        """
        with self.lock:
            self.requests += 1
            drawn, faults = self._random.random(), self.faults
            if self._late and self._random.random() < 0.5:
                self._land(self._late.pop(0))
            for share, fail in (
                (faults.refused, self._refuse),
                (faults.lost, self._lose),
                (faults.late if changes else 0.0, self._delay),
                (faults.torn, self._tear),
            ):
                if drawn < share:
                    fail(action)
                drawn -= share
            return action()

    def land_late(self) -> None:
        """Let everything happen that was given up on and has not happened yet."""
        with self.lock:
            while self._late:
                self._land(self._late.pop(0))

    def _land(self, action: Callable[[], object]) -> None:
        with contextlib.suppress(RecordFSError):  # nobody waits for the answer
            action()

    def _refuse(self, action: Callable[[], object]) -> None:
        raise UnavailableError("an outage, by the seed")

    def _lose(self, action: Callable[[], object]) -> None:
        self._land(action)
        raise UnavailableError("the answer was lost, by the seed")

    def _delay(self, action: Callable[[], object]) -> None:
        self._late.append(action)
        raise UnavailableError("no answer in time, by the seed")

    def _tear(self, action: Callable[[], object]) -> None:
        how = self._random.randrange(3)
        if how == 1:
            self._land(action)
        elif how == 2:
            self._late.append(action)
        raise self._interrupt("a call was torn, by the seed")
