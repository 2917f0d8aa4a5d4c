"""Google Cloud Storage's requests for one object, and how every request is sent: again where that may help."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from google.api_core.exceptions import from_http_response

from recordfs.errors import (
    AbortedError,
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems._object_store.broken_answers import check_content_range, whole_range
from recordfs.filesystems._object_store.store import ObjectStore
from recordfs.filesystems.gcs.answers import NO_GCS_SERVER, info_of, reading_answer
from recordfs.filesystems.gcs.errors import SDK_ERRORS, error_from_sdk
from recordfs.redaction import redacted_cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud.storage import Blob, Bucket
    from requests import Response

    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems.gcs.client import Clients

__all__ = ["GCSRequests"]

LONGEST_TRYING = 60.0
"""Seconds after which no further attempt begins."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0
"""Seconds between attempts: doubled each time, and shortened at random so that clients spread."""

LIMITED, FIRST_PAUSE_LIMITED = 429, 2.0
"""The status of a rate limit, and the first pause after it: one object can be written about once a second."""

WHOLE, DELETED = 200, 204
"""The statuses of an answer that is no range of an object, but all of it, and of what was deleted."""

_NOTHING = (b"", b"null", b"{}")
"""What comes with the answer to a deletion, if anything does; emulators answer in JSON."""

_NO_NAMES = (".", "..")
"""What no object is named (Cloud Storage documentation, "Objects: naming requirements")."""


