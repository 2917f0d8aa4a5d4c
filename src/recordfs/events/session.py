"""Session: what an EventFileWriter writes with, from one opening to its close: a queue, a thread, and event files.

A writer goes from one session to the next: after ``close``, after a fork, and when a close gave up half-way. A handler
of a signal may do the same in the middle of that, for it may log too. So a session never changes what it is made of,
and its successor is decided once: who comes second takes the first one's.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from recordfs._core import EventQueue
from recordfs.events.output import EventOutput, OutputOptions
from recordfs.events.spooling_output import SPOOL_SECONDS, SpoolingOutput
from recordfs.events.worker import Worker

__all__ = ["Block", "FullPolicy", "Session", "SessionSettings"]

SPOOL_PATIENCE = 30.0
"""Seconds that an event waits for room where a local disk makes it: nearly never, and then for a moment."""


class Block(NamedTuple):
    """When the queue is full, wait for room; see ``block``.

    Attributes:
        timeout: Seconds in all, until there was room again.
    """

    timeout: float


FullPolicy: TypeAlias = "Block | Literal['drop', 'spool']"


class SessionSettings(NamedTuple):
    """How a writer writes, whatever session it is in.

    Attributes:
        policy: What to do when the queue is full.
        queue_bytes: Bytes of events that may wait.
        flush_seconds: Seconds between two flushes that nobody asked for.
    """

    policy: FullPolicy
    queue_bytes: int
    flush_seconds: float

    def new_queue(self, former: EventQueue | None) -> EventQueue:
        """Return an empty queue; the tags of a former one keep their kinds in it."""
        patience = self.policy.timeout if isinstance(self.policy, Block) else 0.0
        return EventQueue(self.queue_bytes, SPOOL_PATIENCE if self.policy == "spool" else patience, former)

    def new_output(self, options: OutputOptions) -> EventOutput:
        """Return where events go."""
        return SpoolingOutput(options, self.flush_seconds) if self.policy == "spool" else EventOutput(options)

    @property
    def write_seconds(self) -> float:
        """After so many seconds at the latest an event goes from the queue to the output."""
        return min(self.flush_seconds, SPOOL_SECONDS) if self.policy == "spool" else self.flush_seconds


class Session:
    """A queue, the thread that empties it, and where that writes to. None of them is ever another.

    Args:
        settings: How it writes.
        output: Where it writes to.
        former: The session before it, in this process; None for the first in a process.

    Attributes:
        queue: Where events are added.
        worker: The thread.
        output: Where it writes to.
        is_closed: Whether everything was written, and the files ended.
    """

    def __init__(self, settings: SessionSettings, output: EventOutput, former: Session | None = None) -> None:
        shares_output = former is not None and former.output is output
        self.queue: EventQueue = settings.new_queue(None if former is None else former.queue)
        self.output: EventOutput = output
        self.worker = Worker(self.queue, output, settings.write_seconds, output.logdir)
        self.is_closed = False
        self._dropped_before = 0 if former is None else former.dropped_events
        self._paths_before: list[str] = []
        if former is not None:
            self._paths_before = former._paths_before if shares_output else former.paths
        self._successors: dict[None, Session] = {}

    @property
    def last(self) -> Session:
        """The session that the writer is in by now."""
        session = self
        while session._successors:
            session = session._successors[None]
        return session

    @property
    def paths(self) -> list[str]:
        """The event files so far, those of the sessions before it among them."""
        return [*self._paths_before, *self.output.present_paths()]

    @property
    def dropped_events(self) -> int:
        """How many events were dropped so far, in the sessions before it as well."""
        return self._dropped_before + self.queue.dropped

    @property
    def takes_no_events(self) -> bool:
        """Whether it is closed or being closed. The queue of a parent is not asked: its lock may be held for ever."""
        return self.is_closed or (self.queue.belongs_to_this_process and self.queue.closed)

    def follow_with(self, session: Session) -> None:
        """Have the writer go on with a session that nobody knows yet, unless it goes on with another already."""
        shares_output = session.output is self.output
        # An output has one thread. Of its own it has one before anybody can wait for what it is to write.
        if not shares_output:
            session.worker.start()
        # One step for every thread and every handler of a signal.
        if self._successors.setdefault(None, session) is session:
            if shares_output:
                session.worker.start()
        elif not shares_output:
            session.worker.close()
