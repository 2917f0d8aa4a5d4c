"""Signals where a test wants them: at any line of some code, after any call that it makes, or while a call waits."""

from __future__ import annotations

import dis
import functools
import gc
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, FrameType, ModuleType

    Tracing = Callable[[Callable[[CodeType], bool], Callable[[], object]], Any]

__all__ = [
    "assert_interrupt_ends",
    "handled_at",
    "interrupted_after",
    "interrupted_at",
    "tracing_lines",
    "tracing_places_of_signals",
]


def assert_interrupt_ends(call: Callable[[], object]) -> None:
    """Make a call that would wait for ever, send this process a SIGINT, and expect it to end by KeyboardInterrupt.

    Another follows if that did not end it: a KeyboardInterrupt that is raised inside a finalizer is lost.
    """
    is_over = threading.Event()
    waits = False

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal waits
        if waits:  # once: what comes before or after the call is not meant for it
            waits = False
            raise KeyboardInterrupt

    def send() -> None:
        nonlocal waits
        pause = 0.1
        while not is_over.wait(pause):
            waits = begun.is_set()
            os.kill(os.getpid(), signal.SIGINT)
            pause = 10 if waits else 0.1

    begun = threading.Event()
    sender = threading.Thread(target=send, daemon=True)
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        sender.start()
        begun.set()
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        is_over.set()
        sender.join()
        signal.signal(signal.SIGINT, before)


def interrupted_at(line_number: int, call: Callable[[], object], modules: Sequence[ModuleType]) -> bool:
    """Make a call and raise KeyboardInterrupt at its nth line inside the modules; tell whether that was reached."""
    return _interrupted(line_number, call, modules, tracing_lines)


def interrupted_after(call_number: int, call: Callable[[], object], modules: Sequence[ModuleType]) -> bool:
    """Make a call and raise KeyboardInterrupt where the interpreter looks for signals; tell whether that was reached.

    That is, among others, after each call that the modules make, when nobody owns yet what it returned.
    """
    return _interrupted(call_number, call, modules, tracing_places_of_signals)


def _interrupted(number: int, call: Callable[[], object], modules: Sequence[ModuleType], tracing: Tracing) -> bool:
    is_reached = is_raised = False
    files = {module.__file__ for module in modules}

    def interrupt() -> None:
        nonlocal is_reached
        is_reached = True
        raise KeyboardInterrupt

    # The interrupt is for this call, not for the finalizer of something that an earlier test left: none runs in here.
    gc.disable()
    try:
        handled_at(number, call, interrupt, lambda code: code.co_filename in files, tracing)
    except KeyboardInterrupt:
        is_raised = True
    finally:
        gc.enable()
    assert is_raised == is_reached, "the interrupt was lost"
    return is_reached


def handled_at(
    number: int,
    call: Callable[[], object],
    handler: Callable[[], object],
    is_wanted: Callable[[CodeType], bool],
    tracing: Tracing | None = None,
) -> bool:
    """Make a call, and call a handler, as a signal would, before its nth step; tell whether there were so many.

    Args:
        number: Of the steps in the wanted code that this thread takes, counted from 1.
        call: What is interrupted.
        handler: The handler.
        is_wanted: Whether steps in this code count.
        tracing: What a step is: ``tracing_lines``, the default, or ``tracing_places_of_signals``.
    """
    seen = 0

    def come() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            sys.settrace(None)
            handler()

    before = sys.gettrace()
    sys.settrace((tracing or tracing_lines)(is_wanted, come))
    try:
        call()
    finally:
        sys.settrace(before)
    return seen >= number


def tracing_lines(is_wanted: Callable[[CodeType], bool], act: Callable[[], object]) -> Any:
    """Return a function for ``sys.settrace`` that acts before each line of the wanted code."""

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if not is_wanted(frame.f_code):
            return None
        if event == "line":
            act()
        return trace

    return trace


def tracing_places_of_signals(is_wanted: Callable[[CodeType], bool], act: Callable[[], object]) -> Any:
    """Return a function for ``sys.settrace`` that acts wherever a signal's handler can interrupt the wanted code.

    The interpreter looks for signals after each call, at the start of each function, and where a loop goes back.
    """

    def trace(frame: FrameType, _event: str, _argument: Any) -> Any:
        if not is_wanted(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        names = _instruction_names(frame.f_code)
        before = ""

        def trace_instruction(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal before
            if event == "exception":
                before = ""
            elif event == "opcode":
                former, before = before, names[frame.f_lasti]
                if former.startswith(("CALL", "RESUME")) or "BACKWARD" in former:
                    act()
            return trace_instruction

        return trace_instruction

    return trace


@functools.cache
def _instruction_names(code: CodeType) -> dict[int, str]:
    return {instruction.offset: instruction.opname for instruction in dis.get_instructions(code)}