class GCSRequests(ObjectStore):
    """The requests of one filesystem. Safe to use from any thread. Tags are generations, as decimal text.

    Args:
        clients: The SDK's clients.

    Attributes:
        clients: As above.
    """

    def __init__(self, clients: Clients) -> None:
        settings = clients.settings
        super().__init__("gs", max_attempts=settings.max_attempts)
        self.clients = clients
        self._timeout = settings.timeout
        # By status, and whether nothing came with it. The service answers so; emulators otherwise, which is learned.
        self._answers_of_deletions = {(DELETED, True)}

    def call(self, path: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of the SDK that takes ``timeout`` and ``retry``, again where that may help.

        Every attempt may have happened although its answer was lost. A request that names the generation it replaces
        then comes back as AbortedError; whoever made it has to recognise its own object.

        Args:
            path: For errors.
            function: Called again for every attempt; a body that it sends must be rewound by it.
            args: Its arguments.
            kwargs: As above; ``timeout`` and ``retry`` are added.

        Returns:
            What it returns.

        Raises:
            RecordFSError: Of the last attempt.
        """
        begun = time.monotonic()
        for attempt in range(1, self.max_attempts + 1):
            try:
                return function(*args, timeout=self._timeout, retry=None, **kwargs)
            except SDK_ERRORS as error:
                mapped = error_from_sdk(error, path)
                pause = _pause_after(attempt, error)
                if (
                    not isinstance(mapped, UnavailableError | DeadlineExceededError)
                    or attempt == self.max_attempts
                    or time.monotonic() + pause - begun > LONGEST_TRYING
                ):
                    raise mapped from redacted_cause(error)
            except (AttributeError, KeyError, TypeError) as error:  # the SDK does not look what it was answered
                raise UnknownError(
                    f"the answer could not be read: {NO_GCS_SERVER} ({error!r})", path=path
                ) from redacted_cause(error)
            time.sleep(pause)
        raise AssertionError("the last attempt raises")

    def bucket(self, bucket: str) -> Bucket:
        """Return the SDK's bucket, without asking for it.

        Raises:
            InvalidArgumentError: It can be no bucket's name.
        """
        client = self.clients.storage
        try:
            return client.bucket(bucket, user_project=self.clients.settings.user_project)
        except ValueError as error:
            raise error_from_sdk(error, f"gs://{bucket}") from redacted_cause(error)

    def blob(self, bucket: str, key: str) -> Blob:
        """Return a fresh blob of the SDK for a request: with the key that encrypts new objects, and nothing cached.

        Raises:
            InvalidArgumentError: It can be no bucket's name, or no object's.
        """
        self._check_name(bucket, key)
        return self.bucket(bucket).blob(key, kms_key_name=self.clients.settings.kms_key_name)

    def look(self, bucket: str, key: str, generation: str | None = None) -> dict[str, Any]:
        """Return all that the store says of an object, or of one generation of it.

        Raises:
            NotFoundError: It is not there.
        """
        path, query = f"gs://{bucket}/{key}", {"projection": "noAcl"}
        if generation is not None:
            query["generation"] = generation

        def ask(*, timeout: Any, retry: None) -> dict[str, Any]:
            with self._send("GET", bucket, key, query, timeout=timeout) as answer:
                found: dict[str, Any] = answer.json()
            return found

        found = self.call(path, ask)
        if not isinstance(found, dict) or found.get("generation") is None:
            raise UnknownError(f"the answer names no generation: {NO_GCS_SERVER}", path=path)
        if found.get("name", key) != key:
            raise UnknownError(f"the answer is about another object: {NO_GCS_SERVER}", path=path)
        return found

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """objects.get of the metadata."""
        found = self.look(bucket, key)
        with reading_answer(f"gs://{bucket}/{key}"):
            return info_of(found)

    def get_range(self, bucket: str, key: str, start: int, end: int, tag: str) -> bytes:
        """objects.get of a range of the content, as it is stored."""
        path, query = f"gs://{bucket}/{key}", {"alt": "media", "generation": tag}
        # Objects stored with Content-Encoding: gzip are to come as they are stored, not unpacked on the way.
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "gzip"}

        def download(*, timeout: Any, retry: None) -> bytes:
            with self._send("GET", bucket, key, query, headers=headers, timeout=timeout) as answer:
                told = answer.headers.get("X-Goog-Generation", tag)
                if told != tag:
                    raise AbortedError(f"asked for generation {tag}, found {told}", path=path)
                if answer.status_code == WHOLE:
                    told = f"bytes 0-{int(answer.headers.get('Content-Length', 0)) - 1}/"
                else:
                    told = answer.headers.get("Content-Range", "")
                check_content_range(told, start, end, path)
                content: bytes = answer.raw.read(end - start, decode_content=False)
            self.clients.counter.add("objects.get", received=len(content))
            # A generation does not change, so where these are not all of the bytes, asking again helps.
            return whole_range(content, start, end, path)

        content: bytes = self.call(path, download)
        return content

    def delete(self, bucket: str, key: str, tag: str | None = None) -> None:
        """objects.delete, on the condition that it is this generation."""
        path, query = f"gs://{bucket}/{key}", {} if tag is None else {"ifGenerationMatch": tag}

        def ask(*, timeout: Any, retry: None) -> tuple[int, bool]:
            with self._send("DELETE", bucket, key, query, timeout=timeout) as answer:
                return int(answer.status_code), answer.content.strip() in _NOTHING

        try:
            told = self.call(path, ask)
        except NotFoundError:
            # It is gone, as was asked for; only a missing bucket is an error, and listing tells which it was.
            self.list_page(bucket, key, limit=1)
            return
        except AbortedError:
            if self.exists(bucket, key):
                raise
            return  # an attempt whose answer was lost has deleted it
        if told in self._answers_of_deletions:
            return
        # A page that a proxy answers with, or nothing, is not taken for a deletion.
        if self.exists(bucket, key):
            raise UnknownError(
                f"the object is still there after objects.delete; of the answer: {NO_GCS_SERVER}", path=path
            )
        if told[1]:
            self._answers_of_deletions.add(told)

    def _send(
        self,
        method: str,
        bucket: str,
        key: str,
        query: dict[str, str],
        *,
        timeout: Any,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Send a request about one object, and return its answer, of which only the head was read.

        Raises:
            GoogleAPIError: The answer is a refusal.
        """
        self._check_name(bucket, key)
        client = self.clients.storage
        if self.clients.settings.user_project is not None:
            query = {**query, "userProject": self.clients.settings.user_project}
        above = "/download" if query.get("alt") == "media" else ""
        url = f"{client._connection.get_api_base_url_for_mtls()}{above}/storage/v1/b/{bucket}/o/{quote(key, safe='')}"
        if query:
            url = f"{url}?{urlencode(query)}"
        answer: Response = client._http.request(method, url, headers=headers, timeout=timeout, stream=True)
        if not 200 <= answer.status_code < 300:
            with answer:
                raise from_http_response(answer)
        return answer

    def _check_name(self, bucket: str, key: str) -> None:
        """Raise InvalidArgumentError for what can be no bucket's name, or no object's.

        In an address these two name what is above: a request to delete one would be one to delete the bucket.
        """
        self.bucket(bucket)
        if key in _NO_NAMES:
            raise InvalidArgumentError("no object on Google Cloud Storage is named so", path=f"gs://{bucket}/{key}")


def _pause_after(attempt: int, error: Exception) -> float:
    """Return the seconds to wait after an attempt, the first of which is 1: what the store asks for, or longer."""
    response = getattr(error, "response", None)
    limited = getattr(response, "status_code", None) == LIMITED
    longest: float = min(LONGEST_PAUSE, (FIRST_PAUSE_LIMITED if limited else FIRST_PAUSE) * 2 ** (attempt - 1))
    pause = longest * random.uniform(0.5, 1)  # noqa: S311 - to spread clients, not to keep secrets
    asked = "" if response is None else response.headers.get("Retry-After", "")
    return max(pause, float(asked)) if asked.isdecimal() else pause
