"""Which recordfs error an error of S3 or of its SDK is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.exceptions as botocore_errors

from recordfs.errors import (
    AbortedError,
    DataLossError,
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

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

__all__ = ["code_of", "error_from_sdk", "status_of"]

# Source: the list of error codes in the Amazon S3 API reference; the test servers' deviations behind it.
_BY_CODE: dict[str, type[RecordFSError]] = {
    "NoSuchKey": NotFoundError,
    "NoSuchBucket": NotFoundError,
    "NoSuchUpload": NotFoundError,
    "NotFound": NotFoundError,
    "AccessDenied": PermissionDeniedError,
    "AllAccessDisabled": PermissionDeniedError,
    "AccountProblem": PermissionDeniedError,
    "InvalidAccessKeyId": UnauthenticatedError,
    "SignatureDoesNotMatch": UnauthenticatedError,
    "ExpiredToken": UnauthenticatedError,
    "InvalidToken": UnauthenticatedError,
    "RequestTimeTooSkewed": UnauthenticatedError,
    "PreconditionFailed": AbortedError,
    "ConditionalRequestConflict": AbortedError,
    "OperationAborted": AbortedError,
    "BadDigest": DataLossError,
    "InvalidDigest": DataLossError,
    "XAmzContentChecksumMismatch": DataLossError,
    "InvalidRange": OutOfRangeError,
    "NotImplemented": UnimplementedError,
    "MethodNotAllowed": UnimplementedError,
    "InvalidObjectState": FailedPreconditionError,
    "SlowDown": UnavailableError,
    "ServiceUnavailable": UnavailableError,
    "InternalError": UnavailableError,
    "TooManyRequests": ResourceExhaustedError,
    "QuotaExceeded": ResourceExhaustedError,
    "RequestTimeout": DeadlineExceededError,
    "EntityTooLarge": InvalidArgumentError,
    "InvalidBucketName": InvalidArgumentError,
    "KeyTooLongError": InvalidArgumentError,
}

_BY_STATUS: dict[int, type[RecordFSError]] = {
    301: FailedPreconditionError,
    400: InvalidArgumentError,
    401: UnauthenticatedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: UnimplementedError,
    408: DeadlineExceededError,
    409: AbortedError,
    412: AbortedError,
    416: OutOfRangeError,
    429: ResourceExhaustedError,
    501: UnimplementedError,
}


def code_of(error: ClientError) -> str:
    """Return S3's error code: a name, or the HTTP status as text where there was no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """Return the HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def error_from_sdk(error: Exception, path: str) -> RecordFSError:
    """Return the recordfs error for anything that boto3 raises. Raise it ``from error``.

    No credential is in the message: what botocore says is used only where it holds none.
    """
    if isinstance(error, RecordFSError):
        return error
    if isinstance(error, botocore_errors.ClientError):
        code, status = code_of(error), status_of(error)
        cls = _BY_CODE.get(code) or _BY_STATUS.get(status) or (UnavailableError if status >= 500 else UnknownError)
        said = error.response.get("Error", {}).get("Message") or ""
        return cls(f"{error.operation_name} was answered with {status} {code}: {said}".rstrip(": "), path=path)
    if isinstance(error, botocore_errors.NoCredentialsError | botocore_errors.CredentialRetrievalError):
        return UnauthenticatedError(
            f"{error}; set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the option anonymous=True",
            path=path,
        )
    if isinstance(error, botocore_errors.PartialCredentialsError | botocore_errors.ProfileNotFound):
        return UnauthenticatedError(str(error), path=path)
    if isinstance(error, botocore_errors.ConnectTimeoutError | botocore_errors.ReadTimeoutError):
        return DeadlineExceededError(str(error), path=path)
    if isinstance(error, botocore_errors.ParamValidationError | botocore_errors.InvalidEndpointConfigurationError):
        return InvalidArgumentError(str(error), path=path)
    if isinstance(error, botocore_errors.HTTPClientError):
        return UnavailableError(str(error), path=path)
    if isinstance(error, botocore_errors.BotoCoreError):
        return UnknownError(f"{type(error).__name__}: {error}", path=path)
    return UnknownError(f"{type(error).__name__}: {error}", path=path)
