"""Ctrl-C where a test wants it: at any line of a module, or while a call waits."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType, ModuleType

__all__ = ["interrupted_at", "interrupted_while_waiting"]


@contextlib.contextmanager
def interrupted_while_waiting() -> Iterator[None]:
    """Send the block, which would wait for ever, a SIGINT, and expect it to end by KeyboardInterrupt.

    Another follows if that did not end it: a KeyboardInterrupt that is raised inside a finalizer is lost, and a machine
    under load can be so slow that the first one comes before the block waits.
    """
    is_over = threading.Event()

    def send() -> None:
        pause = 0.1
        while not is_over.wait(pause):
            os.kill(os.getpid(), signal.SIGINT)
            pause = 3

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        is_over.set()
        sender.join()


def interrupted_at(line_number: int, call: Callable[[], object], modules: Sequence[ModuleType]) -> bool:
    """Make a call and raise KeyboardInterrupt at its nth line inside the modules; tell whether that was reached."""
    seen = 0
    files = {module.__file__ for module in modules}

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            seen += 1
            if seen == line_number:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    # The interrupt is for this call, not for the finalizer of something an earlier test left behind.
    gc.collect()
    gc.disable()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
        gc.enable()
    return seen >= line_number
