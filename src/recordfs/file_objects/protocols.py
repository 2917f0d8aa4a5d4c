"""What file objects have to have, and what they are called: Python's, and those of somebody else's classes."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

__all__ = [
    "SupportsAppendParts",
    "SupportsRead",
    "SupportsReadInto",
    "SupportsWrite",
    "check_binary",
    "is_file_object",
    "name_of",
]


class SupportsRead(Protocol):
    """A binary file object that can be read; ``readinto``, ``seek`` and ``tell`` are used where it has them."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to ``size`` bytes, ``b""`` at the end."""


class SupportsWrite(Protocol):
    """A binary file object that can be written to; ``flush``, ``fileno`` and ``tell`` are used where it has them."""

    def write(self, data: bytes, /) -> object:
        """Take bytes, and return how many if not all."""


@runtime_checkable
class SupportsReadInto(Protocol):
    """What is read of a RandomAccessFile; somebody else's class may have it too."""

    def read_into(self, offset: int, buffer: Buffer) -> int:
        """As RandomAccessFile."""

    def size(self) -> int:
        """As RandomAccessFile; -1 where it is not known."""


@runtime_checkable
class SupportsAppendParts(Protocol):
    """What is written to a WritableFile; somebody else's class may have it too."""

    def append(self, data: Buffer) -> None:
        """As WritableFile."""

    def append_parts(self, parts: Sequence[Buffer]) -> None:
        """As WritableFile."""

    def flush(self) -> None:
        """As WritableFile."""

    def sync(self) -> None:
        """As WritableFile."""

    def tell(self) -> int:
        """As WritableFile."""


def name_of(file: Any) -> str:
    """Return what messages call a file object: its name if that is text, else its type."""
    name = getattr(file, "name", None)
    if isinstance(name, (str, bytes, os.PathLike)):
        return os.fsdecode(name)
    return f"<{type(file).__name__}>"


def is_file_object(given: object, method: str) -> bool:
    """Tell an open file with this method from a path.

    Some files know their path too (fsspec's local ones), and some path classes can read and write (py.path): only what
    is open says whether it is closed.
    """
    return hasattr(given, method) and (hasattr(given, "closed") or not isinstance(given, os.PathLike))


def check_binary(file: Any) -> None:
    """Raise TypeError for a text file."""
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"records are bytes, but {name_of(file)} is a text file: open it in binary mode")
