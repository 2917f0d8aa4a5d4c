"""What the JSON API answers, as plain values. Nothing in an answer is believed before it has been looked at.

A server of another kind, a proxy's page or an emulator's slip has other fields than are expected, or the same with
other things in them. All of that is one UnknownError.

Source of the fields: "Objects" and "Objects: list" in the service's JSON API reference.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from recordfs.filesystems._json_fields import list_in, number_in, text_in
from recordfs.filesystems._object_store import broken_answers
from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage

__all__ = ["NO_GCS_SERVER", "info_of", "page_of", "page_of_buckets", "reading_answer"]

NO_GCS_SERVER = "it is not that of Google Cloud Storage; is the endpoint right?"

reading_answer = partial(broken_answers.reading_answer, advice=NO_GCS_SERVER)
"""As of broken_answers, of Google Cloud Storage."""


def info_of(resource: dict[str, Any]) -> ObjectInfo:
    """Return what an object's resource tells.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    moment = resource.get("updated") or resource.get("timeCreated")
    return ObjectInfo(
        text_in(resource["name"]),
        number_in(resource.get("size", 0)),
        _nanoseconds(datetime.fromisoformat(moment)) if moment else 0,
        str(number_in(resource["generation"])),
        {text_in(name).lower(): text_in(value) for name, value in (resource.get("metadata") or {}).items()},
        text_in(resource.get("crc32c") or ""),
    )


def page_of(found: dict[str, Any]) -> ObjectPage:
    """Return what a page of a listing tells; raises as ``info_of``."""
    return ObjectPage(
        [info_of(item) for item in list_in(found.get("items", []))],
        sorted(text_in(prefix) for prefix in list_in(found.get("prefixes", []))),
        text_in(found.get("nextPageToken") or "") or None,
    )


def page_of_buckets(found: dict[str, Any]) -> ObjectPage:
    """Return a page of buckets, their names as prefixes; raises as ``info_of``."""
    names = [text_in(item["name"]) for item in list_in(found.get("items", []))]
    return ObjectPage([], names, text_in(found.get("nextPageToken") or "") or None)


def _nanoseconds(moment: datetime) -> int:
    """Return a time, which has microseconds, as nanoseconds since 1970-01-01 UTC."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
