"""Writers of remote files that nobody closed: kept until the interpreter ends, and closed then with a warning.

A local writer closes when it is collected. To publish a remote file takes a network, and the garbage collector may
run anywhere; so the last bytes are kept until there is a safe moment.
"""

from __future__ import annotations

import atexit
import os
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recordfs.filesystem.files import WritableFile

__all__ = ["forget", "keep_until_closed"]

_open_writers: dict[int, tuple[int, WritableFile]] = {}


def keep_until_closed(writer: WritableFile) -> None:
    """Hold on to a writer until ``forget``, or close it when the interpreter ends."""
    _open_writers[id(writer)] = (os.getpid(), writer)


def forget(writer: WritableFile) -> None:
    """Let go of a writer that has been closed or discarded."""
    _open_writers.pop(id(writer), None)


@atexit.register
def _close_all() -> None:
    """Publish what is still open; what cannot be is said on standard error, with its path and the reason."""
    for process, writer in list(_open_writers.values()):
        if process != os.getpid():
            continue
        fate = "discarded" if writer.atomic else "published"
        warnings.warn(
            f"unclosed writer of {writer.name} is {fate} at exit; close it or use `with`", ResourceWarning, stacklevel=1
        )
        try:
            if writer.atomic:
                writer.discard()
            else:
                writer.close()
        except Exception as error:  # noqa: BLE001 (the other writers have to be closed as well)
            print(
                f"recordfs: {writer.name} could not be {fate} at exit, and what it had not flushed is lost: "
                f"{type(error).__name__}: {error}",
                file=sys.stderr,
            )
