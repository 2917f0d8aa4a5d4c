"""The names under which atomic files are written before they are published, and what dead writers left of them."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from recordfs.errors import RecordFSError
from recordfs.paths import TEMPORARY_NAME

if TYPE_CHECKING:
    from recordfs.filesystems.hdfs.name_service import NameService

__all__ = ["remove_stale_temporaries_once", "temporary_beside"]

STALE_AGE_SECONDS = 24 * 60 * 60
"""An unpublished file that is so old, and whose writer has let go of its lease, is removed."""

MOST_DIRECTORIES = 10_000


def temporary_beside(path: str) -> str:
    """Return a new name in the directory of a path."""
    directory = path.rpartition("/")[0]
    return f"{directory}/{TEMPORARY_NAME}-{os.urandom(8).hex()}"


def remove_stale_temporaries_once(service: NameService, name: str, directory: str) -> None:
    """Remove what dead writers left in a directory, once for each NameService: it lists the directory.

    What cannot be looked at or removed stays, without an error: it is not what the caller is about. ``recordfs doctor``
    names what is there.
    """
    if directory in service.cleaned_directories:
        return
    if len(service.cleaned_directories) >= MOST_DIRECTORIES:
        service.cleaned_directories.clear()
    service.cleaned_directories.add(directory)
    with contextlib.suppress(RecordFSError):
        for stale in service.ask("getListing", name, _stale_files, service.native, directory):
            with contextlib.suppress(RecordFSError):
                _remove_if_abandoned(service, name, stale)


def _stale_files(native: Any, directory: str) -> list[Any]:
    """Return the status of each file that is old by this machine's clock."""
    oldest = (time.time() - STALE_AGE_SECONDS) * 1000
    return [
        status
        for status in native.list_status(directory)
        if status.path.rpartition("/")[2].startswith(f"{TEMPORARY_NAME}-")
        and not status.isdir
        and status.modification_time < oldest
    ]


def _remove_if_abandoned(service: NameService, name: str, stale: Any) -> None:
    """Remove a file unless a writer has it open, which HDFS lets nobody append to, or it is new by HDFS's own clock."""
    path = stale.path
    writer: Any = service.ask("append", name, service.native.append, path)
    service.transfer("complete", name, service.settings.data_timeout, writer.close)
    closed: Any = service.ask("getFileInfo", name, service.native.get_file_info, path)
    # Closing it has set its time to the namenode's present; this machine's clock may be days ahead.
    if closed.modification_time - stale.modification_time >= STALE_AGE_SECONDS * 1000:
        service.ask("delete", name, service.native.delete, path)
