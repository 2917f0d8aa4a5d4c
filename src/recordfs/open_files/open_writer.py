"""What every writer shares: the process that it belongs to, and how it ends, also where nobody closes it."""

from __future__ import annotations

import abc
import os
import warnings
from typing import TYPE_CHECKING

from recordfs.errors import FailedPreconditionError, UnimplementedError
from recordfs.open_files.letting_go import give_up
from recordfs.open_files.open_file import OpenFile
from recordfs.open_files.unclosed_writers import close_at_exit, forget, is_left_to_exit
from recordfs.per_process import OwningProcess
from recordfs.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OpenWriter"]


class OpenWriter(OpenFile):
    """An open file that ends by ``close`` or ``discard``, in the process that opened it.

    One that nobody closed is closed when it is collected (an atomic one is discarded), with a ResourceWarning.

    Args:
        name: The full path as the caller gave it.
        atomic: Whether only ``close`` publishes, all or nothing.
    """

    _closes_when_collected = True
    """Whether letting go of the file closes it. Not where it is another's, who closes it."""

    def __init__(self, name: str, *, atomic: bool = False) -> None:
        self._atomic = atomic
        self._owner = OwningProcess()
        super().__init__(name)  # last: from then on there is something to let go of
        if self._closes_when_collected:
            close_at_exit(self, atomic=atomic)

    def __del__(self, is_left_to_exit: Callable[[object], bool] = is_left_to_exit) -> None:
        # What the exit could not close is collected after it, when this module's names may be gone.
        if self._closed or not self._closes_when_collected or is_left_to_exit(self) or not self._owner.is_current:
            return
        # Errors get out and are reported by the interpreter as unraisable; nothing half-written is published.
        try:
            if self.atomic:
                self.discard()
            else:
                self.close()
        finally:
            # Last, because it raises where warnings are errors.
            warnings.warn(
                f"unclosed writer of {redact(self._name)}; close it or use `with`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    @property
    def atomic(self) -> bool:
        """Whether only ``close`` publishes, all or nothing."""
        return self._atomic

    def close(self) -> None:
        """Publish everything and release what the file holds. Idempotent; a failure is raised.

        A file that was never written to is published empty. If publishing fails and can be tried again, the file
        stays open and the bytes stay in it.
        """
        self._check_made()
        if not self._closed:
            self._check_process()
            self._close()
            self._end()

    def discard(self) -> None:
        """Let go of the file without publishing what has not been flushed. Idempotent.

        Of an atomic file nothing becomes visible; of another what was flushed before stays.

        Raises:
            UnimplementedError: This kind of file has no way to do it; it is still open.
        """
        if not self._closed:
            self._check_process()
            self._discard()
            self._end()

    def _end_after(self, error: BaseException) -> None:
        if self.atomic:
            give_up(self, error)
        else:
            super()._end_after(error)

    # What a backend writes.

    @abc.abstractmethod
    def _close(self) -> None:
        """Publish everything; if it raises, the file stays open unless ``_end`` was called."""

    def _discard(self) -> None:
        """Drop what was not flushed; if it raises, the file stays open unless ``_end`` was called.

        Of an atomic file nothing has been published before ``_close``, so the default has nothing to do.
        """
        if not self.atomic:
            raise UnimplementedError(f"{type(self).__name__} cannot be discarded", path=self._name)

    def _end(self) -> None:
        """Be closed from now on, and let go of everything; called after ``_close`` and ``_discard``, perhaps twice."""
        super()._end()
        forget(self)

    def is_in_use(self) -> bool:
        """Return whether a call is known to be under way: then another thread's ``close`` has to wait for it."""
        return False

    def _check_usable(self) -> None:
        """Raise where nothing can be appended or flushed: closed, another process's, or broken for good."""
        self._check_open()

    def _check_open(self) -> None:
        super()._check_open()
        self._check_process()

    def _check_process(self) -> None:
        if not self._owner.is_current:
            raise FailedPreconditionError(
                f"the writer belongs to process {self._owner.pid}, and this is process {os.getpid()}; "
                "open one in each process",
                path=self._name,
            )
