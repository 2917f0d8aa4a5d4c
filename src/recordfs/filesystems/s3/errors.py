"""Which recordfs error an error of S3 or of its SDK is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.exceptions as botocore_errors
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

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
from recordfs.filesystems._http_statuses import error_class_of_status
from recordfs.filesystems._object_store.broken_answers import BrokenAnswerError
from recordfs.filesystems._object_store.endpoint import PLAIN_HTTP
from recordfs.redaction import redact, redacted_cause

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

__all__ = [
    "NO_CREDENTIALS",
    "NO_S3_SERVER",
    "SDK_ERRORS",
    "check_headers",
    "code_of",
    "error_from_answer",
    "error_from_login",
    "error_from_sdk",
    "refused_without_reason",
    "shown_cause",
    "status_of",
]

NO_CREDENTIALS = (
    "no credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the option "
    "anonymous=True for a public bucket"
)

NO_BUCKET_NAME = (
    "this cannot be the name of a bucket: expected letters, digits, dots, hyphens and underscores, or an access point "
    "as arn:aws:s3:REGION:ACCOUNT:accesspoint:NAME"
)

NO_S3_SERVER = "it is not that of an S3 server; is the endpoint right?"

SDK_ERRORS = (
    botocore_errors.ClientError,
    botocore_errors.BotoCoreError,
    ResponseParserError,
    HTTPError,
    RuntimeError,
    ValueError,
    OSError,
)
"""What a request through boto3 can raise; it lets some built-in ones through, of credentials and certificates."""

# Source: the list of error codes in the Amazon S3 API reference; the test servers' deviations after it.
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
    "XAmzContentSHA256Mismatch": DataLossError,
    "InvalidRange": OutOfRangeError,
    "NotImplemented": UnimplementedError,
    "MethodNotAllowed": UnimplementedError,
    "InvalidObjectState": FailedPreconditionError,
    "SlowDown": UnavailableError,
    "ServiceUnavailable": UnavailableError,
    "InternalError": UnavailableError,
    "TooManyRequests": UnavailableError,
    "QuotaExceeded": ResourceExhaustedError,
    "RequestTimeout": DeadlineExceededError,
    "EntityTooLarge": InvalidArgumentError,
    "InvalidBucketName": InvalidArgumentError,
    "KeyTooLongError": InvalidArgumentError,
}

# What to do about the errors whose own message does not say it.
_ADVICE: dict[str, str] = {
    "InvalidAccessKeyId": "the store does not know this access key: is the endpoint the one that the key is for?",
    "SignatureDoesNotMatch": "the secret access key is wrong, or the region, or something between changes requests",
    "ExpiredToken": "the temporary credentials have ended: renew them, for example by signing in again",
    "InvalidToken": "the session token does not belong to the access key, or is not known here",
    "RequestTimeTooSkewed": "set this machine's clock",
    "AuthorizationHeaderMalformed": "set the region that the bucket is in: AWS_REGION, or the option region_name",
    "PermanentRedirect": "set the region that the bucket is in: AWS_REGION, or the option region_name",
    "AccessDenied": "these credentials may not do this here; of missing objects S3 says so too where they may not list",
}


def code_of(error: ClientError) -> str:
    """Return S3's error code: a name, or the HTTP status as text where there was no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """Return the HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def shown_cause(error: Exception) -> BaseException:
    """Return what to name as the cause of an error of the SDK: itself, or what it says without secrets.

    An answer of the store keeps its code and status.
    """
    shown = redacted_cause(error)
    if shown is error or not isinstance(error, botocore_errors.ClientError):
        return shown
    said = redact(str(error.response.get("Error", {}).get("Message") or ""))
    answer: Any = {
        "Error": {"Code": code_of(error), "Message": said},
        "ResponseMetadata": {"HTTPStatusCode": status_of(error)},
    }
    cause: BaseException = botocore_errors.ClientError(answer, error.operation_name)
    return cause


def refused_without_reason(error: RecordFSError) -> bool:
    """Tell whether a request was refused by a bare status, as HEAD always is: wrong keys, or just not allowed?"""
    cause = error.__cause__
    return isinstance(cause, botocore_errors.ClientError) and code_of(cause) in ("400", "403")


