"""Parts on their way to a store: sent in the background, kept until the store has acknowledged them."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from recordfs.errors import RecordFSError
from recordfs.filesystems._object_store.parallel import submit
from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from recordfs.filesystems._object_store.commits import Part

__all__ = ["PartQueue", "SentPart", "parts_in_flight"]

BYTES_IN_FLIGHT = 25 << 20
"""Bytes of parts that a writer has on their way while it takes more: five parts of 5 MiB.

Fewer do not use a store that is 30 ms away, and more gain nothing there (docs/design/0002-object-stores.md).
"""

FEWEST_IN_FLIGHT = 2
"""So many parts are on their way however large they are, and however many writers there are."""

BYTES_OF_ALL_WRITERS = 256 << 20
"""Where the writers of a process have more than this on its way, each has only the fewest parts on theirs."""

Place = TypeVar("Place")
Answer = TypeVar("Answer")
Result = TypeVar("Result")


class _OnItsWay:
    """Bytes that all writers of a process have on their way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.size = 0

    @contextmanager
    def counting(self, size: int) -> Iterator[None]:
        """Count so many more while the block runs."""
        with self._lock:
            self.size += size
        try:
            yield
        finally:
            with self._lock:
                self.size -= size


_on_its_way = PerProcess(_OnItsWay)


def parts_in_flight(part_size: int) -> int:
    """Return how many parts of a size a writer has on their way while it takes more bytes."""
    return max(FEWEST_IN_FLIGHT, BYTES_IN_FLIGHT // part_size)


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


class _Waiting(Generic[Place, Answer]):
    """A part that the store has not acknowledged yet, or that comes after such a one."""

    def __init__(self, part: Part, place: Place) -> None:
        self.start = part.start
        self.size = len(part.body)
        self.place = place
        self.body = part.body
        self.sending: Future[Answer] | None = None

    @property
    def is_sent(self) -> bool:
        """Whether the store has it."""
        return self.sending is not None and self.sending.done() and self.sending.exception() is None


class PartQueue(Generic[Place, Answer]):
    """The parts of one writer, in the order of their bytes. Used by the writer's thread alone.

    What belongs together is one attribute, and changes by one assignment, so that an interrupt leaves every part either
    waiting or sent.

    Args:
        send: Sends a part's bytes to a place; again it replaces there what was sent before, or finds it.
        most_in_flight: Parts that are on their way while more bytes are taken; a writer's memory is bounded by them.
        make_pool: Makes what sends them in the background, at the first part; None for threads.
    """

    def __init__(
        self,
        send: Callable[[Place, bytearray], Answer],
        most_in_flight: int,
        make_pool: Callable[[], Executor] | None = None,
    ) -> None:
        self._send = send
        self._most_in_flight = most_in_flight
        self._make_pool = make_pool or self._threads
        self._pool: Executor | None = None
        self._parts: tuple[list[_Waiting[Place, Answer]], list[SentPart[Place, Answer]]] = ([], [])
        self._end = 0
        self._beside: list[Future[Any]] = []

    @property
    def sent(self) -> list[SentPart[Place, Answer]]:
        """The parts that the store has, up to the first that it has not acknowledged."""
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
        return any(one.start == part.start for one in waiting) or part.start < self._end

    def add(self, part: Part, place: Place) -> None:
        """Take over a part."""
        waiting, sent = self._parts
        self._parts = [*waiting, _Waiting(part, place)], sent

    def replace_sent(self, sent: list[SentPart[Place, Answer]]) -> None:
        """The store has the same bytes in other parts now."""
        self._parts = self._parts[0], sent

    def settle(self, leave: int | None = None) -> None:
        """Have every part on its way, and wait until at most ``leave`` are; None for as many as may be in flight.

        Raises:
            RecordFSError: A part failed. It is kept, and sent again by the next call.
        """
        if not self._parts[0]:
            return
        self._start()
        most = self._most() if leave is None else leave
        while len(under_way := self._under_way()) > most:
            wait(under_way, return_when=FIRST_COMPLETED)

    def settle_with(self, calls: Sequence[Callable[[], Result]]) -> list[Result]:
        """Wait until the store has every part, and make some calls meanwhile; where nothing is on its way, here.

        Returns:
            What the calls return.

        Raises:
            RecordFSError: As ``settle``, or a call failed. The other calls have ended, too.
        """
        if not self._parts[0]:
            return [call() for call in calls]
        self._start()
        made = [self.beside(call) for call in calls]
        try:
            self.settle(0)
        except RecordFSError:
            wait(made)
            raise
        wait(made)
        return [call.result() for call in made]

    def beside(self, function: Callable[[], Result]) -> Future[Result]:
        """Call a function on a thread of the parts. ``wait`` waits for it, and the caller asks for its result."""
        future = submit(self._running_pool(), function)
        self._beside = [*(one for one in self._beside if not one.done()), future]
        return future

    def wait(self) -> None:
        """Wait until nothing is on its way any more, whatever became of it."""
        wait([*self._beside, *(waiting.sending for waiting in self._parts[0] if waiting.sending is not None)])

    def forget(self) -> None:
        """Begin again without parts: those so far have been committed, or given up."""
        self._parts, self._end = ([], []), 0

    def close(self) -> None:
        """Let go of the parts and of the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        self.forget()

    def _threads(self) -> Executor:
        return ThreadPoolExecutor(self._most_in_flight + 1, thread_name_prefix="recordfs-part")

    def _running_pool(self) -> Executor:
        if self._pool is None:
            self._pool = self._make_pool()
        return self._pool

    def _start(self) -> None:
        """Have every part on its way."""
        pool = self._running_pool()
        for waiting in self._parts[0]:
            if waiting.sending is None:
                # An interrupt here may have it sent twice, so the call has the bytes, and not the part, which lets go.
                waiting.sending = submit(pool, self._send_counted, waiting.place, waiting.body)

    def _send_counted(self, place: Place, body: bytearray) -> Answer:
        with _on_its_way.get().counting(len(body)):
            return self._send(place, body)

    def _most(self) -> int:
        """Return how many parts may be on their way while more bytes are taken."""
        is_crowded = _on_its_way.get().size > BYTES_OF_ALL_WRITERS
        return min(FEWEST_IN_FLIGHT, self._most_in_flight) if is_crowded else self._most_in_flight

    def _under_way(self) -> list[Future[Answer]]:
        """Take note of what has been sent, and return what is on its way."""
        waiting, sent = self._parts
        under_way = []
        for one in waiting:
            assert one.sending is not None
            if not one.sending.done():
                under_way.append(one.sending)
                continue
            error = one.sending.exception()
            if error is not None:
                one.sending = None
                raise error
            one.body = bytearray()  # the store has it, though perhaps not yet what comes before it
        count = next((index for index, one in enumerate(waiting) if not one.is_sent), len(waiting))
        if count:
            last = waiting[count - 1]
            done = [SentPart(one.place, one.sending.result(), one.size) for one in waiting[:count] if one.sending]
            self._parts, self._end = (waiting[count:], [*sent, *done]), last.start + last.size
        return under_way
