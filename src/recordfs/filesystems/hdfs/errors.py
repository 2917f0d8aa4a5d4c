r"""Which recordfs error an error of the native client or WebHDFS is, by the class that it has in Java.

The native client raises built-in classes for some of Hadoop's, and for the rest a RuntimeError whose text is
``RPCError("<class in Java>", "<message>\n\tat <its stack>")``, or names a fault of its own in the same way.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DataLossError,
    DirectoryNotEmptyError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    IsADirectoryError,
    MissingDependencyError,
    NotADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from recordfs.filesystems.hdfs.limited_calls import CallPanickedError

__all__ = ["Cause", "CutOffError", "LeaseHeldError", "LeaseLostError", "error_from_java", "error_from_native"]


class LeaseHeldError(FailedPreconditionError):
    """Another writer has the file open, or had and died; or its lease is just being recovered."""


class LeaseLostError(AbortedError):
    """Somebody else recovered the lease, or deleted or replaced the file, while it was being written."""


class CutOffError(UnavailableError):
    """The connection to a namenode broke while it was being asked: what it was to change may have been changed."""


_CLASS_OF_JAVA: dict[str, type[RecordFSError]] = {
    "AccessControlException": PermissionDeniedError,
    "AlreadyBeingCreatedException": LeaseHeldError,
    "AuthorizationException": PermissionDeniedError,
    "BlockMissingException": DataLossError,
    "ClosedChannelException": UnavailableError,
    "ConnectException": UnavailableError,
    "ConnectTimeoutException": UnavailableError,
    "DSQuotaExceededException": ResourceExhaustedError,
    "EOFException": UnavailableError,
    "FSLimitException$MaxDirectoryItemsExceededException": ResourceExhaustedError,
    "FSLimitException$PathComponentTooLongException": InvalidArgumentError,
    "FileAlreadyExistsException": AlreadyExistsError,
    "FileNotFoundException": NotFoundError,
    "GSSException": UnauthenticatedError,
    "HadoopIllegalArgumentException": InvalidArgumentError,
    "IllegalArgumentException": InvalidArgumentError,
    "InvalidPathException": InvalidArgumentError,
    "InvalidToken": UnauthenticatedError,
    "LeaseExpiredException": LeaseLostError,
    "NSQuotaExceededException": ResourceExhaustedError,
    "NoRouteToHostException": UnavailableError,
    "NotReplicatedYetException": UnavailableError,
    "ObserverRetryOnActiveException": UnavailableError,
    "ParentNotDirectoryException": NotADirectoryError,
    "PathIsNotEmptyDirectoryException": DirectoryNotEmptyError,
    "QuotaByStorageTypeExceededException": ResourceExhaustedError,
    "QuotaExceededException": ResourceExhaustedError,
    "RecoveryInProgressException": LeaseHeldError,
    "RetriableException": UnavailableError,
    "SafeModeException": UnavailableError,
    "SaslException": UnauthenticatedError,
    "SecretManager$InvalidToken": UnauthenticatedError,
    "SecurityException": PermissionDeniedError,
    "SnapshotAccessControlException": PermissionDeniedError,
    "SnapshotException": FailedPreconditionError,
    "SocketException": UnavailableError,
    "SocketTimeoutException": UnavailableError,
    "StandbyException": UnavailableError,
    "UnknownHostException": UnavailableError,
    "UnresolvedPathException": UnimplementedError,
    "UnsupportedOperationException": UnimplementedError,
}
"""By the last part of the name. From the packages hdfs.protocol, hdfs.server.namenode, fs, ipc, net and security, and
Java's own, which WebHDFS passes on where a datanode loses its namenode."""

# What Hadoop says in an exception that is not specific enough: (in any of these classes, this text) is that class.
_TELLING_TEXTS: tuple[tuple[str, type[RecordFSError]], ...] = (
    ("(is not a directory)", NotADirectoryError),
    ("Path is not a file", IsADirectoryError),
    ("already exists as a directory", IsADirectoryError),
    ("Path is not a directory", NotADirectoryError),
    ("is already the current lease holder", LeaseHeldError),
    ("file lease is currently owned by", LeaseHeldError),
    ("is being recovered", LeaseHeldError),
    ("lease recovery is in progress", LeaseHeldError),
    ("does not have any open files", LeaseLostError),
    ("but not UNDER_CONSTRUCTION", LeaseLostError),
    ("replication factor", InvalidArgumentError),
    ("Specified block size", InvalidArgumentError),
    ("is a directory or file under source", InvalidArgumentError),
    ("rename destination directory is not empty", DirectoryNotEmptyError),
    ("could only be written to", UnavailableError),
    ("No active and not excluded nodes contain this block", UnavailableError),
    ("No space left", ResourceExhaustedError),
)

# The native client's own faults, by their names there.
_CLASS_OF_NATIVE: dict[str, type[RecordFSError]] = {
    "BlocksNotFound": DataLossError,
    "ChecksumError": DataLossError,
    "DataTransferError": UnavailableError,
    "ErasureCodingError": DataLossError,
    "FatalRPCError": UnavailableError,
    "GSSAPIError": UnauthenticatedError,
    "IOError": UnavailableError,
    "InvalidArgument": InvalidArgumentError,
    "InvalidPath": InvalidArgumentError,
    "NoSASLMechanism": UnauthenticatedError,
    "OperationFailed": UnavailableError,
    "SASLError": UnauthenticatedError,
    "UnsupportedErasureCodingPolicy": UnimplementedError,
    "UnsupportedFeature": UnimplementedError,
    "UrlParseError": InvalidArgumentError,
}

