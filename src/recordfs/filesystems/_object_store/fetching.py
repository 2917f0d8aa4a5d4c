"""Fetching byte ranges of one version of an object: through obstore where that works, else through the SDK.

obstore serves thousands of small ranges a second where the SDKs serve hundreds. It has two limits that are kept here:
it rewrites some keys (a slash at either end, ``//``, ``.`` and ``..`` components), and once a process has used it, a
forked child that uses it hangs for ever, because its runtime's threads are not there.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import obstore
from obstore import exceptions as obstore_errors

from recordfs.errors import (
    AbortedError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from recordfs.filesystems._object_store.statistics import RequestCounter
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["RangeFetcher"]

_first_process = 0
_warned_in = 0


def _usable_here() -> bool:
    """Tell whether obstore may be used in this process, remembering the first one that does."""
    global _first_process, _warned_in
    process = os.getpid()
    if _first_process == 0:
        _first_process = process
    if _first_process == process:
        return True
    if _warned_in != process:
        _warned_in = process
        logging.getLogger("recordfs").warning(
            "process %d was forked after its parent had read objects; it reads through the store's SDK, which is "
            "slower for small ranges. Start workers by spawn, or fork them before the first read",
            process,
        )
    return False


def _kept_verbatim(key: str) -> bool:
    """Tell whether obstore asks for this very key."""
    return not any(part in ("", ".", "..") for part in key.split("/")) and key.isprintable()


class RangeFetcher:
    """Fetches ranges of the objects of one filesystem. Safe to use from any thread, and after a fork.

    Args:
        store: For what obstore cannot do.
        make: Makes obstore's store for a bucket.
        counter: Where requests are counted.
        scheme: For the paths in errors.
    """

    def __init__(self, store: ObjectStore, make: Callable[[str], Any], counter: RequestCounter, scheme: str) -> None:
        self._store = store
        self._make = make
        self._counter = counter
        self._scheme = scheme
        self._lock = threading.Lock()
        self._buckets: dict[str, Any] = {}
        self._owner = os.getpid()

    def fetch(self, bucket: str, key: str, start: int, end: int, tag: str) -> Buffer:
        """Return the bytes from ``start`` to ``end`` of the version that ``tag`` names; the range has to lie inside.

        Raises:
            AbortedError: The object is another version by now.
            NotFoundError: It is gone.
        """
        if not (_kept_verbatim(key) and _usable_here()):
            return self._store.get_range(bucket, key, start, end, tag)
        path = f"{self._scheme}://{bucket}/{key}"
        try:
            content = obstore.get(self._bucket(bucket), key, options=self._store.range_options(start, end, tag)).bytes()
        except Exception as error:
            raise _mapped(error, path) from error
        self._counter.add("GetRange", requests=1, received=len(content))
        if len(content) != end - start:
            raise AbortedError(
                f"asked for bytes {start} to {end}, found {len(content)}: the object changed while it was read",
                path=path,
            )
        return content

    def _bucket(self, bucket: str) -> Any:
        """Return obstore's store for a bucket."""
        found = self._buckets.get(bucket)
        if found is None:
            with self._lock:
                found = self._buckets.setdefault(bucket, self._make(bucket))
        return found


def _mapped(error: Exception, path: str) -> RecordFSError:
    """Return the recordfs error for what obstore raises."""
    if isinstance(error, RecordFSError):
        return error
    if isinstance(error, FileNotFoundError):
        return NotFoundError("the object is gone", path=path)
    if isinstance(error, obstore_errors.PreconditionError):
        return AbortedError("the object is another version by now", path=path)
    if isinstance(error, obstore_errors.PermissionDeniedError | PermissionError):
        return PermissionDeniedError(_first_line(error), path=path)
    if isinstance(error, obstore_errors.UnauthenticatedError):
        return UnauthenticatedError(_first_line(error), path=path)
    return UnavailableError(_first_line(error), path=path)


def _first_line(error: Exception) -> str:
    """Return an error's text without obstore's debug dump, which names headers."""
    return str(error).partition("\n")[0]
