"""Record files made by hand, from the format's definition and nothing of recordfs."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def masked_crc32c(data: bytes) -> int:
    """The checksum as a record file stores it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def header(length: int) -> bytes:
    """The header of a record that claims this length."""
    field = struct.pack("<Q", length)
    return field + struct.pack("<I", masked_crc32c(field))


def record(payload: bytes) -> bytes:
    """One whole record."""
    return header(len(payload)) + payload + struct.pack("<I", masked_crc32c(payload))


def stream(payloads: Iterable[bytes]) -> bytes:
    """Records, one behind another."""
    return b"".join(map(record, payloads))
