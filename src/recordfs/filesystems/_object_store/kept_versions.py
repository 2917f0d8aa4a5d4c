"""Telling once, for each bucket, that it keeps and bills what is replaced and deleted."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING

from recordfs.errors import RecordFSError

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["warn_of_kept_versions"]

_asked: set[str] = set()
_lock = threading.Lock()


def warn_of_kept_versions(store: ObjectStore, bucket: str) -> None:
    """Warn if a bucket keeps replaced objects; call it when a writer replaces one. Asks once a process and bucket.

    Where the store cannot be asked, nothing is warned of: who may write need not be allowed to look.
    """
    name = f"{store.scheme}://{bucket}"
    with _lock:
        if name in _asked:
            return
        _asked.add(name)
    try:
        how = store.kept_versions(bucket)
    except RecordFSError:
        return
    if how is not None:
        warnings.warn(
            f"{name} keeps and bills what is replaced: {how}. Every flush of an object that is there already leaves "
            "a copy of its full size. Flush seldom, write logs to a bucket without it, or set a lifecycle rule",
            stacklevel=2,
        )
