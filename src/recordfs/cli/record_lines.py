"""How a record is shown: a line of text for a person, a JSON object for a program."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COLUMNS", "PREVIEW_LENGTH", "preview", "record_cells", "record_object"]

PREVIEW_LENGTH = 64
"""How many characters of a record's data are shown unless the user asks for another number."""

COLUMNS: Sequence[str] = (">record", ">offset", ">length", "data")
"""The heads of a table of records; the cells come from ``record_cells``."""


def record_cells(index: int, offset: int, data: bytes, width: int) -> tuple[str, str, str, str]:
    """Return the cells of one record: its number in the file, its offset and length in bytes, a preview."""
    return str(index), str(offset), str(len(data)), preview(data, width)


def record_object(path: str, index: int, offset: int, data: bytes) -> dict[str, Any]:
    """Return what JSON says about a record; ``data`` is in base64, because records are bytes."""
    encoded = base64.b64encode(data).decode()
    return {"path": path, "record": index, "offset": offset, "length": len(data), "data": encoded}


def preview(data: bytes, width: int) -> str:
    r"""Return the beginning of a record in at most ``width`` characters.

    Text that is UTF-8 is shown as it is, any other byte, and a line's end, as an escape such as ``\x0a``. What has
    been cut off is marked by ``…``.
    """
    # A character has at most 4 bytes, so this much is enough; a character that the cut goes through is an escape.
    text = data[: 4 * width + 4].decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: width + 1])
    return shown if len(shown) <= width and len(data) <= 4 * width + 4 else shown[: width - 1] + "…"
