"""Fields of JSON that a server sent, each looked at before it is believed."""

from __future__ import annotations

from typing import Any

__all__ = ["list_in", "number_in", "text_in"]

_MOST_DIGITS = 19
"""Of a number of 64 bits."""


def text_in(value: object) -> str:
    """Return a text, or raise TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {type(value).__name__}")
    return value


def list_in(value: object) -> list[Any]:
    """Return a list, or raise TypeError."""
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value


def number_in(value: object) -> int:
    """Return a number from 0 on, of 64 bits at most, which JSON may have as a text; or raise ValueError."""
    text = str(value)
    if isinstance(value, bool) or not (text.isdecimal() and text.isascii() and len(text) <= _MOST_DIGITS):
        raise ValueError(f"expected a number in digits, found {text[:50]!r}")
    return int(text)
