"""Writers that are open: closed when the interpreter or a child of multiprocessing ends and, on request, at SIGTERM."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import recordfs.open_files.unclosed_writers  # noqa: F401 (its function of atexit closes our files, after ours)
from recordfs.errors import ClosedFileError
from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["check_not_ended", "check_threads_live", "close_at_exit", "close_on_sigterm", "forget_at_exit"]


EXIT_SECONDS = 120.0
"""Seconds for which the end of a process waits, in all, for events to be written, whatever the store does."""


INTERRUPTED_SECONDS = 2.0
"""Seconds for which it waits once Ctrl-C was pressed meanwhile, however often."""


class _Writer(Protocol):
    def get_logdir(self) -> str: ...
    def flush(self, timeout: float | None = None) -> None: ...
    def close(self, timeout: float | None = None) -> None: ...


_open: dict[int, _Writer] = {}
"""The writers that are open. A forked child has those of its parent here too; closed in it, they do nothing."""


def close_at_exit(writer: _Writer) -> None:
    """Have a writer closed at the end of this process, unless it is forgotten before."""
    _prepared.get()
    _open[id(writer)] = writer


def forget_at_exit(writer: _Writer) -> None:
    """Say that a writer is closed."""
    _open.pop(id(writer), None)


def close_all() -> None:
    """Close every writer of this process that is open; what cannot be written is said on standard error."""
    _close(list(_open.values()), EXIT_SECONDS)


def _close(writers: list[_Writer], seconds: float) -> list[_Writer]:
    """Close writers within so many seconds in all, and return those of which it said that they cannot be closed."""
    limit = _Limit(time.monotonic() + seconds)
    failed = []
    for writer in writers:
        # It is forgotten once it is closed: what stays open takes events, and is closed later.
        try:
            _close_patiently(writer, limit)
        except BaseException as error:  # noqa: BLE001 - the other writers have to be closed as well
            failed.append(writer)
            print(
                f"recordfs: events of {writer.get_logdir()} could not be written at exit: "
                f"{type(error).__name__}: {error}",
                file=sys.stderr,
            )
    return failed


class _Limit:
    """Until when the end of a process waits, by ``time.monotonic``: not for long once somebody pressed Ctrl-C."""

    def __init__(self, end: float) -> None:
        self.end = end
        self._is_interrupted = False

    def interrupt(self) -> None:
        if not self._is_interrupted:
            self.end = min(self.end, time.monotonic() + INTERRUPTED_SECONDS)
            self._is_interrupted = True

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.end - time.monotonic())


def _close_patiently(writer: _Writer, limit: _Limit) -> None:
    """Close a writer. Another Ctrl-C, from a launcher or an impatient person, leaves a healthy store its time."""
    while True:
        try:
            return writer.close(limit.seconds_left)
        except KeyboardInterrupt:
            limit.interrupt()
            if not limit.seconds_left:
                raise


def _close_for_good(seconds: float) -> None:
    """Close every writer that is open, but for those that were tried before."""
    _given_up.extend(_close([writer for writer in _open.values() if writer not in _given_up], seconds))


def check_not_ended(logdir: str) -> None:
    """Refuse to begin a file when the process is so far at its end that nobody would write it.

    Raises:
        ClosedFileError: It is.
    """
    if _has_ended or sys.is_finalizing():
        raise ClosedFileError("the process is at its end: events can no longer be logged", path=logdir)


def check_threads_live(logdir: str) -> None:
    """Refuse to wait for a thread once the interpreter has ended all but one.

    Raises:
        ClosedFileError: It has.
    """
    if sys.is_finalizing():
        raise ClosedFileError("the interpreter has ended the thread that writes events", path=logdir)


def _main_thread_ends() -> None:
    """Have events written while everything works, such as the threads that clients of stores begin."""
    global _end
    _end = time.monotonic() + EXIT_SECONDS
    if not any(_may_log_on(thread) for thread in threading.enumerate()):
        _close_for_good(EXIT_SECONDS)
        return
    limit = _Limit(_end)
    try:
        for writer in list(_open.values()):
            # What fails is tried again when the process ends, and told then.
            with contextlib.suppress(Exception):
                writer.flush(limit.seconds_left)
    except KeyboardInterrupt:
        # Python waits for no thread then, and the writers are closed next.
        limit.interrupt()
        _end = limit.end
        raise


def _may_log_on(thread: threading.Thread) -> bool:
    """Whether Python waits for a thread before the process ends."""
    return not thread.daemon and thread not in (threading.main_thread(), threading.current_thread())


def _process_ends() -> None:
    """Close what threads and other functions of ``atexit`` have logged to since the main thread ended."""
    global _has_ended
    end = time.monotonic() + EXIT_SECONDS if _end is None else _end
    _close_for_good(max(0.0, end - time.monotonic()))
    # A daemon thread may have begun another file meanwhile. It begins no more.
    _has_ended = True
    _close_for_good(max(0.0, end - time.monotonic()))


def _prepare() -> bool:
    """Have writers closed at the end of this process, first when its main thread ends."""
    global _is_registered
    if not _is_registered:
        register: Any = getattr(threading, "_register_atexit", None)
        if register is not None:
            # The main thread may have ended already: it has no more functions called then.
            with contextlib.suppress(RuntimeError):
                register(_main_thread_ends)
        _is_registered = True
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import process, util

        if process.parent_process() is not None:
            # A child of multiprocessing ends by os._exit, after its finalizers.
            util.Finalize(None, close_all, exitpriority=10)
            _close_when_terminated()
    return True


def _close_when_terminated() -> None:
    """Have a child of multiprocessing close its writers at SIGTERM, unless the program has another use for that.

    It is how a parent ends its daemons when it ends itself (the persistent workers of a DataLoader), and the workers of
    a pool when the ``with`` block of that is left.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # Python lets no other thread set a handler.
    former = signal.getsignal(signal.SIGTERM)
    if isinstance(former, _SigtermHandler):
        former = former.former
    elif _is_torch_worker() and former is _inherited_handler:
        former = signal.SIG_DFL  # Torch has put its own in the place of our parent's, and Python does not know.
    elif former is not signal.SIG_DFL:
        return
    signal.signal(signal.SIGTERM, _SigtermHandler(former, exits=_is_torch_worker()))


