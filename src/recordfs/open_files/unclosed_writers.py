"""Writers that nobody closed: closed when the process ends, with a warning, while all of Python is still there.

A local writer closes when it is collected; one that something holds on to until the end (a hook, the traceback of the
last exception) would be collected when the modules that it needs are gone, and lose its bytes. So those that are left
are closed at exit. To publish a remote file takes a network, and the garbage collector may run anywhere; so such a
writer is kept until then. What buffers bytes in front of a writer is closed before it.
"""

from __future__ import annotations

import atexit
import sys
import warnings
import weakref
from typing import TYPE_CHECKING, NamedTuple, Protocol

from recordfs.per_process import OwningProcess
from recordfs.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.open_files.open_writer import OpenWriter

__all__ = ["close_at_exit", "forget", "is_left_to_exit", "keep_until_closed", "keep_with"]


class _Writer(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def discard(self) -> None: ...
    def is_in_use(self) -> bool: ...


class _Unclosed(NamedTuple):
    """A writer that is open.

    Attributes:
        owner: The process that it belongs to.
        find: Returns it, or None if it was collected.
        atomic: Whether it is discarded rather than closed.
        is_kept: Whether this module holds on to it.
    """

    owner: OwningProcess
    find: Callable[[], _Writer | None]
    atomic: bool
    is_kept: bool


_open_writers: dict[int, _Unclosed] = {}

_prepared_pid = 0
"""The process whose end closes what is left, where that is not ``atexit``."""

_tried_at_exit: set[int] = set()
"""The writers that the exit has tried to close, by their ids."""


def keep_until_closed(writer: OpenWriter) -> None:
    """Hold on to a writer until ``forget``, or close it when the interpreter ends."""
    _keep(writer, atomic=writer.atomic)


def close_at_exit(writer: _Writer, *, atomic: bool) -> None:
    """Close a writer when the interpreter ends, if it has not been closed or collected by then."""
    key = id(writer)

    def drop(_: object, key: int = key, writers: dict[int, _Unclosed] = _open_writers) -> None:
        writers.pop(key, None)

    _prepare_process()
    _open_writers[key] = _Unclosed(OwningProcess(), weakref.ref(writer, drop), atomic, is_kept=False)


def keep_with(file: object, owner: _Writer, *, atomic: bool) -> None:
    """Hold on to what buffers bytes for a writer as that is held on to, and close it first."""
    if is_left_to_exit(file):
        _keep(owner, atomic=atomic)
    else:
        close_at_exit(owner, atomic=atomic)


def _prepare_process() -> None:
    """Have a child of multiprocessing close what is left: it ends by ``os._exit``, after its own finalizers."""
    # No PerProcess: a spawned child imports its program, which may open a writer, before it is known to be a child.
    global _prepared_pid
    if _prepared_pid == OwningProcess.current_pid:
        return
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing import util

        # After the writers of events, which close their files themselves.
        util.Finalize(None, _close_all, exitpriority=5)
        _prepared_pid = OwningProcess.current_pid


def _keep(writer: _Writer, *, atomic: bool) -> None:
    _prepare_process()
    _open_writers[id(writer)] = _Unclosed(OwningProcess(), lambda: writer, atomic, is_kept=True)


def is_left_to_exit(
    writer: object, writers: dict[int, _Unclosed] = _open_writers, tried: set[int] = _tried_at_exit
) -> bool:
    """Tell whether only the exit closes a writer, or has tried to: then being collected has nothing to do.

    What it needs are arguments, because a writer may be collected when this module's names are gone.
    """
    key = id(writer)
    return key in tried or (key in writers and writers[key].is_kept)


def forget(writer: _Writer) -> None:
    """Let go of a writer that has been closed or discarded."""
    _open_writers.pop(id(writer), None)


@atexit.register
def _close_all() -> None:
    """Publish what is still open; what cannot be is said on standard error, with its path and the reason."""
    said: set[str] = set()
    # The last first: what buffers bytes for a writer came after it, and closes it as well.
    for key, unclosed in reversed(list(_open_writers.items())):
        writer = unclosed.find()
        if not unclosed.owner.is_current or key not in _open_writers or writer is None:
            continue
        _tried_at_exit.add(key)
        # A daemon thread may be stuck in a write, to a pipe that nobody reads: the process ends all the same. Asked
        # first, because the other questions wait for that thread.
        if writer.is_in_use():
            print(
                f"recordfs: {redact(writer.name)} is in use by another thread at exit; what it had not flushed is lost",
                file=sys.stderr,
            )
            continue
        if writer.closed:
            continue
        fate = "discarded" if unclosed.atomic else "published"
        try:
            if unclosed.atomic:
                writer.discard()
            else:
                writer.close()
        except Exception as error:  # noqa: BLE001 (the other writers have to be closed as well)
            line = (
                f"recordfs: {redact(writer.name)} could not be {fate} at exit, and what it had not flushed is lost: "
                f"{type(error).__name__}: {redact(str(error))}"
            )
            # A writer and what buffers bytes for it are one thing to the person, and fail alike.
            if line not in said:
                print(line, file=sys.stderr)
            said.add(line)
        else:
            _warn(f"unclosed writer of {redact(writer.name)} is {fate} at exit; close it or use `with`")


def _warn(message: str) -> None:
    try:
        warnings.warn(message, ResourceWarning, stacklevel=1)
    except ResourceWarning as warning:  # warnings are errors, and other writers are still to be closed
        print(f"recordfs: {warning}", file=sys.stderr)
