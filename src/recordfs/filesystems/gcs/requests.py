"""Google Cloud Storage's requests for one object, and how every request is sent: again where that may help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from google.cloud.storage.exceptions import InvalidResponse

from recordfs.errors import (
    AbortedError,
    DeadlineExceededError,
    InvalidArgumentError,
    RecordFSError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems._attempts import ask_again, pause_after
from recordfs.filesystems._object_store.broken_answers import check_content_range, whole_range
from recordfs.filesystems._object_store.store import DeletionAnswer, ObjectStore
from recordfs.filesystems.gcs.answers import NO_GCS_SERVER, info_of, reading_answer
from recordfs.filesystems.gcs.errors import SDK_ERRORS, error_from_sdk
from recordfs.redaction import redacted_cause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests import Response

    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems.gcs.client import Clients

__all__ = ["GCSRequests"]

_NOTHING = (b"", b"null", b"{}")
"""What comes with the answer to a deletion, if anything does; emulators answer in JSON."""

_NO_NAMES = (".", "..")
"""What no object is named (Cloud Storage documentation, "Objects: naming requirements")."""

Answer = TypeVar("Answer")


class GCSRequests(ObjectStore):
    """The requests of one filesystem. Safe to use from any thread. Tags are generations, as decimal text.

    Requests are written here and not left to the SDK, whose uploads copy every part and whose objects send along what
    they have cached. They go through its session, so credentials, endpoints and counting are the same.

    Args:
        clients: The SDK's clients.

    Attributes:
        clients: As above.
    """

    def __init__(self, clients: Clients) -> None:
        super().__init__("gs", max_attempts=clients.settings.max_attempts)
        self.clients = clients

    def call(self, path: str, ask: Callable[[], Answer]) -> Answer:
        """Call what sends a request, again where that may help, and map what goes wrong.

        Every attempt may have happened although its answer was lost. A request that names the generation it replaces
        then comes back as AbortedError; whoever made it has to recognise its own object.

        Raises:
            RecordFSError: Of the last attempt.
        """

        def pause(attempt: int, error: Exception) -> float | None:
            passes = isinstance(error_from_sdk(error, path), UnavailableError | DeadlineExceededError)
            return pause_after(attempt, getattr(error, "response", None)) if passes else None

        with reading_answer(path):  # google-auth does not look what it was answered
            try:
                return ask_again(ask, self.max_attempts, pause)
            except RecordFSError:
                raise
            except SDK_ERRORS as error:
                raise error_from_sdk(error, path) from redacted_cause(error)

    def send(
        self,
        method: str,
        *names: str,
        query: Mapping[str, str | None],
        headers: dict[str, str] | None = None,
        body: Any = None,
    ) -> Response:
        """Send a request once, and return its answer, of which only the head was read. Called by what ``call`` calls.

        Args:
            method: Of HTTP.
            names: What the address has after ``/b``: a bucket, ``o``, a key, and so on.
            query: What stands after the address; what is None or empty is left out.
            headers: Besides those of every request.
            body: As ``requests`` takes it.

        Raises:
            InvalidResponse: The answer is a refusal.
            InvalidArgumentError: One of the names can be none of an object.
            ValueError: The first name can be no bucket's.
        """
        client = self.clients.storage
        if names:
            client.bucket(names[0])
        for bucket, key in zip(names, names[2:], strict=False):
            if key in _NO_NAMES:
                # In an address these name what is above: a request to delete one would be one to delete the bucket.
                raise InvalidArgumentError("no object on Google Cloud Storage is named so", path=f"gs://{bucket}/{key}")
        query = {**query, "userProject": self.clients.settings.user_project}
        above = "/upload" if "uploadType" in query else "/download" if "alt" in query else ""
        target = "/".join([f"{above}/storage/v1/b", *(quote(name, safe="") for name in names)])
        answer: Response = client._http.request(
            method,
            f"{client._connection.get_api_base_url_for_mtls()}{target}?"
            + urlencode({name: value for name, value in query.items() if value}),
            data=body,
            headers=headers,
            timeout=self.clients.settings.timeout,
            stream=True,
            # Redirected, a deletion or an upload would become a look, whose answer would be taken for theirs.
            allow_redirects=method == "GET",
        )
        if not 200 <= answer.status_code < 300:
            raise InvalidResponse(answer, "the request was refused")
        return answer

    def ask(self, path: str, method: str, *names: str, query: Mapping[str, str | None]) -> dict[str, Any]:
        """Send a request, again where that may help, and return the JSON object that answers it; see send."""

        def ask() -> Any:
            with self.send(method, *names, query={**query, "prettyPrint": "false"}) as answer:
                return answer.json()

        found = self.call(path, ask)
        if not isinstance(found, dict):
            raise UnknownError(f"the answer is no JSON object: {NO_GCS_SERVER}", path=path)
        return found

    def look(self, bucket: str, key: str, **generation: str) -> dict[str, Any]:
        """Return all that the store says of an object, or of one generation of it.

        Raises:
            NotFoundError: It is not there.
        """
        path = f"gs://{bucket}/{key}"
        found = self.ask(path, "GET", bucket, "o", key, query={"projection": "noAcl", **generation})
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

        def download() -> bytes:
            with self.send("GET", bucket, "o", key, query=query, headers=headers) as answer:
                told = answer.headers.get("X-Goog-Generation", tag)
                if told != tag:
                    raise AbortedError(f"asked for generation {tag}, found {told}", path=path)
                length = int(answer.headers.get("Content-Length", 0))
                check_content_range(answer.headers.get("Content-Range"), length, start, end, path)
                content: bytes = answer.raw.read(end - start, decode_content=False)
            self.clients.counter.add("objects.get", received=len(content))
            # A generation does not change, so where these are not all of the bytes, asking again helps.
            return whole_range(content, start, end, path)

        return self.call(path, download)

    def _delete(self, bucket: str, key: str, tag: str | None) -> DeletionAnswer:
        """objects.delete, on the condition that it is this generation."""

        def ask() -> DeletionAnswer:
            with self.send("DELETE", bucket, "o", key, query={"ifGenerationMatch": tag}) as answer:
                return DeletionAnswer(answer.status_code, answer.content.strip() in _NOTHING)

        return self.call(f"gs://{bucket}/{key}", ask)