def _note_inherited_handler() -> None:
    """Remember what this forked child would do at SIGTERM if nobody sets another handler."""
    global _inherited_handler
    _inherited_handler = signal.getsignal(signal.SIGTERM)


os.register_at_fork(after_in_child=_note_inherited_handler)


_is_registered = False
"""Whether this process or one that it was forked from registered its end: children keep what is registered."""

_prepared = PerProcess(_prepare)
"""Whether this process closes its writers at its end."""

_inherited_handler: Any = None
"""What a forked child has from its parent for SIGTERM, as Python knows it."""

_end: float | None = None
"""The time of ``time.monotonic`` until which the end of the process waits for events; None before it begins."""

_given_up: list[_Writer] = []
"""The writers that could not be closed when the process ended."""

_has_ended = False
"""Whether the process is so far at its end that no file can be begun."""

# As early as can be: functions of ``atexit`` that are registered after it are called before it, and may log.
atexit.register(_process_ends)


def close_on_sigterm() -> None:
    """At SIGTERM, close the writers that are open, then do what SIGTERM did before this call.

    For jobs that are ended by a scheduler: without it SIGTERM ends a process at once, and what was not flushed is lost.
    Call it in the main thread. Children of ``multiprocessing`` whose main thread logs need no such call.
    """
    signal.signal(signal.SIGTERM, _SigtermHandler(signal.getsignal(signal.SIGTERM)))


class _SigtermHandler:
    """Closes the writers that are open, then does what SIGTERM did before.

    Args:
        former: What ``signal.getsignal`` returned.
        exits: Whether SIGTERM exited with status 0 instead. It does in torch's workers, by a handler that Python does
            not see: their loader takes any other end for a failure, while its own process ends.
    """

    def __init__(self, former: Any, *, exits: bool = False) -> None:
        self.former = former
        self._exits = exits

    def __call__(self, number: int, frame: FrameType | None) -> None:
        close_all()
        if self._exits:
            os._exit(0)
        if callable(self.former):
            self.former(number, frame)
        elif self.former != signal.SIG_IGN:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)


def _is_torch_worker() -> bool:
    """Whether a worker of a DataLoader is at work in this process."""
    module = sys.modules.get("torch.utils.data")
    return module is not None and module.get_worker_info() is not None
