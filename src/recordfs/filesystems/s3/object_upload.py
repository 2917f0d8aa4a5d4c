"""How a writer's bytes reach S3: a flush sends the new bytes, and at most 5 MiB besides.

The mechanism is that of ``_object_store/multipart.py``. Commits are conditional on the object being as the writer last
knew it, and carry a CRC-32C of the whole, so that the store itself verifies. What a store lacks of this is left out;
see features.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.filesystems._object_store.multipart import MultipartObjectUpload
from recordfs.filesystems.s3.multipart_upload import SMALLEST_PART, MultipartUpload
from recordfs.filesystems.s3.probe import learn_conditions
from recordfs.filesystems.s3.requests import as_body, condition_of

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.commits import Commit, Origin
    from recordfs.filesystems._object_store.opening import Known, Location, Opening
    from recordfs.filesystems.s3.store import S3Store

__all__ = ["S3ObjectUpload"]


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

    def _begin(self, origin: Origin) -> MultipartUpload:
        # After bytes whose CRC-32C is not known, the parts are verified one by one instead.
        known = origin.has_checksum
        checksums = known or self._features.directory_bucket  # which take no Content-MD5
        made_with = self._new_object(origin)
        return MultipartUpload.begin(self._store, self._target, made_with, checksums=checksums, whole=known)

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
