"""Which recordfs error an error of Google Cloud Storage, of its SDK or of what lies below is."""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING

import requests.exceptions as requests_errors
import urllib3.exceptions as urllib3_errors
from google.auth import exceptions as auth_errors
from google.cloud.storage.exceptions import InvalidResponse

from recordfs.errors import (
    DataLossError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    RecordFSError,
    UnauthenticatedError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems._http_statuses import error_class_of_status
from recordfs.filesystems._object_store.endpoint import PLAIN_HTTP

if TYPE_CHECKING:
    from requests import Response

__all__ = ["SDK_ERRORS", "error_from_answer", "error_from_sdk"]

HELP = (
    "run `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS, or give the option "
    "credentials_file, token or anonymous=True"
)

# What the answer to a rejected upload or compose says of bytes that arrived otherwise than they were sent.
_CHECKSUM_WORDS = ("doesn't match calculated", "checksum", "crc32c", "md5 hash")

_TIMEOUTS = (requests_errors.Timeout, urllib3_errors.TimeoutError, auth_errors.TimeoutError, TimeoutError)
_CONNECTION = (
    requests_errors.ConnectionError,
    requests_errors.ChunkedEncodingError,
    requests_errors.ContentDecodingError,
    requests_errors.JSONDecodeError,
    urllib3_errors.HTTPError,
    http.client.HTTPException,
    ConnectionError,
    auth_errors.TransportError,
)

SDK_ERRORS = (
    *_TIMEOUTS,
    *_CONNECTION,
    InvalidResponse,
    auth_errors.GoogleAuthError,
    requests_errors.RequestException,
    ValueError,
)
"""Everything that a request through the SDK is known to raise."""

# The query of a resumable upload's address is what entitles to go on with it.
_QUERY = re.compile(r"(/[^\s?'\"]*)\?[^\s'\")]*")


def error_from_sdk(error: Exception, path: str) -> RecordFSError:
    """Return the recordfs error for anything that the SDK raises. Raise it ``from error``.

    No credential is in the message: answers of the service name none, and addresses lose their queries.
    """
    if isinstance(error, RecordFSError):
        return error
    if isinstance(error, InvalidResponse):
        return error_from_answer(int(error.response.status_code), _said(error.response) or _text(error), path)
    # A timeout is a kind of connection error in requests: it is asked for first.
    if isinstance(error, _TIMEOUTS):
        return DeadlineExceededError(_text(error), path=path)
    if isinstance(error, requests_errors.JSONDecodeError):
        return UnavailableError(
            f"the answer broke off, or is a page of something else than Google Cloud Storage ({_text(error)})",
            path=path,
        )
    if isinstance(error, _CONNECTION):
        if "WRONG_VERSION_NUMBER" in str(error):
            return UnavailableError(PLAIN_HTTP, path=path)
        return UnavailableError(_text(error), path=path)
    if isinstance(error, auth_errors.RefreshError) and error.retryable:
        return UnavailableError(_text(error), path=path)
    if isinstance(error, auth_errors.GoogleAuthError):
        return UnauthenticatedError(f"{_text(error)}; {HELP}", path=path)
    if isinstance(error, requests_errors.InvalidURL | requests_errors.InvalidSchema | ValueError):
        return InvalidArgumentError(_text(error), path=path)
    return UnknownError(_text(error), path=path)


def _said(response: Response) -> str:
    """Return the words of an answer: the JSON API's message, or the beginning of its text."""
    try:
        return str(response.json()["error"]["message"])
    except (KeyError, TypeError, ValueError):  # no JSON, or another than that of the API
        return str(response.text)[:200].strip()
    except _CONNECTION:
        return "the answer broke off"


def error_from_answer(status: int, said: str, path: str) -> RecordFSError:
    """Return the error for an answer with a status and words."""
    said = _without_queries(said)
    cls = error_class_of_status(status)
    if status == 400 and any(word in said.lower() for word in _CHECKSUM_WORDS):
        cls = DataLossError
    if status == 400 and "requester pays" in said.lower():
        return FailedPreconditionError(f"{said}; give the option user_project", path=path)
    return cls(f"the store answered {status}: {said}".rstrip(": "), path=path)


def _text(error: Exception) -> str:
    """Return an error's own words, or its kind where it has none."""
    said = next((argument for argument in error.args if isinstance(argument, str | Exception)), "")
    if isinstance(said, Exception):
        return _text(said)
    return _without_queries(said) or type(error).__name__


def _without_queries(said: str) -> str:
    return _QUERY.sub(r"\1", said)
