"""The errors that recordfs raises, and their status codes.

One class for each TensorFlow status code that a filesystem or a record file can produce. Each is also a
subclass of the built-in exception that Python programs already catch for the same trouble, so
``except FileNotFoundError`` and ``except recordfs.errors.NotFoundError`` both work.

This module imports nothing from recordfs but what takes secrets out of messages.

Source of the codes: ``tensorflow/core/protobuf/error_codes.proto``, which are gRPC's canonical codes.
"""

import builtins
import enum
import errno as _errno
import io
from typing import Any, cast

from recordfs.redaction import redact

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "CancelledError",
    "ClosedFileError",
    "CorruptRecordError",
    "DataLossError",
    "DeadlineExceededError",
    "DirectoryNotEmptyError",
    "FailedPreconditionError",
    "FileTooLargeError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidContentError",
    "InvalidSeekError",
    "IsADirectoryError",
    "MissingDependencyError",
    "NotADirectoryError",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "RecordFSError",
    "ResourceExhaustedError",
    "StatusCode",
    "TruncatedRecordError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "UnknownSchemeError",
    "error_from_os_error",
    "error_from_status_code",
]


class StatusCode(enum.IntEnum):
    """The canonical status codes, with TensorFlow's numbers."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RecordFSError(Exception):
    """The base of every error that recordfs raises on purpose.

    Args:
        message: What happened, what was expected and found, and what to do about it.
        path: The full path or URL concerned, as the caller gave it; None where there is none.
        offset: For data errors the byte offset in the (uncompressed) stream at which the broken record begins.

    Attributes:
        code: The status code; fixed by the class. ``error_code`` is its number, as in ``tf.errors``.
        message: The message without path and offset.
        path: As given.
        offset: As given.

    ``str(error)`` is ``path: message``, with ``(at byte offset)`` where there is one. Errors can be pickled. Secrets
    are taken out of the message at once, and out of the path (a signed URL) wherever it is shown.
    """

    code: StatusCode = StatusCode.UNKNOWN
    default_errno: int | None = None

    def __init__(self, message: str = "", *, path: str | None = None, offset: int | None = None) -> None:
        message = redact(message)
        super().__init__(message)
        self.message = message
        self.path = path
        self.offset = offset
        # The built-in parents keep their fields in C; the type checker cannot see which parent a subclass has.
        builtin_side: Any = self
        if isinstance(builtin_side, OSError):
            builtin_side.errno = self.default_errno
            builtin_side.strerror = message
            builtin_side.filename = path
        elif isinstance(builtin_side, ImportError):
            builtin_side.msg = message

    @property
    def error_code(self) -> int:
        """The code under the name that ``tf.errors.OpError`` has for it."""
        return int(self.code)

    def __str__(self) -> str:
        where = "" if self.path is None else f"{redact(self.path)}: "
        at = "" if self.offset is None else f" (at byte {self.offset})"
        return f"{where}{self.message}{at}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message), self.__dict__.copy())


def _rebuild(cls: type[RecordFSError], message: str) -> RecordFSError:
    """Make an unpickled error again; its attributes follow as pickle's state."""
    return cls(message)


class CancelledError(RecordFSError):
    """The operation was stopped by its caller."""

    code = StatusCode.CANCELLED


class UnknownError(RecordFSError, OSError):
    """The operating system or a store failed in a way that no other class describes."""

    code = StatusCode.UNKNOWN
    default_errno = _errno.EIO


class InvalidArgumentError(RecordFSError, ValueError):
    """An argument can never be right, whatever the state of the filesystem."""

    code = StatusCode.INVALID_ARGUMENT


class InvalidContentError(InvalidArgumentError):
    """What a file holds can never be what it is read as, however often that is tried."""


class InvalidSeekError(InvalidArgumentError, OSError):
    """A position that no file has: negative, or relative to nothing. Programs that probe a file wait for an OSError."""

    default_errno = _errno.EINVAL


class DeadlineExceededError(RecordFSError, TimeoutError):
    """A time limit ran out; the operation may or may not have happened."""

    code = StatusCode.DEADLINE_EXCEEDED
    default_errno = _errno.ETIMEDOUT


class NotFoundError(RecordFSError, FileNotFoundError):
    """A file or directory that has to be there is missing."""

    code = StatusCode.NOT_FOUND
    default_errno = _errno.ENOENT


class AlreadyExistsError(RecordFSError, FileExistsError):
    """Something stands at a path that has to be free."""

    code = StatusCode.ALREADY_EXISTS
    default_errno = _errno.EEXIST


