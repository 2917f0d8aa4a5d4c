"""Truncating files, which only WebHDFS can do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from recordfs.errors import DeadlineExceededError, UnavailableError, UnimplementedError
from recordfs.filesystems.hdfs.webhdfs import SpnegoWantedError, WebHdfsUnreachableError

if TYPE_CHECKING:
    from recordfs.filesystems.hdfs.name_service import NameService

__all__ = ["truncate"]

PAUSE_SECONDS = 0.1


def truncate(service: NameService, name: str, path: str, length: int, seconds: float) -> None:
    """Cut a file that nobody has open, and return when it has its new length.

    Args:
        service: Where it is.
        name: Its path as the caller of recordfs gave it.
        path: Its path on HDFS.
        length: At most what it has.
        seconds: How long that may take: the datanodes cut the last block, which takes seconds.

    Raises:
        DeadlineExceededError: It took longer; the namenode goes on with it, or may still begin with it.
        LeaseHeldError: Somebody has it open.
        UnavailableError: WebHDFS cannot be reached; nothing was changed.
        UnimplementedError: WebHDFS may not be used, or wants SPNEGO.
    """
    if service.webhdfs is None:
        raise UnimplementedError("truncating a file takes WebHDFS, which the option webhdfs=False forbids", path=name)
    deadline = time.monotonic() + seconds
    try:
        if service.webhdfs.truncate(path, length):
            return
    except SpnegoWantedError as error:
        raise UnimplementedError(f"truncating a file takes WebHDFS: {error.message}", path=name) from error
    except WebHdfsUnreachableError as error:
        raise UnavailableError(f"truncating a file takes WebHDFS: {error.message}", path=name) from error
    except DeadlineExceededError as error:
        error.path = name
        raise
    while True:
        status: Any = service.ask("getFileInfo", name, service.native.get_file_info, path)
        if status.length == length and not service.webhdfs.is_open(path, max(0, length - 1)):
            return
        if time.monotonic() >= deadline:
            raise DeadlineExceededError(
                f"the file was not truncated to {length} bytes in {seconds:g} s; the namenode goes on with it",
                path=name,
            )
        time.sleep(PAUSE_SECONDS)
