"""Writers that are open: closed when the interpreter or a child of multiprocessing ends and, on request, at SIGTERM."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["close_at_exit", "close_on_sigterm", "forget_at_exit"]


EXIT_SECONDS = 120.0
"""Seconds for which the end of a process waits, in all, for events to be written, whatever the store does."""


class _Writer(Protocol):
    def get_logdir(self) -> str: ...
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
    deadline = time.monotonic() + EXIT_SECONDS
    for writer in list(_open.values()):
        # It is forgotten once it is closed: what stays open takes events, and is closed later.
        try:
            writer.close(max(0.0, deadline - time.monotonic()))
        except BaseException as error:  # noqa: BLE001 - the other writers have to be closed as well
            print(
                f"recordfs: events of {writer.get_logdir()} could not be written at exit: "
                f"{type(error).__name__}: {error}",
                file=sys.stderr,
            )


def _prepare() -> bool:
    """Have ``close_all`` called at the end of this process, early enough for threads to work still."""
    global _is_registered
    if not _is_registered:
        # Functions of atexit run when no new thread can be started any more, which clients of stores may need.
        register: Any = getattr(threading, "_register_atexit", atexit.register)
        register(close_all)
        _is_registered = True
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import process, util

        if process.parent_process() is not None:
            # A child of multiprocessing ends by os._exit, after its finalizers.
            util.Finalize(None, close_all, exitpriority=10)
    return True


_is_registered = False
"""Whether this process or one that it was forked from registered ``close_all``: children keep what is registered."""

_prepared = PerProcess(_prepare)
"""Whether this process calls ``close_all`` at its end."""


def close_on_sigterm() -> None:
    """At SIGTERM, close the writers that are open, then do what SIGTERM did before this call.

    For jobs that are ended by a scheduler: without it SIGTERM ends a process at once, and what was not flushed is lost.
    Call it in the main thread.
    """
    former = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        close_all()
        if callable(former):
            former(number, frame)
        elif former != signal.SIG_IGN:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, handle)
