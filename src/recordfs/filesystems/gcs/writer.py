"""Writing to Google Cloud Storage: a flush sends the new bytes and nothing else, once more than 128 KiB are there.

Up to 128 KiB the whole small object is uploaded again. Above, new bytes go to temporary objects (see ``staging``), and
a commit composes the object with them on the server, which costs no traffic. Commits are conditional on the generation
that this writer last knew, and carry the CRC-32C of the whole, so that the store itself verifies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import DataLossError, NotFoundError
from recordfs.filesystems._object_store.kept_versions import warn_of_kept_versions
from recordfs.filesystems._object_store.writer import ObjectWriter
from recordfs.filesystems.gcs.making import MOST_SOURCES, ObjectMaker, Source, encoded_crc
from recordfs.filesystems.gcs.staging import PARTS_IN_FLIGHT, Staging

if TYPE_CHECKING:
    from google.cloud.storage import Blob

    from recordfs.filesystems._object_store.store import ObjectInfo
    from recordfs.filesystems._object_store.writer import Attempt
    from recordfs.filesystems.gcs.client import Clients
    from recordfs.filesystems.gcs.store import GCSStore

__all__ = ["LARGEST_UPLOADED_AGAIN", "GCSWriter", "kept_properties"]

LARGEST_UPLOADED_AGAIN = 128 << 10
"""Bytes up to which an object is uploaded again: that takes one request, composing takes three."""

_KEPT = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "customTime",
    "storageClass",
)


def kept_properties(blob: Blob) -> dict[str, Any]:
    """Return what an object keeps when bytes are appended to it, besides its metadata."""
    return {name: blob._properties[name] for name in _KEPT if blob._properties.get(name)}


class GCSWriter(ObjectWriter):
    """A writer of one object on Google Cloud Storage; see ObjectWriter.

    Args:
        store: The requests.
        clients: The session of this process.
        bucket: The bucket's name.
        key: The key.
        head: All bytes of the object when appending to one of up to LARGEST_UPLOADED_AGAIN bytes.
        metadata: User metadata to keep when appending.
        properties: Other properties to keep, as ``kept_properties`` returns them.
        others: As ObjectWriter.
    """

    def __init__(
        self,
        store: GCSStore,
        clients: Clients,
        bucket: str,
        key: str,
        *,
        head: bytes,
        metadata: dict[str, str],
        properties: dict[str, Any],
        **others: Any,
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._key = key
        # The committed bytes, kept while they are few enough to be uploaded again.
        self._head = bytearray(head)
        self._metadata = metadata
        self._properties = {"contentType": "application/octet-stream", **properties}
        self._maker = ObjectMaker(store, clients, bucket, others["name"])
        self._staging = Staging(store, self._maker, bucket, key, others["name"], others["part_size"])
        super().__init__(**others)

    # What ObjectWriter asks for.

    def _look(self) -> ObjectInfo:
        return self._store.head(self._bucket, self._key)

    def _is_full(self) -> bool:
        return False

    def _send_part(self, body: bytearray) -> None:
        self._staging.add(body)
        self._handing = None
        self._staging.deliver(PARTS_IN_FLIGHT)

    def _send_again(self) -> None:
        self._staging.deliver(PARTS_IN_FLIGHT)

    def _commit(self, *, overwrite: bool) -> str:
        seen = self._tag is not None or self._exclusive or not self._blind
        replaces = self._tag or "0" if self._conditional and seen and not overwrite else None
        whole = len(self._head) + len(self._attempted)
        largest = LARGEST_UPLOADED_AGAIN if self._committed else self._part_size
        if self._staging.is_empty and whole == self._total and whole <= largest:
            return self._maker.insert(self._key, self._resource(), [self._head, self._attempted], replaces=replaces)
        if self._attempted:
            # Once the store has them as a temporary object, they need not be sent again if the rest fails.
            nothing = bytearray()
            self._staging.add(self._attempted)
            self._attempted = nothing
        return self._compose(replaces)

    def _committed_now(self) -> None:
        if len(self._head) + len(self._attempted) == self._committed <= LARGEST_UPLOADED_AGAIN:
            self._head += self._attempted
        elif len(self._head) != self._committed:
            self._head = bytearray()
        self._staging.forget()

    def _happened_late(self, earlier: Attempt, tag: str) -> bool:
        if self._staging.is_empty:
            return super()._happened_late(earlier, tag)
        if len(self._head) == self._committed:
            # All bytes are here: together they replace what happened.
            nothing = bytearray()
            if self._head:
                self._staging.put_first(self._head)
            self._head = nothing
            self._committed = 0
        elif self._staging.drop_first(earlier.total - self._committed):
            self._committed = earlier.total
        else:
            return False
        self._tag, self._published, self._attempt, self._doubtful = tag, True, None, ()
        return True

    def _abandon(self) -> None:
        self._staging.abandon()

    def _unpublished(self) -> dict[str, object]:
        return {**super()._unpublished(), "temporary_objects": self._staging.keys()}

    def _publish(self, *, overwrite: bool) -> None:
        before, staged = self._tag, not self._staging.is_empty
        super()._publish(overwrite=overwrite)
        self._staging.sweep()
        if self._tag != before and (staged or before is not None):
            warn_of_kept_versions(f"gs://{self._bucket}", lambda: self._store.keeps_versions(self._bucket))

    def _end(self) -> None:
        self._head = bytearray()
        self._staging.end()
        super()._end()

    # Requests.

    def _resource(self) -> dict[str, Any]:
        """Return the properties of the object that the next commit makes."""
        return {**self._properties, "metadata": {**self._metadata, **self._token()}}

    def _compose(self, replaces: str | None) -> str:
        """Publish what is staged behind what is committed."""
        base = [Source(self._key, str(self._tag))] if self._committed else []
        sources = base + self._staging.sources(MOST_SOURCES - len(base))
        resource = self._resource()
        if self._crc is not None:
            resource["crc32c"] = encoded_crc(self._crc)
        try:
            return self._maker.compose(self._key, resource, sources, replaces=replaces)
        except NotFoundError as error:
            self._staging.raise_if_gone(error)
            if replaces is None and base:
                raise self._committed_is_gone() from error
            raise

    def _committed_is_gone(self) -> DataLossError:
        """Return the error for what cannot be published over another's, because its beginning is gone."""
        return DataLossError(
            f"the {self._committed} bytes that were flushed before are not there any more, as another writer replaced "
            f"them. The {self._total - self._committed} bytes behind them are in temporary objects of "
            f"gs://{self._bucket}: {', '.join(self._staging.keys())}",
            path=self._name,
        )
