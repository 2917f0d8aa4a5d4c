"""Ctrl-C that no code could catch, raised again a moment later.

The interpreter raises KeyboardInterrupt wherever the program happens to be. In a finalizer, or in the callback of a
weak reference, it can only print the exception and forget it: a command that waits for a file to grow would wait on.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["interrupts_come_again"]

_PAUSE_SECONDS = 0.01
"""By then the finalizer is over."""


@contextmanager
def interrupts_come_again() -> Iterator[None]:
    """Send this process another SIGINT for one that was lost in a finalizer, while the block runs."""
    tell_others = sys.unraisablehook
    pending: list[threading.Timer] = []

    def tell(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            tell_others(unraisable)
            return
        timer = threading.Timer(_PAUSE_SECONDS, _interrupt_main_thread)
        timer.daemon = True
        pending.append(timer)
        timer.start()

    sys.unraisablehook = tell
    try:
        yield
    finally:
        sys.unraisablehook = tell_others
        for timer in pending:
            timer.cancel()


def _interrupt_main_thread() -> None:
    # A real signal: it also ends a system call that the thread waits in.
    identifier = threading.main_thread().ident
    if identifier is not None:
        signal.pthread_kill(identifier, signal.SIGINT)
