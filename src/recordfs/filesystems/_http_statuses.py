"""Which error an HTTP status means where the server says no more than that: one table for every backend."""

from __future__ import annotations

from recordfs.errors import (
    AbortedError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    RecordFSError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)

__all__ = ["error_class_of_status"]

# Source: RFC 9110, section 15, RFC 6585 (429), RFC 4918 (507), and how S3 and Google Cloud Storage use them. A rate
# limit (429) passes by itself, so it is Unavailable, as the 503 by which S3 says the same, and not the exhausted
# resource that a full disk is.
_BY_STATUS: dict[int, type[RecordFSError]] = {
    301: FailedPreconditionError,
    400: InvalidArgumentError,
    401: UnauthenticatedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: UnimplementedError,
    408: DeadlineExceededError,
    409: AbortedError,
    410: NotFoundError,
    412: AbortedError,
    413: InvalidArgumentError,
    416: OutOfRangeError,
    429: UnavailableError,
    501: UnimplementedError,
    504: DeadlineExceededError,
    507: ResourceExhaustedError,
}


def error_class_of_status(status: int) -> type[RecordFSError]:
    """Return the class for a status that is no success: UnavailableError for an unlisted one from 500 on."""
    return _BY_STATUS.get(status) or (UnavailableError if status >= 500 else UnknownError)
