"""Text of a file that is read by bytes: a read may end inside a character."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recordfs.gfile.block_reader import BlockReader

__all__ = ["decode"]

_LONGEST_CHARACTER = 4
"""Bytes in the longest character of any encoding in use."""


def decode(data: bytes, encoding: str, reader: BlockReader) -> str:
    """Decode what a reader has just read, and read on where it ends inside a character.

    Raises:
        UnicodeDecodeError: The bytes are no text of this encoding. The reader's position is after them.
    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if error.end != len(data):
            raise
        position = reader.tell()
        tail = data[error.start :]
        for _ in range(_LONGEST_CHARACTER - 1):
            more = reader.read(1)
            tail += more
            try:
                return data[: error.start].decode(encoding) + tail.decode(encoding)
            except UnicodeDecodeError:
                if not more:
                    break
        reader.jump(position)
        raise
