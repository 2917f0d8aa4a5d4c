"""How a record file is compressed: the names, the levels, and telling it from a file's first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs._core import COMPRESSION_PREFIX_SIZE
from recordfs._core import detect_compression as detect_from_prefix
from recordfs.errors import InvalidArgumentError
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from recordfs.filesystem import RandomAccessFile

__all__ = ["COMPRESSIONS", "check_compression_level", "compression_name", "detect_compression"]

COMPRESSIONS = ("", "ZLIB", "GZIP")
"""The names of TensorFlow's ``TFRecordOptions``, at the numbers of its ``TFRecordCompressionType``. "" is none."""


def compression_name(compression: str | int | None) -> str:
    """Return the name of a compression: ``""``, ``"ZLIB"`` or ``"GZIP"``.

    Args:
        compression: A name; None for no compression; or the number of TensorFlow's ``TFRecordCompressionType``.

    Raises:
        InvalidArgumentError: It is none of these. Names are upper case, as TensorFlow's; TensorFlow itself takes a
            name that it does not know for no compression, and writes or reads the wrong thing.
    """
    if compression is None:
        return ""
    if isinstance(compression, str):
        if compression in COMPRESSIONS:
            return compression
        if compression.upper() in COMPRESSIONS:
            raise InvalidArgumentError(f"compression names are upper case: use {compression.upper()!r}")
    elif compression in range(len(COMPRESSIONS)):
        return COMPRESSIONS[compression]
    raise InvalidArgumentError(f'compression has to be None, "", "GZIP" or "ZLIB", found {compression!r}')


def check_compression_level(level: int) -> int:
    """Return a compression level if zlib knows it.

    Raises:
        InvalidArgumentError: It is not between -1 (zlib's default, 6) and 9; 0 stores, 1 is fastest, 9 is smallest.
    """
    number = whole_number(level, "a compression level", at_least=-1)
    if number > 9:
        raise InvalidArgumentError(f"a compression level has to be between -1 and 9, found {number}")
    return number


def detect_compression(file: RandomAccessFile) -> str:
    """Tell how a file that will not grow meanwhile is compressed.

    The checksum of a plain first record is tried first, because a plain record of 40,056 bytes begins like a zlib
    stream and one of 559,903 like a gzip member; then gzip; then zlib, confirmed by the first record inside.

    Returns:
        ``""``, ``"ZLIB"`` or ``"GZIP"``. What is nothing known is ``""``: reading it as plain records tells what is
        wrong with it.
    """
    detected = detect_from_prefix(file.read(0, COMPRESSION_PREFIX_SIZE), at_end=True)
    assert detected is not None  # so it is only without at_end
    return detected
