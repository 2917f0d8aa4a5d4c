"""Writers of remote files that nobody closed: kept until the interpreter ends, and closed then with a warning.

A local writer closes when it is collected. To publish a remote file takes a network, and the garbage collector may
run anywhere; so the last bytes are kept until there is a safe moment. What buffers bytes in front of such a writer is
kept with it, and closed before it.
"""

from __future__ import annotations

import atexit
import os
import sys
import warnings
from typing import TYPE_CHECKING, NamedTuple, Protocol

from recordfs.redaction import redact

if TYPE_CHECKING:
    from recordfs.filesystem.files import WritableFile

__all__ = ["forget", "is_kept", "keep_until_closed", "keep_with"]


class _Writer(Protocol):
    @property
    def name(self) -> str: ...
    def close(self) -> None: ...
    def discard(self) -> None: ...


class _Kept(NamedTuple):
    process: int
    writer: _Writer
    atomic: bool


_open_writers: dict[int, _Kept] = {}


def keep_until_closed(writer: WritableFile) -> None:
    """Hold on to a writer until ``forget``, or close it when the interpreter ends."""
    _open_writers[id(writer)] = _Kept(os.getpid(), writer, writer.atomic)


def keep_with(file: object, owner: _Writer, *, atomic: bool) -> None:
    """Hold on to what buffers bytes for a writer as that is held on to, and close it first. Else do nothing."""
    if is_kept(file):
        _open_writers[id(owner)] = _Kept(os.getpid(), owner, atomic)


def is_kept(writer: object) -> bool:
    """Tell whether a writer is held on to."""
    return id(writer) in _open_writers


def forget(writer: _Writer) -> None:
    """Let go of a writer that has been closed or discarded."""
    _open_writers.pop(id(writer), None)


@atexit.register
def _close_all() -> None:
    """Publish what is still open; what cannot be is said on standard error, with its path and the reason."""
    # The last first: what buffers bytes for a writer came after it, and closes it as well.
    for key, (process, writer, atomic) in reversed(list(_open_writers.items())):
        if process != os.getpid() or key not in _open_writers:
            continue
        fate = "discarded" if atomic else "published"
        warnings.warn(
            f"unclosed writer of {redact(writer.name)} is {fate} at exit; close it or use `with`",
            ResourceWarning,
            stacklevel=1,
        )
        try:
            if atomic:
                writer.discard()
            else:
                writer.close()
        except Exception as error:  # noqa: BLE001 (the other writers have to be closed as well)
            print(
                f"recordfs: {redact(writer.name)} could not be {fate} at exit, and what it had not flushed is lost: "
                f"{type(error).__name__}: {redact(str(error))}",
                file=sys.stderr,
            )
