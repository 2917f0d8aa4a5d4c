"""How a writer's bytes reach Google Cloud Storage: a flush sends the new bytes and nothing else, above 128 KiB.

Up to 128 KiB the whole small object is uploaded again. Above, new bytes go to temporary objects, and a commit composes
the object with them on the server, which costs no traffic. Commits are conditional on the generation that the writer
last knew, and carry the CRC-32C of the whole, so that the store itself verifies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.filesystems._object_store.checksums import crc32c_header
from recordfs.filesystems._object_store.commits import NOTHING
from recordfs.filesystems._object_store.composed_upload import ComposedObjectUpload, PieceMaker, Pieces, Source
from recordfs.filesystems.gcs.object_maker import ObjectMaker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.filesystems._object_store.commits import Commit
    from recordfs.filesystems._object_store.opening import Known, Opening
    from recordfs.filesystems.gcs.store import GCSStore

__all__ = ["LARGEST_UPLOADED_AGAIN", "PART_SIZE", "GCSObjectUpload"]

LARGEST_UPLOADED_AGAIN = 128 << 10
"""Bytes up to which an object is uploaded again: that takes one request, composing takes three."""

PART_SIZE = 4 << 20
"""Bytes of one part of a long write."""

_ABSENT = "0"
"""The generation of what is not there."""

_PLAIN = {"contentType": "application/octet-stream"}


class _GCSPieces(PieceMaker):
    """Makes temporary objects."""

    def __init__(self, maker: ObjectMaker) -> None:
        self._maker = maker

    def make(self, key: str, buffers: Sequence[bytes | bytearray]) -> str:
        return self._maker.insert(key, _PLAIN, buffers, replaces=_ABSENT)

    def join(self, key: str, sources: list[Source], size: int) -> str:
        return self._maker.compose(key, _PLAIN, sources, size=size, replaces=_ABSENT)


class GCSObjectUpload(ComposedObjectUpload):
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
        self._known = known
        self._maker = ObjectMaker(store, opening.location.bucket, opening.location.path)
        pieces = Pieces(store, _GCSPieces(self._maker), opening.location, part_size=PART_SIZE)
        super().__init__(store, opening.location, pieces)

    def _insert(self, commit: Commit) -> str:
        """objects.insert."""
        return self._maker.insert(self._key, self._resource(commit), commit.rest, replaces=_generation(commit))

    def _compose(self, commit: Commit, sources: list[Source]) -> str:
        """objects.compose, with the checksum of the whole where it is known."""
        resource = self._resource(commit)
        if commit.crc is not None:
            resource["crc32c"] = crc32c_header(commit.crc)
        return self._maker.compose(self._key, resource, sources, size=commit.total, replaces=_generation(commit))

    def _resource(self, commit: Commit) -> dict[str, Any]:
        """Return the properties of the object that a commit makes."""
        return {**_PLAIN, **self._known.properties, "metadata": {**self._known.metadata, **commit.origin.token}}


def _generation(commit: Commit) -> str | None:
    """Return the generation that a commit replaces."""
    return _ABSENT if commit.replaces == NOTHING else commit.replaces
