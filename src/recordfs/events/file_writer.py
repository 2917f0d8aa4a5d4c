"""EventFileWriter: events logged from a training loop that never waits for the store."""

from __future__ import annotations

import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

from recordfs._core import encode_message
from recordfs.errors import (
    ClosedFileError,
    DeadlineExceededError,
    InvalidArgumentError,
    UnavailableError,
)
from recordfs.events.at_exit import check_not_ended, check_threads_live, close_at_exit, forget_at_exit
from recordfs.events.messages import step_number
from recordfs.events.names import anchored
from recordfs.events.output import OutputOptions
from recordfs.events.resumed_spools import resume_in_background
from recordfs.events.session import Block, FullPolicy, Session, SessionSettings
from recordfs.events.writer import serialized_event
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.registry import resolve, warn_of_url_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs._core import EventQueue
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["Block", "EventFileWriter", "FullPolicy", "block"]

QUEUE_BYTES = 64 << 20
"""More than a million scalars."""


def block(timeout: float = 1.0) -> Block:
    """Return the policy to wait for room in the queue, for so many seconds in all until there is room again.

    After that events are dropped, counted and told: a store that is down for five minutes costs the training loop
    ``timeout`` seconds, not five minutes.
    """
    return Block(timeout)


class EventFileWriter(ClosesOnExit):
    """Writes events to files in a directory, from a thread of its own.

    Whoever adds an event only copies it into a queue: that takes about a microsecond, whatever the store does. The
    thread writes, flushes, and tries again what failed; ``flush`` and ``close`` raise what it could not do.

    Args:
        logdir: The directory of the run, on any filesystem. Missing directories are made.
        max_queue_size: Taken for the sake of programs that give it, and not used: the queue is bounded in bytes.
        flush_secs: Seconds between two flushes that nobody asked for.
        filename_suffix: What the files' names end with.
        max_queue_bytes: Bytes of events that may wait; a scalar takes about 50.
        policy: What to do when the queue is full: ``block(timeout)`` waits, ``"drop"`` drops the event; both count and
            tell what was dropped. ``"spool"`` writes every event to a local file within a second, from which another
            thread uploads it: nothing is dropped, and what a dead process left is uploaded by the next writer with this
            policy, or by ``resume_spools``. See ``recordfs.events.spool``.
        purge_step: The step at which this job goes on: what an earlier one logged at it or later counts no longer.
        index: Whether the files get an index: see EventsWriter.
        max_file_bytes: A file that has this many bytes is ended, and another begun, whose name sorts later. None: only
            where a flush sends bytes again that it sent before (S3), and then so that what is sent stays near to twice
            what was logged.
        file_system: The filesystem of ``logdir``, instead of the registered one.
        options: For the registered filesystem.

    A writer that nobody closes is closed when the interpreter ends. In a forked child, and in a process that unpickles
    it, it goes on with a file of its own, from the first event that is added there; what waits in the queue stays the
    parent's. May be used from several threads.

    Raises:
        InvalidArgumentError: An argument is wrong.
        Otherwise as making a file does; but a store that cannot be reached now is tried again by the thread.
    """

    def __init__(
        self,
        logdir: PathInput,
        max_queue_size: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        *,
        max_queue_bytes: int = QUEUE_BYTES,
        policy: FullPolicy = Block(1.0),  # noqa: B008 - a value, made once
        purge_step: int | None = None,
        index: bool = True,
        max_file_bytes: int | None = None,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if not flush_secs > 0 or max_queue_bytes <= 0:
            raise InvalidArgumentError(
                f"flush_secs and max_queue_bytes have to be above 0, found {flush_secs} and {max_queue_bytes}"
            )
        if max_file_bytes is not None and max_file_bytes <= 0:
            raise InvalidArgumentError(f"max_file_bytes has to be above 0, or None, found {max_file_bytes}")
        if isinstance(policy, Block) and not policy.timeout >= 0:
            raise InvalidArgumentError(f"the timeout of block has to be at least 0 seconds, found {policy.timeout}")
        if policy not in ("drop", "spool") and not isinstance(policy, Block):
            raise InvalidArgumentError(f'a policy has to be block(timeout), "drop" or "spool", found {policy!r}')
        is_registered = file_system is None
        file_system, name = resolve(logdir, file_system=file_system, options=options)
        if is_registered:
            if not name.startswith("./"):  # which says that a local folder is meant
                warn_of_url_folder(name)
            name = anchored(name)
        self._logdir = name
        self._settings = SessionSettings(policy, max_queue_bytes, flush_secs)
        self._options = OutputOptions(
            file_system,
            name,
            filename_suffix,
            has_index=index,
            max_file_bytes=max_file_bytes,
            resent_bytes=file_system.capabilities(name).flush_resends,
            purge_step=None if purge_step is None else step_number(purge_step),
        )
        self._lock = threading.RLock()
        self._was_unpickled = False
        self._first_session = self._begin()
        close_at_exit(self)
        if policy == "spool":
            resume_in_background(file_system, name)

    def _begin(self) -> Session:
        """Begin the first session, and its file: what is wrong with the arguments has to be said now."""
        check_not_ended(self._logdir)
        output = self._settings.new_output(self._options)
        try:
            output.open()
        except (UnavailableError, DeadlineExceededError) as error:
            warnings.warn(
                f"{self._logdir}: no event file can be made now, events are kept until one can: {error}",
                RuntimeWarning,
                stacklevel=4,
            )
        session = Session(self._settings, output)
        session.worker.start()
        return session

    @property
    def _session(self) -> Session:
        session = self._first_session = self._first_session.last
        return session

    def _follow(self, former: Session, *, keeps_output: bool = False) -> None:
        """Go on in another session: with other files, or with those of a session whose thread has ended.

        Nothing here asks the store, which may be slow or down: the files are begun by the thread.
        """
        is_ours = former.queue.belongs_to_this_process
        output = former.output if keeps_output else self._settings.new_output(self._later_options(former))
        former.follow_with(Session(self._settings, output, former if is_ours else None))
        close_at_exit(self)

    def _later_options(self, former: Session) -> OutputOptions:
        """Return the options of files that come after those of a session: the job does not start again with them."""
        paths = former.paths
        return self._options._replace(purge_step=None, after=paths[-1] if paths else self._options.after)

    def __getstate__(self) -> dict[str, Any]:
        session = self._session
        state = {**self.__dict__, "_options": self._later_options(session), "_was_unpickled": True}
        del state["_lock"], state["_first_session"]
        return {"attributes": state, "is_closed": session.is_closed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state["attributes"])
        self._lock = threading.RLock()
        self._first_session = Session(self._settings, self._settings.new_output(self._options))
        self._first_session.is_closed = state["is_closed"]

    @property
    def queue(self) -> EventQueue:
        """The queue that events are added to now."""
        return self._session.queue

    def _queue_to_use(self) -> EventQueue:
        """Return the queue of this process; a forked child begins its own.

        A close in another thread may end it before anything is added to it: adding raises ClosedFileError then.
        """
        self._enter_process()
        session = self._session
        if session.takes_no_events:
            raise ClosedFileError("the writer is closed; reopen() begins another file", path=self._logdir)
        return session.queue

    def _enter_process(self) -> None:
        session = self._session
        if session.is_closed:
            return
        if not session.queue.belongs_to_this_process:
            # The parent's threads are not here, and its locks may be held for ever by them.
            self._lock = threading.RLock()
            self._follow(session)
        elif self._was_unpickled:
            # Not sooner: multiprocessing unpickles before it forgets what is to be called at the end of the child.
            session.worker.start()
            close_at_exit(self)
            self._was_unpickled = False

    def get_logdir(self) -> str:
        """Return the directory of the run; a local one from the root of the filesystem."""
        return self._logdir

    @property
    def paths(self) -> list[str]:
        """The files that were written so far."""
        return self._session.paths

    @property
    def dropped_events(self) -> int:
        """How many events were dropped because the queue was full."""
        return self._session.dropped_events

    @property
    def error(self) -> BaseException | None:
        """What the thread's last attempt to write failed with; None if it succeeded."""
        return self._session.worker.error

    @property
    def closed(self) -> bool:
        """Whether ``close`` has succeeded, and ``reopen`` was not called since."""
        return self._session.is_closed

    def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
        """Add an event: bytes, or anything with ``SerializeToString``.

        Args:
            event: The event.
            step: The step to give it instead of its own.
            walltime: The time to give it instead of its own, in seconds since 1970.

        Raises:
            InvalidArgumentError: It is not an Event, its step needs more than 64 bits, or its time is NaN or infinite.
            ClosedFileError: The writer is closed.
        """
        payload = serialized_event(event)
        # The last of two fields of one number counts.
        if walltime is not None:
            payload += encode_message([(1, "d", float(walltime))])
        if step is not None:
            payload += encode_message([(2, "v", step_number(step))])
        self._queue_to_use().add_event(payload)

    def add_summary(self, summary: Any, global_step: int | None = None, walltime: float | None = None) -> None:
        """Add a summary: a serialized ``Summary``, or anything with ``SerializeToString``. Raises as ``add_event``."""
        self._queue_to_use().add_event(event_of(5, serialized_event(summary), global_step, walltime))

    def add_graph(self, graph_def: Any, walltime: float | None = None) -> None:
        """Add a graph: a serialized ``GraphDef``, or anything with ``SerializeToString``; of a pair the first.

        Raises as ``add_event``.
        """
        if isinstance(graph_def, tuple):  # torch and tensorboardX give the metadata of the run as well
            graph_def, run_metadata = graph_def
            tagged = encode_message([(1, "b", "step1"), (2, "b", serialized_event(run_metadata))])
            self._queue_to_use().add_event(event_of(8, tagged, None, walltime))
        self._queue_to_use().add_event(event_of(4, serialized_event(graph_def), None, walltime))

    def flush(self, timeout: float | None = None) -> None:
        """Return when every event that was added before is visible to others.

        Where the filesystem shows a file only when it is closed, the events are handed to it.

        Raises:
            DeadlineExceededError: They are not after so many seconds.
            ClosedFileError: The writer is closed.
            Otherwise what writing failed with. The events are kept, and written by a later attempt.
        """
        self._enter_process()
        session = self._session
        if session.is_closed:
            raise ClosedFileError("the writer is closed", path=self._logdir)
        check_threads_live(self._logdir)
        deadline = None if timeout is None else time.monotonic() + timeout
        session.worker.flush(timeout)
        session.output.settle(None if deadline is None else _left(deadline))

    def close(self, timeout: float | None = None) -> None:
        """Flush, and end the file with its index. Idempotent.

        From the call on, adding an event raises ClosedFileError. Raises as ``flush``; the writer stays open then, takes
        events again, and ``close`` can be called again.
        """
        session = self._session
        if not session.queue.belongs_to_this_process:
            # A forked child that has added nothing has nothing to close; the parent's lock may never be free here.
            session.is_closed = True
            return
        if session.is_closed:
            return
        check_threads_live(self._logdir)
        deadline = None if timeout is None else time.monotonic() + timeout
        # Another thread may be closing it, and have more time.
        if not self._lock.acquire(timeout=-1 if deadline is None else min(_left(deadline), threading.TIMEOUT_MAX)):
            raise DeadlineExceededError("another thread is closing the writer", path=self._logdir)
        try:
            # A signal's handler may close it as well while this waits, and may log on in another session.
            while not (session := self._session).is_closed:
                self._close_session(session, deadline)
            forget_at_exit(self)
            if not self._session.is_closed:
                close_at_exit(self)
        finally:
            self._lock.release()
        if session.dropped_events:
            warnings.warn(
                f"{self._logdir}: {session.dropped_events} events were dropped because the queue was full; a larger "
                'max_queue_bytes or policy="spool" keeps them',
                RuntimeWarning,
                stacklevel=2,
            )

    def _close_session(self, session: Session, deadline: float | None) -> None:
        session.worker.close(None if deadline is None else _left(deadline))
        try:
            session.output.settle(None if deadline is None else _left(deadline))
        except BaseException:
            if not session.is_closed:
                self._follow(session, keeps_output=True)
            raise
        session.is_closed = True

    def reopen(self) -> None:
        """After ``close``, go on with another file in the same directory, begun with the first event. Else do nothing.

        While another thread closes the writer, it waits until that is done.

        Raises:
            ClosedFileError: The process is at its end: functions of ``atexit`` that were registered before
                ``recordfs.events`` was imported, and daemon threads, come too late to log.
        """
        check_not_ended(self._logdir)
        if not self._session.queue.belongs_to_this_process:
            self._lock = threading.RLock()
        with self._lock:
            session = self._session
            if session.is_closed:
                self._follow(session)
            # This may be a signal's handler that interrupted a close, which then closes what is added here as well.
            elif session.takes_no_events and not session.worker.go_on():
                self._follow(session, keeps_output=True)


def _left(deadline: float) -> float:
    """Return the seconds until a time of ``time.monotonic``; 0 after it."""
    return max(0.0, deadline - time.monotonic())


def event_of(field: int, message: bytes, step: int | None, walltime: float | None) -> bytes:
    """Return the event that holds a message in a field of ``Event``."""
    fields: list[tuple[int, str, Any]] = [(1, "d", time.time() if walltime is None else float(walltime))]
    if step is not None and (number := step_number(step)):
        fields.append((2, "v", number))
    fields.append((field, "b", message))
    return encode_message(fields)
