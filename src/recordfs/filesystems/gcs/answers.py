"""What the JSON API answers, as plain values. Nothing in an answer is believed before it has been looked at.

A server of another kind, a proxy's page or an emulator's slip has other fields than are expected, or the same with
other things in them. All of that is one UnknownError.

Source of the fields: "Objects" and "Objects: list" in the service's JSON API reference.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from recordfs.filesystems._object_store import broken_answers
from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage

__all__ = ["NO_GCS_SERVER", "generation_of", "info_of", "page_of", "page_of_buckets", "reading_answer", "size_of"]

NO_GCS_SERVER = "it is not that of Google Cloud Storage; is the endpoint right?"

reading_answer = partial(broken_answers.reading_answer, advice=NO_GCS_SERVER)
"""As of broken_answers, of Google Cloud Storage."""

_MOST_DIGITS = 19
"""Of a size or a generation, which are 64 bits."""


def generation_of(resource: dict[str, Any]) -> str:
    """Return the generation of an object's resource; raises as ``info_of``."""
    return str(_number(resource["generation"]))


def size_of(resource: dict[str, Any]) -> int:
    """Return the size of an object's resource, in bytes; raises as ``info_of``."""
    return _number(resource.get("size", 0))


def info_of(resource: dict[str, Any]) -> ObjectInfo:
    """Return what an object's resource tells.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    moment = resource.get("updated") or resource.get("timeCreated")
    return ObjectInfo(
        _text(resource["name"]),
        size_of(resource),
        _nanoseconds(datetime.fromisoformat(moment)) if moment else 0,
        generation_of(resource),
        {_text(name).lower(): _text(value) for name, value in (resource.get("metadata") or {}).items()},
        _text(resource.get("crc32c") or ""),
    )


def page_of(found: dict[str, Any]) -> ObjectPage:
    """Return what a page of a listing tells; raises as ``info_of``."""
    return ObjectPage(
        [info_of(item) for item in _list(found.get("items", []))],
        sorted(_text(prefix) for prefix in _list(found.get("prefixes", []))),
        _text(found.get("nextPageToken") or "") or None,
    )


def page_of_buckets(found: dict[str, Any]) -> ObjectPage:
    """Return a page of buckets, their names as prefixes; raises as ``info_of``."""
    names = [_text(item["name"]) for item in _list(found.get("items", []))]
    return ObjectPage([], names, _text(found.get("nextPageToken") or "") or None)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {type(value).__name__}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value


def _number(value: object) -> int:
    """Return a number of 64 bits, which JSON has as a text."""
    text = str(value)
    if isinstance(value, bool) or not (text.isdecimal() and text.isascii() and len(text) <= _MOST_DIGITS):
        raise ValueError(f"expected a number in digits, found {text[:50]!r}")
    return int(text)


def _nanoseconds(moment: datetime) -> int:
    """Return a time, which has microseconds, as nanoseconds since 1970-01-01 UTC."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