class PermissionDeniedError(RecordFSError, PermissionError):
    """The credentials in use do not allow the operation."""

    code = StatusCode.PERMISSION_DENIED
    default_errno = _errno.EACCES


class UnauthenticatedError(RecordFSError, PermissionError):
    """There are no valid credentials."""

    code = StatusCode.UNAUTHENTICATED
    default_errno = _errno.EACCES


class ResourceExhaustedError(RecordFSError, OSError):
    """Disk, memory, quota or request rate is used up."""

    code = StatusCode.RESOURCE_EXHAUSTED
    default_errno = _errno.ENOSPC


class FailedPreconditionError(RecordFSError, OSError):
    """The filesystem or the object is not in the state that the operation needs."""

    code = StatusCode.FAILED_PRECONDITION
    default_errno = _errno.EBUSY


class IsADirectoryError(FailedPreconditionError, builtins.IsADirectoryError):
    """A directory stands where a file is needed."""

    default_errno = _errno.EISDIR


class NotADirectoryError(FailedPreconditionError, builtins.NotADirectoryError):
    """A file stands where a directory is needed, or above the path."""

    default_errno = _errno.ENOTDIR


class DirectoryNotEmptyError(FailedPreconditionError):
    """A directory has to be empty and is not."""

    default_errno = _errno.ENOTEMPTY


class ClosedFileError(FailedPreconditionError, ValueError):
    """The file, reader or writer has been closed."""

    default_errno = _errno.EBADF


class AbortedError(RecordFSError, OSError):
    """Somebody else changed the same thing at the same time."""

    code = StatusCode.ABORTED
    default_errno = _errno.EAGAIN


class OutOfRangeError(RecordFSError, IndexError):
    """A position lies beyond the end."""

    code = StatusCode.OUT_OF_RANGE


class FileTooLargeError(OutOfRangeError, OSError):
    """A file would grow beyond what the filesystem or the process's limit allows.

    TensorFlow calls it OutOfRangeError; for Python's programs it is an OSError like a full disk.
    """

    default_errno = _errno.EFBIG


class UnimplementedError(RecordFSError, io.UnsupportedOperation, NotImplementedError):
    """This filesystem cannot do this operation, and says so instead of pretending."""

    code = StatusCode.UNIMPLEMENTED
    default_errno = _errno.ENOSYS


class UnknownSchemeError(UnimplementedError):
    """No filesystem is registered for the scheme of a path."""

    default_errno = _errno.ENOSYS


class InternalError(RecordFSError, RuntimeError):
    """A fault of recordfs itself, or of a plugin that broke the contract."""

    code = StatusCode.INTERNAL


class UnavailableError(RecordFSError, ConnectionError):
    """The store cannot be reached or is overloaded; the same call may work later."""

    code = StatusCode.UNAVAILABLE
    default_errno = _errno.ECONNABORTED


class DataLossError(RecordFSError, OSError):
    """Stored bytes are missing or wrong."""

    code = StatusCode.DATA_LOSS
    default_errno = _errno.EIO


class TruncatedRecordError(DataLossError, EOFError):
    """The file ends inside a record: wait for its writer, or repair the tail."""

    default_errno = _errno.EIO


class CorruptRecordError(DataLossError):
    """A record's bytes do not match its checksum or its length: skip it, or repair the file."""

    default_errno = _errno.EIO


class MissingDependencyError(RecordFSError, ImportError):
    """An optional package is needed and not installed; the message says what to install."""

    code = StatusCode.FAILED_PRECONDITION


