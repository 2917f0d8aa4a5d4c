"""Making objects on Google Cloud Storage: insert and compose, as single requests that name the generation they replace.

Requests are written here and not left to ``Blob``: its uploads join metadata and content into one new string, which
costs twice the memory of a part, and its compose sends along whatever the blob has cached. They go through the
client's own session, so credentials, counting and timeouts are the same.

Source: "Objects: insert" and "Objects: compose" in the service's JSON API reference.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from google.api_core.exceptions import from_http_response

from recordfs.errors import DataLossError, UnavailableError
from recordfs.filesystems._object_store.checksums import crc32c_header, crc32c_of
from recordfs.filesystems.gcs.answers import generation_of, reading_answer, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from recordfs.filesystems._object_store.composed_upload import Source
    from recordfs.filesystems.gcs.store import GCSStore

__all__ = ["ObjectMaker"]


class _Body:
    """An object's resource and content as a ``multipart/related`` body.

    It can be iterated again from its beginning, as it is when the session renews its credentials, and gives out the
    buffers themselves.
    """

    def __init__(self, resource: dict[str, Any], buffers: Iterable[bytes | bytearray]) -> None:
        boundary = uuid.uuid4().hex
        kind = resource["contentType"]
        self.content_type = f"multipart/related; boundary={boundary}"
        self._before = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
            f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n"
        ).encode()
        self._views = [memoryview(buffer) for buffer in buffers if buffer]
        self._after = f"\r\n--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._before) + sum(map(len, self._views)) + len(self._after)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        yield self._before
        yield from self._views
        yield self._after

    def release(self) -> None:
        """Let go of the buffers, so that they can change again."""
        for view in self._views:
            view.release()


class _Expected(NamedTuple):
    """What an answer has to tell of the object that was made.

    Attributes:
        key: The key.
        size: In bytes.
        crc32c: As the API writes it, or None where it is not known.
    """

    key: str
    size: int
    crc32c: str | None


class ObjectMaker:
    """Makes objects in one bucket. Safe to use from any thread.

    Args:
        store: Maps errors and tries again.
        bucket: The bucket's name.
        path: For errors.
    """

    def __init__(self, store: GCSStore, bucket: str, path: str) -> None:
        self._store = store
        self._clients = store.clients
        self._bucket = bucket
        self._path = path

    def insert(
        self, key: str, resource: dict[str, Any], buffers: Sequence[bytes | bytearray], *, replaces: str | None
    ) -> str:
        """Make an object of what lies in some buffers, one after another; the store verifies their CRC-32C.

        Args:
            key: The key.
            resource: The object's properties; ``contentType`` has to be there.
            buffers: The content. They are not copied, and can change again when this returns.
            replaces: The generation that has to be there now, "0" for none, None for any.

        Returns:
            The new generation.

        Raises:
            AbortedError: Another generation is there; perhaps one that this very call made, if an answer was lost.
            UnavailableError: Also if the bytes did not arrive as they were sent, or the store tells of others.
        """
        query = {"uploadType": "multipart", **self._conditions(replaces)}
        if self._clients.settings.kms_key_name is not None:
            query["kmsKeyName"] = self._clients.settings.kms_key_name
        expected = _Expected(key, sum(map(len, buffers)), crc32c_header(crc32c_of(*buffers)))
        body = _Body({**resource, "name": key, "crc32c": expected.crc32c}, buffers)
        headers = {"Content-Type": body.content_type, "Content-Length": str(len(body))}
        try:
            return self._post(f"/upload/storage/v1/b/{self._bucket}/o", query, headers, body, expected)
        except DataLossError as error:
            raise UnavailableError(
                f"the bytes arrived damaged, and are kept: {error.message}", path=self._path
            ) from error
        finally:
            body.release()

    def compose(
        self, key: str, resource: dict[str, Any], sources: list[Source], *, size: int, replaces: str | None
    ) -> str:
        """Make an object of others in the same bucket, on the server.

        Args:
            key: The key.
            resource: The object's properties; where ``crc32c`` is among them, the store verifies it.
            sources: Up to 32, in the order of their bytes.
            size: In bytes, all of them together.
            replaces: As of insert.

        Returns:
            The new generation.

        Raises:
            AbortedError: As insert.
            NotFoundError: One of the sources is not there in this generation.
            DataLossError: The bytes are not those whose CRC-32C was given.
        """
        request = {
            "destination": resource,
            "sourceObjects": [
                {
                    "name": source.key,
                    "generation": source.tag,
                    "objectPreconditions": {"ifGenerationMatch": source.tag},
                }
                for source in sources
            ],
        }
        target = f"/storage/v1/b/{self._bucket}/o/{quote(key, safe='')}/compose"
        body = json.dumps(request).encode()
        expected = _Expected(key, size, resource.get("crc32c"))
        headers = {"Content-Type": "application/json"}
        try:
            return self._post(target, self._conditions(replaces), headers, body, expected)
        except DataLossError:
            # Nothing protects the request itself: perhaps the checksum arrived damaged, and not the bytes.
            return self._post(target, self._conditions(replaces), headers, body, expected)

    def _conditions(self, replaces: str | None) -> dict[str, str]:
        """Return the part of a query that every request here has."""
        query = {} if replaces is None else {"ifGenerationMatch": replaces}
        if self._clients.settings.user_project is not None:
            query["userProject"] = self._clients.settings.user_project
        return query

    def _post(self, target: str, query: dict[str, str], headers: dict[str, str], body: Any, expected: _Expected) -> str:
        """Send a request, again where that may help, and return the generation of the object that it made."""
        client = self._clients.storage
        url = f"{client._connection.get_api_base_url_for_mtls()}{target}?{urlencode(query)}"

        def post(*, timeout: Any, retry: None) -> str:
            answer = client._http.request("POST", url, data=body, headers=headers, timeout=timeout)
            if answer.status_code != 200:
                raise from_http_response(answer)
            made = answer.json()
            if not isinstance(made, dict) or "generation" not in made:
                # Whether it happened is then found out as after an answer that was lost.
                raise UnavailableError("the store's answer names no generation", path=self._path)
            return self._generation_of(made, expected)

        generation: str = self._store.call(self._path, post)
        return generation

    def _generation_of(self, made: dict[str, Any], expected: _Expected) -> str:
        """Return the generation of what was made, if it is what was asked for.

        Raises:
            UnavailableError: It is not. Nothing of it is taken for stored.
        """
        with reading_answer(self._path):
            generation = generation_of(made)
            found = _Expected(
                str(made.get("name", expected.key)),
                size_of(made) if "size" in made else expected.size,
                made.get("crc32c", expected.crc32c) if expected.crc32c else None,
            )
        if found.key != expected.key:
            # The name was damaged on its way: no checksum is over it.
            self._store.delete(self._bucket, found.key, generation)
            raise UnavailableError("the store made an object of another name than it was asked for", path=self._path)
        if found != expected:
            raise UnavailableError(
                f"the store made an object of {found.size} bytes with the CRC-32C {found.crc32c or 'not asked for'}, "
                f"expected {expected.size} bytes and {expected.crc32c or 'any'}; the bytes are kept",
                path=self._path,
            )
        return generation
