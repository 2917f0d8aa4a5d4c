"""How a writer's bytes reach S3: a flush sends the new bytes, and at most 5 MiB besides.

Up to 5 MiB the whole small object is put again. Above, a multipart upload begins with a server-side copy of the
committed object, goes on with the new bytes, and ends by replacing the object. Commits are conditional on the object
being as the writer last knew it, and carry a CRC-32C of the whole, so that the store itself verifies. What a store
lacks of this is left out; see features.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import AbortedError, NotFoundError, PermissionDeniedError, ResourceExhaustedError
from recordfs.filesystems._object_store.checksums import crc32c_header, md5_header
from recordfs.filesystems._object_store.commits import NOTHING, WRITER_METADATA
from recordfs.filesystems._object_store.kept_versions import warn_of_kept_versions
from recordfs.filesystems._object_store.part_queue import PartQueue
from recordfs.filesystems._object_store.upload import PARTS_IN_FLIGHT, ObjectUpload
from recordfs.filesystems.s3.body import Body
from recordfs.filesystems.s3.features import CHECKSUMS
from recordfs.filesystems.s3.multipart_upload import MOST_COPIES, SMALLEST_PART, MultipartUpload
from recordfs.filesystems.s3.orphans import remove_orphans
from recordfs.filesystems.s3.probe import learn_conditions
from recordfs.filesystems.s3.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordfs.filesystems._object_store.commits import Commit, Ledger, Origin, Part
    from recordfs.filesystems._object_store.opening import Known, Opening
    from recordfs.filesystems._object_store.store import ObjectInfo
    from recordfs.filesystems.s3.store import S3Store

    Place = tuple[MultipartUpload, int]

__all__ = ["S3ObjectUpload"]

MOST_PARTS = 9_000
"""The store's limit is 10,000; what is left is for copies and one large append."""

COMPARED = 64 << 10
"""Bytes by which an object is recognised where the store keeps no metadata with multipart uploads."""