def error_from_answer(what: str, status: int, code: str, said: str, path: str) -> RecordFSError:
    """Return the recordfs error for an answer of the store.

    Args:
        what: The request that was answered, such as "GetObject".
        status: The HTTP status.
        code: S3's name for the error; empty, or the status again, where the answer had no body.
        said: The store's message, without anything else of the body: that can repeat tokens of the request.
        path: The path concerned.
    """
    cls = _BY_CODE.get(code) or error_class_of_status(status)
    named = "" if code == str(status) else f" {code}"
    message = f"{what} was answered with {status}{named}: {said}".rstrip(": ")
    advice = _ADVICE.get(code)
    return cls(f"{message} ({advice})" if advice else message, path=path)


def error_from_sdk(error: Exception, path: str) -> RecordFSError:
    """Return the recordfs error for anything that boto3 raises. Raise it ``from error``.

    No credential is in the message: what botocore says is used only where it holds none.
    """
    if isinstance(error, RecordFSError):
        return error
    if isinstance(error, botocore_errors.ClientError):
        said = error.response.get("Error", {}).get("Message") or ""
        return error_from_answer(error.operation_name, status_of(error), code_of(error), said, path)
    said = " ".join(str(error).split())
    if isinstance(error, botocore_errors.NoCredentialsError):
        return UnauthenticatedError(NO_CREDENTIALS, path=path)
    if isinstance(error, _NO_LOGIN) or type(error) is RuntimeError:  # the latter where renewed keys have ended too
        return _no_login(said, path)
    if isinstance(error, HTTPError):  # of the body of a refusal: the SDK turns those of other answers into its own
        return BrokenAnswerError(f"the answer broke off: {said}", path=path)
    if isinstance(error, ResponseParserError) and "<?xml" in said and "html" not in said.lower():
        return BrokenAnswerError(f"the answer broke off, or cannot be read ({said[:200]})", path=path)
    if isinstance(error, ResponseParserError):
        return UnknownError(f"the answer could not be read, {NO_S3_SERVER} ({said[:200]})", path=path)
    if isinstance(error, botocore_errors.ParamValidationError) and "Invalid bucket name" in said:
        return InvalidArgumentError(NO_BUCKET_NAME, path=path)
    if isinstance(error, botocore_errors.ConnectTimeoutError | botocore_errors.ReadTimeoutError):
        return DeadlineExceededError(said, path=path)
    if isinstance(error, _NEVER_RIGHT):
        return InvalidArgumentError(said, path=path)
    if isinstance(error, botocore_errors.SSLError):
        hint = "name an authority of your own by AWS_CA_BUNDLE or the option verify"
        if "WRONG_VERSION_NUMBER" in said:
            hint = f"{PLAIN_HTTP}, or set S3_USE_HTTPS=0"
        return UnavailableError(f"{said}; {hint}", path=path)
    if isinstance(
        error,
        botocore_errors.HTTPClientError | botocore_errors.ConnectionError | ConnectionError | TimeoutError,
    ):
        return UnavailableError(said, path=path)
    if isinstance(error, OSError):
        # Of a file: that of a token; otherwise what is wrong is the name of one with certificates.
        return InvalidArgumentError(said, path=path) if error.filename is None else _no_login(said, path)
    return UnknownError(f"{type(error).__name__}: {said}", path=path)


def check_headers(*values: str | bytes | None) -> None:
    """Raise UnauthenticatedError for keys or tokens that no header can hold: obstore would panic."""
    for value in values:
        text = value.decode("latin-1") if isinstance(value, bytes) else value or ""
        if any(ord(character) < ord(" ") for character in text):
            raise _no_login("the access key or the session token has the end of a line in it; take it off", "s3://")


def error_from_login(error: Exception) -> RecordFSError:
    """Return the recordfs error for anything that boto3 raises while it looks for credentials."""
    found = error_from_sdk(error, "s3://")
    return found if isinstance(found, UnauthenticatedError | UnavailableError) else _no_login(found.message, "s3://")


def _no_login(said: str, path: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"credentials could not be obtained: {said}", path=path)


_NO_LOGIN = (
    botocore_errors.CredentialRetrievalError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.ProfileNotFound,
    botocore_errors.SSOError,
    botocore_errors.TokenRetrievalError,
    *filter(None, [getattr(botocore_errors, "LoginError", None)]),  # in newer versions only
)

_NEVER_RIGHT = (
    botocore_errors.ParamValidationError,
    botocore_errors.InvalidEndpointConfigurationError,
    botocore_errors.UnsupportedS3ConfigurationError,
    botocore_errors.EndpointProviderError,
    botocore_errors.NoRegionError,
    botocore_errors.InvalidRegionError,
    botocore_errors.InvalidIMDSEndpointError,
    botocore_errors.ConfigParseError,
    botocore_errors.InvalidConfigError,
    ValueError,
)
