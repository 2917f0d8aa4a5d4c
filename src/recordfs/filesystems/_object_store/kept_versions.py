"""Telling once, for each bucket, that it keeps and bills what is replaced and deleted."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING

from recordfs.errors import RecordFSError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["warn_of_kept_versions"]

_asked: set[str] = set()
_lock = threading.Lock()


def warn_of_kept_versions(bucket: str, look: Callable[[], str | None]) -> None:
    """Warn if a bucket keeps replaced objects; call it when a writer replaces one. Asks once a process and bucket.

    Args:
        bucket: Which bucket, with its scheme.
        look: Asks the store, and returns how the bucket keeps them, as in "soft delete is on (7 days)", or None. A
            RecordFSError of it only means that nothing is warned of: who may write need not be allowed to look.
    """
    with _lock:
        if bucket in _asked:
            return
        _asked.add(bucket)
    try:
        how = look()
    except RecordFSError:
        return
    if how is not None:
        warnings.warn(
            f"{bucket} keeps and bills what is replaced: {how}. Every flush of an object that is there already leaves "
            "a copy of its full size. Flush seldom, write logs to a bucket without it, or set a lifecycle rule",
            stacklevel=2,
        )
