"""What every open file shares: its name, its end, and what is checked before each call."""

from __future__ import annotations

import abc

from recordfs.errors import ClosedFileError, InvalidArgumentError
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.whole_numbers import whole_number

__all__ = ["OpenFile"]


class OpenFile(ClosesOnExit, abc.ABC):
    """What every open file shares: the name that it was opened by, and that it can be closed.

    Args:
        name: The full path as the caller gave it.
    """

    _closed = True  # until __init__ is through: a half-made file has nothing to let go of

    def __init__(self, name: str) -> None:
        self._name = name
        self._closed = False

    @property
    def name(self) -> str:
        """The full path that the file was opened by."""
        return self._name

    @property
    def closed(self) -> bool:
        """Whether the file was closed or discarded."""
        return self._closed

    @abc.abstractmethod
    def close(self) -> None:
        """Release what the file holds. Idempotent."""

    def _end(self) -> None:
        """Be closed from now on."""
        self._closed = True

    def _check_made(self) -> None:
        """Raise where a backend's class has not called ``__init__``: such a file would do nothing, and say nothing."""
        if "_name" not in self.__dict__:
            raise TypeError(f"{type(self).__name__}.__init__ has to call super().__init__(name)")

    def _check_open(self) -> None:
        """Raise ClosedFileError after ``close``."""
        if self._closed:
            self._check_made()
            raise ClosedFileError("the file has been closed", path=self._name)

    def _checked_range(self, offset: int, n: int = 0) -> tuple[int, int]:
        """Return both as Python's numbers: those of NumPy overflow. Raise unless the file is open and they are >= 0."""
        self._check_open()
        if type(offset) is not int or type(n) is not int:
            offset, n = whole_number(offset, "offset", path=self._name), whole_number(n, "n", path=self._name)
        if offset < 0 or n < 0:
            raise InvalidArgumentError(f"offset and n have to be at least 0, found {offset} and {n}", path=self._name)
        return offset, n
