"""Parts on their way to a store: sent in the background, kept until the store has acknowledged them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from recordfs.filesystems._object_store.bulk import submit
from recordfs.filesystems._object_store.upload import PARTS_IN_FLIGHT

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from recordfs.filesystems._object_store.commits import Part

__all__ = ["PartQueue", "SentPart"]

Place = TypeVar("Place")
Answer = TypeVar("Answer")


class SentPart(NamedTuple, Generic[Place, Answer]):
    """A part that the store has.

    Attributes:
        place: Where.
        answer: What the store said of it.
        size: In bytes.
    """

    place: Place
    answer: Answer
    size: int


def _threads() -> Executor:
    return ThreadPoolExecutor(PARTS_IN_FLIGHT + 1, thread_name_prefix="recordfs-part")


class _Waiting(Generic[Place, Answer]):
    """A part that the store has not acknowledged yet."""

    def __init__(self, part: Part, place: Place) -> None:
        self.part = part
        self.place = place
        self.sending: Future[Answer] | None = None


class PartQueue(Generic[Place, Answer]):
    """The parts of one writer, in the order of their bytes. Used by the writer's thread alone.

    What belongs together is one attribute, and changes by one assignment, so that an interrupt leaves every part either
    waiting or sent.

    Args:
        send: Sends a part's bytes to a place; again it replaces there what was sent before, or finds it.
        make_pool: Makes what sends them in the background, at the first part; None for threads.
    """

    def __init__(
        self, send: Callable[[Place, bytearray], Answer], make_pool: Callable[[], Executor] | None = None
    ) -> None:
        self._send = send
        self._make_pool = make_pool or _threads
        self._pool: Executor | None = None
        self._parts: tuple[list[_Waiting[Place, Answer]], list[SentPart[Place, Answer]]] = ([], [])
        self._end = 0

    @property
    def sent(self) -> list[SentPart[Place, Answer]]:
        """The parts that the store has."""
        return self._parts[1]

    @property
    def places(self) -> list[Place]:
        """Where all parts are, or go."""
        waiting, sent = self._parts
        return [part.place for part in sent] + [part.place for part in waiting]

    @property
    def is_empty(self) -> bool:
        """Whether there are no parts."""
        return not any(self._parts)

    def has(self, part: Part) -> bool:
        """Tell whether a part was added before."""
        waiting = self._parts[0]
        return any(one.part.start == part.start for one in waiting) or part.start < self._end

    def add(self, part: Part, place: Place) -> None:
        """Take over a part."""
        waiting, sent = self._parts
        self._parts = [*waiting, _Waiting(part, place)], sent

    def replace_sent(self, sent: list[SentPart[Place, Answer]]) -> None:
        """The store has the same bytes in other parts now."""
        self._parts = self._parts[0], sent

    def start(self) -> None:
        """Have every part on its way."""
        if self._pool is None:
            self._pool = self._make_pool()
        for waiting in self._parts[0]:
            if waiting.sending is None:
                waiting.sending = submit(self._pool, self._send_one, waiting)

    def settle(self, leave: int) -> None:
        """Have every part on its way, and wait until at most ``leave`` are.

        Raises:
            RecordFSError: A part failed. It is kept, and sent again by the next call.
        """
        if self._parts[0]:
            self.start()
        while self._parts[0]:
            waiting, sent = self._parts
            first = waiting[0]
            assert first.sending is not None
            if len(waiting) <= leave and not first.sending.done():
                return
            error = first.sending.exception()
            if error is not None:
                first.sending = None
                raise error
            done = SentPart(first.place, first.sending.result(), len(first.part.body))
            end = first.part.start + done.size
            self._parts, self._end = (waiting[1:], [*sent, done]), end

    def _send_one(self, waiting: _Waiting[Place, Answer]) -> Answer:
        return self._send(waiting.place, waiting.part.body)

    def wait(self) -> None:
        """Wait until nothing is on its way any more, whatever became of it."""
        wait([waiting.sending for waiting in self._parts[0] if waiting.sending is not None])

    def forget(self) -> None:
        """Begin again without parts: those so far have been committed, or given up."""
        self._parts, self._end = ([], []), 0

    def close(self) -> None:
        """Let go of the parts and of the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        self.forget()
