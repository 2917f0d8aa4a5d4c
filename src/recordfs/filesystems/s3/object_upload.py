"""How a writer's bytes reach S3: a flush sends the new bytes, and at most 5 MiB besides.

Up to 5 MiB the whole small object is put again. Above, a multipart upload begins with a server-side copy of the
committed object, goes on with the new bytes, and ends by replacing the object. Commits are conditional on the object
being as the writer last knew it, and carry a CRC-32C of the whole, so that the store itself verifies. What a store
lacks of this is left out; see features.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import AbortedError, NotFoundError, PermissionDeniedError, ResourceExhaustedError
from recordfs.filesystems._object_store.commits import NOTHING, WRITER_METADATA
from recordfs.filesystems._object_store.kept_versions import warn_of_kept_versions
from recordfs.filesystems._object_store.multipart import MultipartObjectUpload
from recordfs.filesystems.s3.multipart_upload import MOST_COPIES, SMALLEST_PART, MultipartUpload
from recordfs.filesystems.s3.orphans import remove_orphans
from recordfs.filesystems.s3.probe import learn_conditions
from recordfs.filesystems.s3.requests import as_body
from recordfs.filesystems.s3.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystems._object_store.commits import Commit, Ledger, Origin
    from recordfs.filesystems._object_store.opening import Known, Opening
    from recordfs.filesystems._object_store.store import ObjectInfo
    from recordfs.filesystems.s3.store import S3Store

__all__ = ["S3ObjectUpload"]

MOST_PARTS = 9_000
"""The store's limit is 10,000; what is left is for copies and one large append."""

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

    def __init__(self, store: S3Store, opening: Opening, known: Known, part_size: int) -> None:
        self._store = store
        self._features = features = store.features(opening.location.bucket)
        super().__init__(
            store,
            opening,
            part_size=part_size,
            copied_from=part_size if features.equal_parts else SMALLEST_PART,
            equal_parts=features.equal_parts,
        )
        self._known = known
        self._atomic = opening.atomic
        self._is_blind = opening.is_blind
        self._can_match = True  # until credentials turn out to have no right to
        self._staging: Staging | None = None
        self._has_looked_for_orphans = False

    # What a writer asks for

    def prepare(self, commit: Commit) -> None:
        """See ObjectUpload; what was staged elsewhere comes into the upload first."""
        self._turn_to(commit.origin)
        if self._staging is not None:
            self._queue.settle(0)
            self._staging.absorb()
            self._staging = None
        super().prepare(commit)

    def is_made_by(self, ledger: Ledger, commit: Commit, found: ObjectInfo) -> bool:
        """By its token; where the store keeps no metadata with multipart uploads, by its last bytes."""
        if super().is_made_by(ledger, commit, found):
            return True
        foreign = self._features.amazon or WRITER_METADATA in found.metadata or found.tag == ledger.tag
        if foreign or found.size != commit.total or not commit.rest:
            return False
        known = bytes(commit.rest[-1][-COMPARED:])
        return self._store.get_range(self._bucket, self._key, found.size - len(known), found.size, found.tag) == known

    def is_full(self) -> bool:
        """See ObjectUpload."""
        upload = self._staging.upload if self._staging else self._upload
        if upload is None or upload.next_number <= MOST_PARTS:
            return False
        equal = self._features.equal_parts
        if not self._atomic and not self._is_blind and not equal:
            return True
        if self._atomic and not equal and self._upload is not None and Staging.has_room(self._upload):
            return False
        raise ResourceExhaustedError(
            f"this writer can stage no more parts of {self.part_size} bytes; set the option part_size higher, or "
            "close this file and begin another",
            path=self._path,
        )

    def refuse_flush(self, taken: int) -> None:
        """Raise if the store could not copy what would be committed, because the credentials cannot read it.

        Raises:
            PermissionDeniedError: The credentials can only write, and the object has become too large to be put again
                as a whole. ``close`` publishes what is kept.
        """
        if not self._is_blind or taken < self._copied_from:
            return
        try:
            self.look()
        except NotFoundError:
            return
        except PermissionDeniedError as error:
            raise PermissionDeniedError(
                f"a flush of more than {self._copied_from} bytes copies the object on the server, which needs the "
                "right to read it (s3:GetObject). The bytes are kept, and published when the writer is closed",
                path=self._path,
            ) from error
        self._is_blind = False

    def tidy(self, *, replaced: bool) -> None:
        """See ObjectUpload; say what replacing costs where versions are kept."""
        super().tidy(replaced=replaced)
        if replaced:
            warn_of_kept_versions(f"s3://{self._bucket}", lambda: self._store.kept_versions(self._bucket))

    def abandon(self) -> None:
        """See ObjectUpload."""
        self._queue.wait()
        if self._staging is not None:
            self._staging.discard()
        super().abandon()
        self._staging = None

    # Requests

    def _begin(self, origin: Origin) -> MultipartUpload:
        if not self._has_looked_for_orphans:
            remove_orphans(self._store, self._bucket, self._key, staged=self._atomic)
            self._has_looked_for_orphans = True
        # After bytes whose CRC-32C is not known, the parts are verified one by one instead.
        known = origin.has_checksum
        checksums = known or self._features.directory_bucket  # which take no Content-MD5
        return MultipartUpload.begin(
            self._store, self._bucket, self._key, self._new_object(origin), checksums=checksums, whole=known
        )

    def _copy_committed(self, upload: MultipartUpload, origin: Origin) -> None:
        # Where parts have to be equal, one part of whatever size may be in front of the last.
        most = 1 if self._features.equal_parts else MOST_COPIES
        upload.copy({"Bucket": self._bucket, "Key": self._key}, str(origin.tag), origin.size, most=most)

    def _complete(self, upload: MultipartUpload, parts: dict[int, Any], commit: Commit) -> str:
        def complete(conditions: dict[str, str]) -> str:
            return upload.complete(parts, crc=commit.crc, size=commit.total, conditions=conditions)

        return self._conditionally("CompleteMultipartUpload", commit, complete)

    def _put(self, commit: Commit) -> str:
        return self._conditionally("PutObject", commit, lambda conditions: self._put_object(commit, conditions))

    def _new_object(self, origin: Origin) -> dict[str, Any]:
        """Return the parameters of every request that makes the object."""
        metadata = {**self._known.metadata, **origin.token}
        return {**self._known.properties, "Metadata": metadata, **self._store.encryption()}

    def _put_object(self, commit: Commit, conditions: dict[str, str]) -> str:
        body = as_body(commit.rest)

        def put(checksum: dict[str, str]) -> dict[str, Any]:
            made_with = {**self._new_object(commit.origin), **checksum, **conditions}
            answer: dict[str, Any] = self._store.call(
                "put_object", self._path, Bucket=self._bucket, Key=self._key, Body=body, **made_with
            )
            return answer

        return str(self._features.send_verified(put, body, commit.crc)["ETag"])

    # Conditions

    def _conditionally(self, operation: str, commit: Commit, send: Callable[[dict[str, str]], str]) -> str:
        """Send a commit on its condition, and return its tag.

        Where the store does not keep conditions, or that could not be found out, the object is looked at first; what
        somebody writes between the look and the commit is replaced unseen then.
        """
        replaces = commit.replaces
        if replaces is None or (replaces and not self._can_match):
            return send({})
        kept = learn_conditions(self._store, self._bucket, self._key, operation)
        if not kept:
            self._compare(replaces or None)
        if kept is False:
            return send({})
        try:
            return send({"IfMatch": replaces} if replaces != NOTHING else {"IfNoneMatch": "*"})
        except PermissionDeniedError:
            if not self._is_blind or replaces == NOTHING:
                raise
        self._can_match = False  # If-Match needs the right to read, and that is not there
        return send({})

    def _compare(self, expected: str | None) -> None:
        """Look whether the object is another version than the expected one.

        Raises:
            AbortedError: It is.
        """
        try:
            now: str | None = self.look().tag
        except NotFoundError:
            now = None
        except PermissionDeniedError:
            if self._is_blind:
                return
            raise
        if now != expected:
            raise AbortedError(f"expected {expected or 'no object'}, found {now or 'no object'}", path=self._path)

    # Long atomic writes

    def _forget(self) -> None:
        super()._forget()
        self._staging = None

    def _room(self) -> MultipartUpload:
        """Return where the next part goes: of an atomic write a temporary object once the upload is full."""
        upload = self._staging.upload if self._staging is not None else self._open()
        if not self._atomic or upload.next_number <= MOST_PARTS:
            return upload
        self._queue.settle(0)
        if self._staging is not None:
            self._staging.absorb()
        self._staging = Staging(self._store, self._bucket, self._key, self._open())
        return self._staging.upload
