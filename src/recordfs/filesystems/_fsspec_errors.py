"""What fsspec filesystems raise, as recordfs's errors.

fsspec says little about errors, so every implementation raises its own: built-in ones, those of the client library
beneath, and statuses of HTTP.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from recordfs.errors import (
    InvalidArgumentError,
    MissingDependencyError,
    RecordFSError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
    error_from_os_error,
)
from recordfs.filesystems._http_statuses import error_class_of_status
from recordfs.redaction import redacted_cause

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["error_from_fsspec", "error_from_http_status", "fsspec_errors"]

_LONGEST_TEXT = 500

# OSErrors without an errno still say what they mean by their class.
_ERRNO_OF_CLASS: tuple[tuple[type[OSError], int], ...] = (
    (FileNotFoundError, errno.ENOENT),
    (FileExistsError, errno.EEXIST),
    (IsADirectoryError, errno.EISDIR),
    (NotADirectoryError, errno.ENOTDIR),
    (PermissionError, errno.EACCES),
    (TimeoutError, errno.ETIMEDOUT),
    (ConnectionError, errno.ECONNABORTED),
)


@contextlib.contextmanager
def fsspec_errors(path: str) -> Iterator[None]:
    """Turn what the block raises into an error of recordfs about ``path``."""
    try:
        yield
    except RecordFSError:
        raise
    except Exception as error:  # noqa: BLE001 (raised below, without its secrets)
        raise error_from_fsspec(error, path) from redacted_cause(error)


def error_from_fsspec(error: Exception, path: str) -> RecordFSError:
    """Return the recordfs error for anything that an fsspec filesystem raised."""
    status = _http_status(error)
    if status is not None:
        return error_from_http_status(status, str(error), path)
    if isinstance(error, NotImplementedError):
        return UnimplementedError(f"this fsspec filesystem cannot do it: {_text(error)}", path=path)
    if isinstance(error, OSError):
        if error.errno is not None:
            return error_from_os_error(error, path)
        for cls, number in _ERRNO_OF_CLASS:
            if isinstance(error, cls):
                return error_from_os_error(OSError(number, _text(error)), path)
        if _is_connection_trouble(error):
            return UnavailableError(_text(error), path=path)
        return UnknownError(_text(error), path=path)
    if isinstance(error, ImportError):
        return MissingDependencyError(_text(error), path=path)
    if _is_connection_trouble(error):
        return UnavailableError(_text(error), path=path)
    if isinstance(error, ValueError):
        return InvalidArgumentError(_text(error), path=path)
    return UnknownError(_text(error), path=path)


def error_from_http_status(status: int, text: str, path: str) -> RecordFSError:
    """Return the recordfs error for an HTTP status of 400 and more."""
    return error_class_of_status(status)(f"the server answered with status {status}: {text}", path=path)


def _http_status(error: Exception) -> int | None:
    """Return the status that aiohttp, gcsfs and others attach to an error."""
    for name in ("status", "status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and 400 <= status < 600:
            return status
    return None


def _is_connection_trouble(error: Exception) -> bool:
    """Tell whether a client library says that it did not get through; by name, so that none has to be imported."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return not names.isdisjoint({"ClientConnectionError", "ClientPayloadError", "EndpointConnectionError"})


def _text(error: Exception) -> str:
    """Return what an error says on one line; some client libraries say pages."""
    said = " ".join(str(error).split())
    if len(said) > _LONGEST_TEXT:
        said = f"{said[:_LONGEST_TEXT]} ..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
