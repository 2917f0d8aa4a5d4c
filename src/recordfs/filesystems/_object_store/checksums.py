"""Checksums as S3 writes them into requests."""

from __future__ import annotations

import base64
import hashlib
import struct

from recordfs._core import crc32c

__all__ = ["crc32c_from_header", "crc32c_header", "crc32c_of", "md5_header"]


def crc32c_header(crc: int) -> str:
    """Return a CRC-32C as S3 writes it: base64 of its four bytes, big-endian."""
    return base64.b64encode(struct.pack(">I", crc)).decode()


def crc32c_from_header(text: str) -> int:
    """Return the number that ``crc32c_header`` wrote.

    Raises:
        ValueError: It has not written this.
    """
    try:
        return int(struct.unpack(">I", base64.b64decode(text, validate=True))[0])
    except struct.error as error:
        raise ValueError(f"expected base64 of four bytes, found {text!r}") from error


def crc32c_of(*buffers: bytes | bytearray) -> int:
    """Return the CRC-32C of several buffers, one after another."""
    crc = 0
    for buffer in buffers:
        crc = crc32c(buffer, crc)
    return crc


def md5_header(body: bytes | bytearray) -> str:
    """Return the value of ``Content-MD5`` for a body."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
