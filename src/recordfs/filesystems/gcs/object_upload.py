"""How a writer's bytes reach Google Cloud Storage: a flush sends the new bytes and nothing else, above 128 KiB.

Up to 128 KiB the whole small object is uploaded again. Above, new bytes go to temporary objects, and a commit composes
the object with them on the server, which costs no traffic. Commits are conditional on the generation that the writer
last knew, and carry the CRC-32C of the whole, so that the store itself verifies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.filesystems._object_store.composed_upload import ComposedObjectUpload
from recordfs.filesystems.gcs.object_maker import GCSObjectMaker

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.opening import Known, Opening
    from recordfs.filesystems.gcs.requests import GCSRequests

__all__ = ["LARGEST_UPLOADED_AGAIN", "PART_SIZE", "GCSObjectUpload"]

LARGEST_UPLOADED_AGAIN = 128 << 10
"""Bytes up to which an object is uploaded again: that takes one request, composing takes three."""

PART_SIZE = 4 << 20
"""Bytes of one part of a long write."""


class GCSObjectUpload(ComposedObjectUpload):
    """The staged bytes of one writer of an object on Google Cloud Storage; see ObjectUpload.

    Args:
        store: The requests.
        opening: What is written.
        known: What to keep of an object that is appended to.
    """

    part_size = PART_SIZE
    most_kept = LARGEST_UPLOADED_AGAIN

    def __init__(self, store: GCSRequests, opening: Opening, known: Known) -> None:
        maker = GCSObjectMaker(store, opening.location.bucket, opening.location.path)
        super().__init__(store, maker, opening, known, part_size=PART_SIZE)
