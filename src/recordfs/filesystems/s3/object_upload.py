"""How a writer's bytes reach S3: a flush sends the new bytes, and at most 5 MiB besides.

The mechanism is that of ``_object_store/multipart.py``. Commits are conditional on the object being as the writer last
knew it, and carry a CRC-32C of the whole, so that the store itself verifies. What a store lacks of this is left out;
see features.py.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from recordfs.filesystems._object_store.commits import WRITER_METADATA
from recordfs.filesystems._object_store.multipart import MultipartObjectUpload
from recordfs.filesystems.s3.abandoned_uploads import clean_up
from recordfs.filesystems.s3.multipart_upload import SMALLEST_PART, MultipartUpload
from recordfs.filesystems.s3.probe import learn_conditions
from recordfs.filesystems.s3.requests import as_body, condition_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from recordfs.filesystems._object_store.commits import Commit, Ledger, Origin
    from recordfs.filesystems._object_store.opening import Known, Location, Opening
    from recordfs.filesystems._object_store.store import ObjectInfo
    from recordfs.filesystems.s3.store import S3Store

__all__ = ["S3ObjectUpload"]

COMPARED = 64 << 10
"""Bytes by which an object is recognised where the store keeps no metadata with multipart uploads."""


class S3ObjectUpload(MultipartObjectUpload[MultipartUpload]):
    """The staged bytes of one writer of an S3 object; see ObjectUpload.

    Args:
        store: The requests.
        opening: What is written.
        known: What to keep of an object that is appended to.
        part_size: Bytes of a part, at least SMALLEST_PART.
    """

    right_to_read = "s3:GetObject"

    def __init__(self, store: S3Store, opening: Opening, known: Known, part_size: int) -> None:
        self._store = store
        self._features = store.features(opening.location.bucket)
        super().__init__(store, opening, part_size=part_size, copied_from=SMALLEST_PART)
        self._known = known
        self._has_cleaned_up = False
        self._cleaning: Future[None] | None = None

    def prepare(self, commit: Commit) -> None:
        """See ObjectUpload."""
        super().prepare(commit)
        cleaning, self._cleaning = self._cleaning, None
        if cleaning is not None:
            cleaning.result()  # a warning, where the program makes errors of them

    def is_made_by(self, ledger: Ledger, commit: Commit, found: ObjectInfo) -> bool:
        """By its token; where the store keeps no metadata with multipart uploads, by its last bytes."""
        if super().is_made_by(ledger, commit, found):
            return True
        foreign = not self._features.is_doubted or WRITER_METADATA in found.metadata or found.tag == ledger.tag
        if foreign or found.size != commit.total or not commit.rest:
            return False
        known = bytes(commit.rest[-1][-COMPARED:])
        return self._store.get_range(self._bucket, self._key, found.size - len(known), found.size, found.tag) == known

    def _begin(self, origin: Origin) -> MultipartUpload:
        if not self._has_cleaned_up:
            # It takes an answer of the store or more, and nothing before the commit has to wait for these.
            self._cleaning = self._queue.beside(partial(clean_up, self._store, self._target, staged=self._is_atomic))
            self._has_cleaned_up = True
        # After bytes whose CRC-32C is not known, the parts are verified one by one instead.
        known = origin.has_checksum
        checksums = known or self._features.directory_bucket  # which take no Content-MD5
        return MultipartUpload.begin(
            self._store, self._target, self._new_object(origin), checksums=checksums, whole=known
        )

    def _begin_temporary(self, target: Location) -> MultipartUpload:
        # Its parts are verified one by one by their MD5, which directory buckets do not know, and the whole at the end.
        checksums = self._features.directory_bucket
        return MultipartUpload.begin(self._store, target, self._store.encryption(), checksums=checksums, whole=False)

    def _put(self, commit: Commit, replaces: str | None) -> str:
        body = as_body(commit.rest)

        def put(checksum: dict[str, str]) -> dict[str, Any]:
            made_with = {**self._new_object(commit.origin), **checksum, **condition_of(replaces)}
            answer: dict[str, Any] = self._store.call(
                "put_object", self._path, Bucket=self._bucket, Key=self._key, Body=body, **made_with
            )
            return answer

        return str(self._features.send_verified(put, body, commit.crc)["ETag"])

    def _new_object(self, origin: Origin) -> dict[str, Any]:
        """Return the parameters of every request that makes the object."""
        metadata = {**self._known.metadata, **origin.token}
        return {**self._known.properties, "Metadata": metadata, **self._store.encryption()}

    def _keeps_conditions(self, *, is_put: bool) -> bool | None:
        operation = "PutObject" if is_put else "CompleteMultipartUpload"
        return learn_conditions(self._store, self._target, operation)
