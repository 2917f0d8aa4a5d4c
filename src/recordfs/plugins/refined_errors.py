"""Errors of a plugin's operations, given the class and the path that the contract has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import (
    FailedPreconditionError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
    RecordFSError,
)

if TYPE_CHECKING:
    from recordfs.filesystem import FileSystem

__all__ = ["RefinedErrors"]


class RefinedErrors:
    """Gives the errors of a plugin's operation the class and the path that the contract has for them."""

    def __init__(self, file_system: FileSystem, path: str, target: str | None = None) -> None:
        self._file_system = file_system
        self._path = path
        self._target = target

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if not isinstance(error, RecordFSError):
            return
        refined = None
        if self._target is not None and type(error) in (NotFoundError, FailedPreconditionError):
            # The source was there when it was looked at, so it is more likely the target that is wrong.
            if self._file_system.file_exists(self._path):
                refined = type(error)(error.message, path=self._target)
        elif type(error) is FailedPreconditionError:
            refined = self._refined(error)
        if refined is not None:
            raise refined from error

    def _refined(self, error: FailedPreconditionError) -> FailedPreconditionError | None:
        """Return the error that says which precondition failed, if a look tells."""
        try:
            is_directory = self._file_system.stat(self._path).is_directory
        except NotADirectoryError:
            return NotADirectoryError(error.message, path=self._path)
        except RecordFSError:
            return None
        return IsADirectoryError(error.message, path=self._path) if is_directory else None
