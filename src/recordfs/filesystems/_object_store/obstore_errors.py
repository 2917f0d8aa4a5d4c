"""Which recordfs error an error of obstore is, and what of its text may be shown.

obstore has a class of its own for a few statuses only; the rest is in its text: the status, the answer's whole body,
and a debug dump. The body of a refusal repeats the request, tokens included, so nothing but its code and message is
taken, and these errors are raised ``from None``.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from recordfs.errors import (
    DeadlineExceededError,
    RecordFSError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from recordfs.filesystems._object_store.endpoint import PLAIN_HTTP

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["error_from_obstore"]

_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]{1,200})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,1000})</Message>")
_REASONS = (
    re.compile(r"InvalidCertificate\(\s*(\w+)"),
    re.compile(r'(?:message|error): "([^"]{1,200})"'),
)
# An answer of 200 or 206 without the headers that it has to have: a page of another service, for example.
_OTHER_ANSWER = re.compile(r"source: (?:Header \{|NotPartial|NoContentRange)")
_PROVIDER = re.compile(r"credential provider: (?:\w+: )?(.*)")


def error_from_obstore(
    error: Exception, path: str, error_from_answer: Callable[[str, int, str, str, str], RecordFSError]
) -> RecordFSError:
    """Return the recordfs error for what obstore raised from reading an object. Raise it ``from None``.

    Args:
        error: What obstore raised.
        path: The object's path.
        error_from_answer: Returns the error for a request's name, HTTP status, error code, message and path.
    """
    if isinstance(error, RecordFSError):
        return error
    text, _, dump = str(error).partition("\n\nDebug source:")
    answered = _STATUS.search(text)
    if answered is not None:
        code, said = _CODE.search(text), _MESSAGE.search(text)
        return error_from_answer(
            "GetObject",
            int(answered[1]),
            code[1] if code else "",
            html.unescape(said[1]) if said else "",
            path,
        )
    if "Received redirect" in text:
        return error_from_answer("GetObject", 301, "", "the bucket is served elsewhere", path)
    refused = _PROVIDER.search(text)
    if refused is not None:
        return UnauthenticatedError(refused[1], path=path)
    reason = next((found[1] for pattern in _REASONS if (found := pattern.search(dump))), "")
    if "kind: Timeout" in dump:
        return DeadlineExceededError("the store did not answer in time", path=path)
    in_words = text.partition("\n")[0].partition(" error: ")[2]
    if _OTHER_ANSWER.search(dump):
        return UnimplementedError(f"this is not an answer to a request for a range of an object: {in_words}", path=path)
    if "InvalidContentType" in dump:  # what came back is no TLS
        return UnavailableError(PLAIN_HTTP, path=path)
    what = reason or in_words
    return UnavailableError(
        f"the store could not be reached, broke off its answer, or is not an object store: {what}", path=path
    )