_HINTS = {
    UnauthenticatedError: "Kerberos needs a ticket (kinit), or the options kerberos_principal and kerberos_keytab",
    LeaseLostError: "another program recovered its lease, deleted it or rewrote it while this writer had it open",
}

_ENDED_UNASKED = "RPC listener disconnected"
"""What the native client says when a namenode ends the connection without a word."""

_CUT_OFF = (_ENDED_UNASKED, "early eof", "(os error 104)", "(os error 32)")
"""What it says when a connection that it had breaks: reset by the peer, or a broken pipe."""

_RPC_ERROR = re.compile(r'^(?:Fatal)?RPCError\("(?P<java>[^"]+)", "(?P<message>.*)"\)$', re.DOTALL)
_NATIVE_ERROR = re.compile(r"^(?P<fault>[A-Z]\w+)(?:\((?P<message>.*)\))?$", re.DOTALL)
_ESCAPE = re.compile(r"\\(u\{[0-9a-f]+\}|.)", re.DOTALL)


class Cause(NamedTuple):
    """What was wrong, as Hadoop tells it.

    Attributes:
        java: The last part of the exception's class in Java, or "".
        message: Its message without the stack.
    """

    java: str
    message: str


def error_from_java(cause: Cause, path: str, fallback: type[RecordFSError] = UnknownError) -> RecordFSError:
    """Return the error for an exception of Hadoop's. Raise it ``from`` what brought it."""
    told = next((cls for text, cls in _TELLING_TEXTS if text in cause.message), None)
    cls = told or _CLASS_OF_JAVA.get(cause.java, fallback)
    message = cause.message or cause.java
    if hint := _HINTS.get(cls):
        message = f"{message}; {hint}"
    return cls(message, path=path)


def error_from_native(error: Exception, path: str, *, has_answered: bool = False) -> RecordFSError:
    """Return the error for anything that a call of the native client raised.

    ``has_answered`` says that the namenode answered this client before, so that it cannot have refused it.

    Raise it ``from None``: the text of the other goes on with forty lines of Java's stack.
    """
    if isinstance(error, RecordFSError):
        return error
    text = str(error)
    if isinstance(error, CallPanickedError):
        return InternalError(f"hdfs-native failed inside: {_first_line(text)}", path=path)
    if "libgssapi_krb5" in text:
        return MissingDependencyError(
            "Kerberos needs the system library libgssapi_krb5: apt-get install libgssapi-krb5-2, or your system's "
            f"package of that name ({_first_line(text)})",
            path=path,
        )
    if isinstance(error, FileNotFoundError):
        return error_from_java(Cause("FileNotFoundException", _not_found_message(text, path)), path)
    if isinstance(error, FileExistsError):
        return error_from_java(Cause("FileAlreadyExistsException", _without_stack(text)), path)
    if rpc := _RPC_ERROR.match(text):
        message = _without_stack(_unescaped(rpc["message"]))
        return error_from_java(Cause(rpc["java"].rpartition(".")[2], message), path)
    if isinstance(error, OSError):
        ended = "; it does so where it wants Kerberos and the configuration does not say so"
        hint = ended if _ENDED_UNASKED in text and not has_answered else ""
        cls = CutOffError if any(words in text for words in _CUT_OFF) else UnavailableError
        return cls(f"HDFS cannot be reached: {_without_stack(text)}{hint}", path=path)
    if isinstance(error, UnicodeError):
        return InvalidArgumentError(f"a name on HDFS has to be valid Unicode: {text}", path=path)
    if (own := _NATIVE_ERROR.match(text)) and own["fault"] in _CLASS_OF_NATIVE:
        message = _without_stack(_unescaped(_last_text(own["message"] or own["fault"])))
        if "hsync is not supported" in message:
            return UnimplementedError(f"{message}; such files show what was written when they are closed", path=path)
        return error_from_java(Cause("", message), path, _CLASS_OF_NATIVE[own["fault"]])
    return UnknownError(_without_stack(text), path=path)


def _not_found_message(text: str, path: str) -> str:
    """Return Hadoop's message, or words where the native client gives nothing but the path."""
    message = _without_stack(text)
    return "there is no such file or directory" if path.endswith(message) or message.startswith("/") else message


def _without_stack(text: str) -> str:
    return text.partition("\n\tat ")[0].strip()


def _last_text(shown: str) -> str:
    """Return the last string among the fields of a fault that has several, without its quotes."""
    return shown[shown.rfind(', "') + 3 : -1] if ', "' in shown and shown.endswith('"') else shown.strip('"')


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip()


def _unescaped(text: str) -> str:
    """Undo how Rust shows a string in its Debug format."""

    def plain(match: re.Match[str]) -> str:
        code = match[1]
        if code.startswith("u{"):
            return chr(int(code[2:-1], 16))
        return {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}.get(code, code)

    return _ESCAPE.sub(plain, text)
