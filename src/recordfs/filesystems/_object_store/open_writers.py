"""Writers that nobody has closed yet: kept alive until the process ends, and published then.

A writer of a remote object must not publish from ``__del__``, where no network belongs and errors get lost. So an
unclosed one is held here, strongly, and closed at exit with a ResourceWarning.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import traceback
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recordfs.filesystem import WritableFile

__all__ = ["hold", "release"]

_lock = threading.Lock()
_open: dict[int, tuple[int, WritableFile]] = {}


def hold(writer: WritableFile) -> None:
    """Keep a writer alive until ``release`` or the end of the process that opened it."""
    with _lock:
        _open[id(writer)] = (os.getpid(), writer)


def release(writer: WritableFile) -> None:
    """Let go of a writer that has been closed or discarded."""
    with _lock:
        _open.pop(id(writer), None)


def _close_all() -> None:
    """Publish what is still open; what cannot be is said on standard error, with the path and what is lost."""
    with _lock:
        writers = [writer for process, writer in _open.values() if process == os.getpid()]
        _open.clear()
    for writer in writers:
        warnings.warn(
            f"{writer.name} was not closed; it is being {'discarded' if writer.atomic else 'published'} at exit",
            ResourceWarning,
            stacklevel=1,
        )
        try:
            if writer.atomic:
                writer.discard()
            else:
                writer.close()
        except Exception:  # noqa: BLE001 - the process ends: the one thing left is to say what is lost, loudly
            print(f"recordfs: {writer.name} could not be published at exit; its last bytes are lost:", file=sys.stderr)
            traceback.print_exc()


def _forget_in_child() -> None:
    """A forked child owns none of its parent's writers; the parent's lock may have been held."""
    global _lock
    _lock = threading.Lock()
    _open.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_in_child)
