"""How a writer's bytes reach Google Cloud Storage: a flush sends the new bytes and nothing else, above 128 KiB.

Up to 128 KiB the whole small object is uploaded again. Above, new bytes go to temporary objects (see ``staging``), and
a commit composes the object with them on the server, which costs no traffic. Commits are conditional on the generation
that the writer last knew, and carry the CRC-32C of the whole, so that the store itself verifies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import DataLossError, NotFoundError
from recordfs.filesystems._object_store.checksums import crc32c_header
from recordfs.filesystems._object_store.commits import NOTHING
from recordfs.filesystems._object_store.kept_versions import warn_of_kept_versions
from recordfs.filesystems._object_store.upload import PARTS_IN_FLIGHT, ObjectUpload
from recordfs.filesystems.gcs.making import MOST_SOURCES, ObjectMaker, Source
from recordfs.filesystems.gcs.staging import Staging

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.commits import Commit, Origin, Part
    from recordfs.filesystems._object_store.opening import Known, Opening
    from recordfs.filesystems._object_store.store import ObjectInfo
    from recordfs.filesystems.gcs.store import GCSStore

__all__ = ["LARGEST_UPLOADED_AGAIN", "PART_SIZE", "GCSObjectUpload"]

LARGEST_UPLOADED_AGAIN = 128 << 10
"""Bytes up to which an object is uploaded again: that takes one request, composing takes three."""

PART_SIZE = 4 << 20
"""Bytes of one part of a long write; a writer holds up to four."""


class GCSObjectUpload(ObjectUpload):
    """The staged bytes of one writer of an object on Google Cloud Storage; see ObjectUpload.

    Args:
        store: The requests.
        opening: What is written.
        known: What to keep of an object that is appended to.
    """

    part_size = PART_SIZE
    most_kept = LARGEST_UPLOADED_AGAIN

    def __init__(self, store: GCSStore, opening: Opening, known: Known) -> None:
        self._store = store
        self._path, self._bucket, self._key = opening.location
        self._metadata = known.metadata
        self._properties = {"contentType": "application/octet-stream", **known.properties}
        self._maker = ObjectMaker(store, self._bucket, self._path)
        self._staging = Staging(store, self._maker, opening.location)
        self._origin: Origin | None = None
        self._prepared: tuple[int, list[Source]] = (-1, [])

    def send(self, part: Part, origin: Origin) -> None:
        """See ObjectUpload."""
        self._turn_to(origin)
        self._staging.add(part)

    def settle(self, leave: int = PARTS_IN_FLIGHT) -> None:
        """See ObjectUpload."""
        self._staging.deliver(leave)

    def prepare(self, commit: Commit) -> None:
        """Deliver all parts, and the bytes in memory as one more temporary object."""
        self._turn_to(commit.origin)
        if self._is_insert(commit) or self._prepared[0] == commit.total:
            return
        base = [Source(self._key, str(commit.origin.tag))] if commit.origin.size else []
        sources = base + self._staging.sources(MOST_SOURCES - len(base), commit.rest)
        self._prepared = commit.total, sources

    def commit(self, commit: Commit) -> str:
        """objects.insert of a small object, objects.compose of a large one."""
        resource = {**self._properties, "metadata": {**self._metadata, **commit.origin.token}}
        replaces = "0" if commit.replaces == NOTHING else commit.replaces
        if self._is_insert(commit):
            return self._maker.insert(self._key, resource, list(commit.rest), replaces=replaces)
        if commit.crc is not None:
            resource["crc32c"] = crc32c_header(commit.crc)
        try:
            return self._maker.compose(self._key, resource, self._prepared[1], replaces=replaces)
        except NotFoundError as error:
            self._staging.raise_if_gone(error)
            if replaces is None and commit.origin.size:
                raise self._committed_is_gone(commit) from error
            raise

    def look(self) -> ObjectInfo:
        """objects.get of the metadata."""
        return self._store.head(self._bucket, self._key)

    def tidy(self, *, replaced: bool) -> None:
        """Delete the temporary objects that the commit has consumed, and say what they cost where they are kept."""
        replaced = replaced or not self._staging.is_empty
        self._forget()
        self._staging.sweep()
        if replaced:
            warn_of_kept_versions(f"gs://{self._bucket}", lambda: self._store.keeps_versions(self._bucket))

    def abandon(self) -> None:
        """Delete all temporary objects."""
        self._staging.abandon()

    def unpublished(self) -> dict[str, object]:
        """Return the temporary objects."""
        return {"temporary_objects": self._staging.keys()}

    def end(self) -> None:
        """See ObjectUpload."""
        self._staging.end()

    def _turn_to(self, origin: Origin) -> None:
        """Begin anew where a commit has happened since the last call."""
        if self._origin is not None and self._origin.sequence != origin.sequence:
            self._forget()
        self._origin = origin

    def _forget(self) -> None:
        self._staging.forget()
        self._prepared = (-1, [])

    def _is_insert(self, commit: Commit) -> bool:
        """Tell whether a commit is one upload: as long as all of its bytes are here, and fit into a part."""
        return not commit.staged and commit.total <= self.part_size

    def _committed_is_gone(self, commit: Commit) -> DataLossError:
        """Return the error for what cannot be published over another's, because its beginning is gone."""
        return DataLossError(
            f"the {commit.origin.size} bytes that were flushed before are not there any more, as another writer "
            f"replaced them. The {commit.total - commit.origin.size} bytes after them are in temporary objects of "
            f"gs://{self._bucket}: {', '.join(self._staging.keys())}",
            path=self._path,
        )