class S3ObjectUpload(ObjectUpload):
    """The staged bytes of one writer of an S3 object; see ObjectUpload.

    Args:
        store: The requests.
        opening: What is written.
        known: What to keep of an object that is appended to.
        part_size: Bytes of a part, at least SMALLEST_PART.
    """

    def __init__(self, store: S3Store, opening: Opening, known: Known, part_size: int) -> None:
        self._store = store
        self._path, self._bucket, self._key = opening.location
        self._features = store.features(self._bucket)
        self._known = known
        self._atomic = opening.atomic
        self._is_blind = opening.is_blind
        self._can_match = True  # until credentials turn out to have no right to
        self._queue: PartQueue[Place, None] = PartQueue(self._send_part)
        self._origin: Origin | None = None
        self._upload: MultipartUpload | None = None
        self._staging: Staging | None = None
        # The committed bytes, where the store could copy them only in front of what it does not take then.
        self._fetched = bytearray()
        self._prepared: tuple[int, dict[int, dict[str, Any]]] = (-1, {})
        self._has_looked_for_orphans = False
        self.part_size = part_size
        self._copied_from = part_size if self._features.equal_parts else SMALLEST_PART
        self.most_kept = self._copied_from - 1

    # What a writer asks for

    def send(self, part: Part, origin: Origin) -> None:
        """See ObjectUpload."""
        self._turn_to(origin)
        if not self._queue.has(part):
            upload = self._upload_with_room()
            number = upload.next_number
            upload.next_number = number + 1  # first: interrupted here, a number is left out, and none is given twice
            self._queue.add(part, (upload, number))

    def settle(self, leave: int = PARTS_IN_FLIGHT) -> None:
        """See ObjectUpload."""
        self._queue.settle(leave)

    def prepare(self, commit: Commit) -> None:
        """Deliver all parts, and the bytes in memory as the last one."""
        self._turn_to(commit.origin)
        if self._is_put(commit):
            return
        self._queue.settle(0)
        upload = self._open(sum(map(len, commit.rest)))
        if self._staging is not None:
            self._staging.absorb()
            self._staging = None
        if self._prepared[0] == commit.total:
            return
        parts = dict(upload.parts)
        for buffers in self._last_parts(upload, commit):
            # A number is never used for other bytes: a request that is late would put the old ones there.
            number = upload.next_number
            upload.next_number = number + 1
            parts[number] = upload.send(number, *buffers)
        self._prepared = commit.total, parts

    def commit(self, commit: Commit) -> str:
        """PutObject of a small object, CompleteMultipartUpload of a large one."""
        if self._is_put(commit):
            return self._conditionally("PutObject", commit, lambda conditions: self._put(commit, conditions))
        upload, parts = self._open(), self._prepared[1]

        def complete(conditions: dict[str, str]) -> str:
            return upload.complete(parts, crc=commit.crc, size=commit.total, conditions=conditions)

        return self._conditionally("CompleteMultipartUpload", commit, complete)

    def look(self) -> ObjectInfo:
        """HeadObject."""
        return self._store.head(self._bucket, self._key)

    def is_made_by(self, ledger: Ledger, commit: Commit, found: ObjectInfo) -> bool:
        """By its token; where the store keeps no metadata with multipart uploads, by its last bytes."""
        if super().is_made_by(ledger, commit, found):
            return True
        foreign = self._features.amazon or WRITER_METADATA in found.metadata or found.tag == ledger.tag
        if foreign or found.size != commit.total or not commit.rest:
            return False
        known = bytes(commit.rest[-1][-COMPARED:])
        return self._store.get_range(self._bucket, self._key, found.size - len(known), found.size, found.tag) == known

    def takes_part(self, origin: Origin) -> bool:
        """After a copy of any size equal parts allow no more than one, so that each has to be a commit."""
        return not (self._features.equal_parts and origin.size)

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
        """Let go of what the commit has consumed, and say what it costs where versions are kept."""
        self._forget()
        if replaced:
            warn_of_kept_versions(f"s3://{self._bucket}", lambda: self._store.kept_versions(self._bucket))

    def abandon(self) -> None:
        """Abort what is under way."""
        self._queue.wait()
        if self._staging is not None:
            self._staging.discard()
        if self._upload is not None:
            self._upload.abort()
        self._upload = self._staging = None

    def unpublished(self) -> dict[str, object]:
        """Return the upload's identifier."""
        return {"upload_id": self._upload and self._upload.identifier}

    def way_out(self, origin: Origin) -> str:
        """See ObjectUpload."""
        if self._upload is None and origin.size:
            return f"The {origin.size} bytes that come before them were in the object which was replaced"
        return super().way_out(origin)

    def end(self) -> None:
        """See ObjectUpload."""
        self._queue.close()
        self._forget()

    # Small objects

    def _is_put(self, commit: Commit) -> bool:
        """Tell whether a commit is one PutObject."""
        return self._upload is None and not commit.staged and commit.total < self._copied_from

    def _new_object(self, origin: Origin) -> dict[str, Any]:
        """Return the parameters of every request that makes the object."""
        metadata = {**self._known.metadata, **origin.token}
        return {**self._known.properties, "Metadata": metadata, **self._store.encryption()}

    def _put(self, commit: Commit, conditions: dict[str, str]) -> str:
        body = Body(*commit.rest)

        def send(lacking: set[str]) -> Any:
            body.seek(0)
            if commit.crc is not None and CHECKSUMS not in lacking:
                checksum = {"ChecksumCRC32C": crc32c_header(commit.crc)}
            else:
                checksum = {"ContentMD5": md5_header(*commit.rest)}
            answer = self._store.call(
                "put_object",
                self._path,
                Bucket=self._bucket,
                Key=self._key,
                Body=body,
                **self._new_object(commit.origin),
                **checksum,
                **conditions,
            )
            self._features.note_checksum(checksum, answer)
            return answer

        try:
            return str(self._features.send(send, (CHECKSUMS,))["ETag"])
        finally:
            body.release()

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

    # Parts

    def _turn_to(self, origin: Origin) -> None:
        """Begin anew where a commit has happened since the last call."""
        if self._origin is not None and self._origin.sequence != origin.sequence:
            self._forget()
        self._origin = origin

    def _forget(self) -> None:
        """Let go of what belongs to a commit that has happened. What it did not consume is left to a later clean-up."""
        self._queue.forget()
        self._upload = self._staging = None
        self._fetched, self._prepared = bytearray(), (-1, {})

    def _send_part(self, place: Place, body: bytearray) -> None:
        """Send one part; again it replaces under its number what was sent before."""
        upload, number = place
        upload.acknowledge(number, upload.send(number, body), len(body))

    def _last_parts(self, upload: MultipartUpload, commit: Commit) -> Iterator[tuple[bytes | bytearray, ...]]:
        """Iterate over the buffers of each part that comes after those that were handed on."""
        buffers = [buffer for buffer in (self._fetched, *commit.rest) if buffer]
        if self._features.equal_parts and upload.first == 1 and sum(map(len, buffers)) > self.part_size:
            whole = b"".join(buffers)
            for start in range(0, len(whole), self.part_size):
                yield (whole[start : start + self.part_size],)
        elif buffers:
            yield tuple(buffers)

    def _open(self, rest: int = 0) -> MultipartUpload:
        """Return the upload under way, or begin one with the committed object in it, to come before ``rest`` bytes."""
        if self._upload is not None:
            return self._upload
        origin = self._origin
        assert origin is not None
        if not self._has_looked_for_orphans:
            remove_orphans(self._store, self._bucket, self._key, staged=self._atomic)
            self._has_looked_for_orphans = True
        # After bytes whose CRC-32C is not known, the parts are verified one by one instead.
        known = origin.has_checksum
        checksums = known or self._features.directory_bucket  # which take no Content-MD5
        upload = MultipartUpload.begin(
            self._store, self._bucket, self._key, self._new_object(origin), checksums=checksums, whole=known
        )
        try:
            self._put_committed_into(upload, origin, rest)
        except BaseException as error:
            upload.abort_after(error)
            raise
        self._upload = upload
        return upload

    def _put_committed_into(self, upload: MultipartUpload, origin: Origin, rest: int) -> None:
        if not origin.size:
            return
        if self._features.equal_parts and rest > origin.size:
            # A last part may not be longer than those before it, so all are cut anew.
            fetched = self._store.get_range(self._bucket, self._key, 0, origin.size, str(origin.tag))
            self._fetched = bytearray(fetched)
        else:
            # Where parts have to be equal, one part of whatever size may be in front of the last.
            most = 1 if self._features.equal_parts else MOST_COPIES
            upload.copy({"Bucket": self._bucket, "Key": self._key}, str(origin.tag), origin.size, most=most)

    def _upload_with_room(self) -> MultipartUpload:
        """Return where the next part goes: of an atomic write a temporary object once the upload is full."""
        upload = self._staging.upload if self._staging is not None else self._open()
        if not self._atomic or upload.next_number <= MOST_PARTS:
            return upload
        self._queue.settle(0)
        if self._staging is not None:
            self._staging.absorb()
        self._staging = Staging(self._store, self._bucket, self._key, self._open())
        return self._staging.upload