_CLASS_OF_ERRNO: dict[int, type[RecordFSError]] = {
    _errno.ENOENT: NotFoundError,
    _errno.ENODEV: NotFoundError,
    _errno.ENXIO: NotFoundError,
    _errno.ESRCH: NotFoundError,
    _errno.EEXIST: AlreadyExistsError,
    _errno.EACCES: PermissionDeniedError,
    _errno.EPERM: PermissionDeniedError,
    _errno.EROFS: PermissionDeniedError,
    _errno.EISDIR: IsADirectoryError,
    _errno.ENOTDIR: NotADirectoryError,
    _errno.ENOTEMPTY: DirectoryNotEmptyError,
    _errno.EBADF: FailedPreconditionError,
    _errno.EBUSY: FailedPreconditionError,
    _errno.ENOTCONN: FailedPreconditionError,
    _errno.EPIPE: FailedPreconditionError,
    _errno.ESHUTDOWN: FailedPreconditionError,
    _errno.ETXTBSY: FailedPreconditionError,
    _errno.EINVAL: InvalidArgumentError,
    _errno.EILSEQ: InvalidArgumentError,
    _errno.ENAMETOOLONG: InvalidArgumentError,
    _errno.ESPIPE: InvalidArgumentError,
    _errno.ENOSPC: ResourceExhaustedError,
    _errno.EDQUOT: ResourceExhaustedError,
    _errno.EMFILE: ResourceExhaustedError,
    _errno.EMLINK: ResourceExhaustedError,
    _errno.ENOBUFS: ResourceExhaustedError,
    _errno.ENFILE: ResourceExhaustedError,
    _errno.ENOMEM: ResourceExhaustedError,
    _errno.EXDEV: UnimplementedError,
    _errno.ENOSYS: UnimplementedError,
    _errno.EOPNOTSUPP: UnimplementedError,
    _errno.EFBIG: FileTooLargeError,
    _errno.EOVERFLOW: OutOfRangeError,
    _errno.ESTALE: AbortedError,
    _errno.EAGAIN: UnavailableError,
    _errno.ECONNABORTED: UnavailableError,
    _errno.ECONNREFUSED: UnavailableError,
    _errno.ECONNRESET: UnavailableError,
    _errno.EHOSTDOWN: UnavailableError,
    _errno.EHOSTUNREACH: UnavailableError,
    _errno.EINTR: UnavailableError,
    _errno.ENETDOWN: UnavailableError,
    _errno.ENETRESET: UnavailableError,
    _errno.ENETUNREACH: UnavailableError,
    _errno.ENOLCK: UnavailableError,
    _errno.ENOLINK: UnavailableError,
    _errno.ETIMEDOUT: DeadlineExceededError,
}


_CLASS_OF_BUILT_IN: tuple[tuple[type[OSError], type[RecordFSError]], ...] = (
    (FileNotFoundError, NotFoundError),
    (FileExistsError, AlreadyExistsError),
    (builtins.IsADirectoryError, IsADirectoryError),
    (builtins.NotADirectoryError, NotADirectoryError),
    (PermissionError, PermissionDeniedError),
    (TimeoutError, DeadlineExceededError),
    (ConnectionError, UnavailableError),
    (BlockingIOError, UnavailableError),
)
"""The class of errors that carry no errno."""


def error_from_os_error(error: OSError, path: str | None) -> RecordFSError:
    """Return the recordfs error for an operating-system error.

    Args:
        error: What a system call raised. An error of recordfs is returned as it is.
        path: The path that the caller of recordfs gave.

    Returns:
        An error of the class that TensorFlow maps the same errno to, ``errno`` kept. Raise it ``from error``.
    """
    known: Any = error
    if isinstance(known, RecordFSError):
        return known
    if error.errno is None:  # as libraries raise them, with a text alone
        cls = next((cls for kind, cls in _CLASS_OF_BUILT_IN if isinstance(error, kind)), UnknownError)
    else:
        cls = _CLASS_OF_ERRNO.get(error.errno, UnknownError)
    made: Any = cls(error.strerror or str(error) or type(error).__name__, path=path)
    if isinstance(made, OSError) and error.errno is not None:
        made.errno = error.errno
    return cast("RecordFSError", made)


_CLASS_OF_CODE: dict[int, type[RecordFSError]] = {
    cls.code: cls
    for cls in (
        CancelledError,
        UnknownError,
        InvalidArgumentError,
        DeadlineExceededError,
        NotFoundError,
        AlreadyExistsError,
        PermissionDeniedError,
        ResourceExhaustedError,
        FailedPreconditionError,
        AbortedError,
        OutOfRangeError,
        UnimplementedError,
        InternalError,
        UnavailableError,
        DataLossError,
        UnauthenticatedError,
    )
}


def error_from_status_code(code: int, message: str, *, path: str | None = None) -> RecordFSError:
    """Return the recordfs error for a status code, as libraries and services that speak in these codes give it.

    Args:
        code: One of StatusCode's numbers; another one becomes an UnknownError that tells it.
        message: What was said with it.
        path: The path that the caller of recordfs gave.
    """
    cls = _CLASS_OF_CODE.get(code)
    if cls is None:
        return UnknownError(f"{message} (status code {code}, which is none of the known ones)", path=path)
    return cls(message or cls.__doc__ or cls.__name__, path=path)
