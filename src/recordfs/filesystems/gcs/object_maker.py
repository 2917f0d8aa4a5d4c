"""Making objects on Google Cloud Storage: insert and compose, as single requests that name the generation they replace.

Source: "Objects: insert" and "Objects: compose" in the service's JSON API reference.
"""

from __future__ import annotations

import json
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from recordfs.errors import DataLossError, UnavailableError
from recordfs.filesystems._object_store.checksums import crc32c_header, crc32c_of
from recordfs.filesystems._object_store.commits import NOTHING
from recordfs.filesystems._object_store.object_maker import ObjectMaker, Source
from recordfs.filesystems._object_store.objects import ObjectInfo
from recordfs.filesystems.gcs.answers import info_of, reading_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from recordfs.filesystems._object_store.opening import Known
    from recordfs.filesystems.gcs.requests import GCSRequests

__all__ = ["GCSObjectMaker"]


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


class GCSObjectMaker(ObjectMaker):
    """Makes objects in one bucket; see ObjectMaker. Safe to use from any thread."""

    _store: GCSRequests

    def insert(self, key: str, known: Known, buffers: Sequence[bytes | bytearray], *, replaces: str | None) -> str:
        """objects.insert, with a CRC-32C that the store verifies.

        Raises:
            UnavailableError: Also if the bytes did not arrive as they were sent, or the store tells of others.
        """
        crc32c = crc32c_header(crc32c_of(*buffers))
        body = _Body({**_resource_of(known), "name": key, "crc32c": crc32c}, buffers)
        made = ObjectInfo(key, sum(map(len, buffers)), 0, "", known.metadata, crc32c)
        try:
            return self._make(made, replaces, body, body.content_type, uploadType="multipart")
        except DataLossError as error:
            raise UnavailableError(
                f"the bytes arrived damaged, and are kept: {error.message}", path=self._path
            ) from error
        finally:
            body.release()

    def compose(
        self, key: str, known: Known, sources: list[Source], *, size: int, crc: int | None, replaces: str | None
    ) -> str:
        """objects.compose, with the checksum of the whole where it is known."""
        resource = _resource_of(known)
        made = ObjectInfo(key, size, 0, "", known.metadata, "" if crc is None else crc32c_header(crc))
        if made.checksum:
            resource["crc32c"] = made.checksum
        listed = [
            {"name": source.key, "generation": source.tag, "objectPreconditions": {"ifGenerationMatch": source.tag}}
            for source in sources
        ]
        body = json.dumps({"destination": resource, "sourceObjects": listed}).encode()
        compose = partial(self._make, made, replaces, body, "application/json", key, "compose")
        try:
            return compose()
        except DataLossError:
            # Nothing protects the request itself: perhaps the checksum arrived damaged, and not the bytes.
            return compose()

    def _make(self, wanted: ObjectInfo, replaces: str | None, body: Any, kind: str, *names: str, **more: str) -> str:
        """Send a request, again where that may help, and return the generation of the object that it made."""
        replaced = "0" if replaces == NOTHING else replaces
        query = {"ifGenerationMatch": replaced, "kmsKeyName": self._store.clients.settings.kms_key_name, **more}
        headers = {"Content-Type": kind}

        def ask() -> str:
            with self._store.send("POST", self._bucket, "o", *names, query=query, headers=headers, body=body) as answer:
                told = answer.json()
            if not isinstance(told, dict) or "generation" not in told:
                # Whether it happened is then found out as after an answer that was lost.
                raise UnavailableError("the store's answer names no generation", path=self._path)
            with reading_answer(self._path):
                made = info_of({"name": wanted.key, "size": wanted.size, **told})
            return self._tag_of_made(made, wanted)

        return self._store.call(self._path, ask)


def _resource_of(known: Known) -> dict[str, Any]:
    """Return the properties of an object that is made."""
    resource = {"contentType": "application/octet-stream", **known.properties}
    return {**resource, "metadata": known.metadata} if known.metadata else resource
