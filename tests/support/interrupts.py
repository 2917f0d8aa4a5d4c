"""KeyboardInterrupt at any line of a module, so that a test can have it at every one."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType, ModuleType

__all__ = ["interrupted_at"]


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
