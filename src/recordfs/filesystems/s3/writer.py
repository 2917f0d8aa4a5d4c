"""Writing to S3: a flush sends the new bytes, and at most 5 MiB besides.

Up to 5 MiB the whole small object is put again. Above, a multipart upload begins with a server-side copy of the
committed object, goes on with the new bytes, and ends by replacing the object. Commits are conditional on the object
being as this writer last knew it, and carry a CRC-32C of the whole, so that the store itself verifies. What a store
lacks of this is left out; see features.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import (
    AbortedError,
    DeadlineExceededError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    ResourceExhaustedError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems._object_store.kept_versions import warn_of_kept_versions
from recordfs.filesystems._object_store.writer import WRITER_METADATA, Attempt, ObjectWriter
from recordfs.filesystems.s3.body import Body
from recordfs.filesystems.s3.checksums import crc32c_header, md5_header
from recordfs.filesystems.s3.features import CHECKSUMS
from recordfs.filesystems.s3.orphans import remove_orphans
from recordfs.filesystems.s3.parts import PARTS_IN_FLIGHT, Part, PartQueue
from recordfs.filesystems.s3.probe import learn_conditions
from recordfs.filesystems.s3.staging import Staging
from recordfs.filesystems.s3.upload import MOST_COPIES, SMALLEST_PART, Upload, UploadGoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordfs.filesystems._object_store.store import ObjectInfo
    from recordfs.filesystems.s3.store import S3Store

__all__ = ["S3Writer", "kept_properties"]

MOST_PARTS = 9_000
"""The store's limit is 10,000; what is left is for copies and one large append."""

COMPARED = 64 << 10
"""Bytes by which an object is recognised where the store keeps no metadata with multipart uploads."""


_NO_ANSWER = (UnavailableError, DeadlineExceededError, ResourceExhaustedError, UnknownError)
"""Errors behind which a request may have succeeded, or may still."""


class _Completion(NamedTuple):
    """What an upload was asked to be completed with."""

    parts: dict[int, dict[str, Any]]
    crc: int | None
    size: int
    overwrite: bool


_KEPT = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")


def kept_properties(described: dict[str, Any]) -> dict[str, Any]:
    """Return what an object keeps when bytes are appended to it, besides its metadata, from an answer to HeadObject."""
    return {name: described[name] for name in _KEPT if described.get(name)}


class S3Writer(ObjectWriter):
    """A writer of one S3 object; see ObjectWriter.

    Args:
        store: The requests.
        bucket: The bucket's name.
        key: The key.
        head: The first bytes of the object when appending to one that is smaller than 5 MiB.
        metadata: User metadata to keep when appending.
        properties: Other properties to keep, as ``kept_properties`` returns them.
        others: As ObjectWriter.
    """

    def __init__(
        self,
        store: S3Store,
        bucket: str,
        key: str,
        *,
        head: bytes,
        metadata: dict[str, str],
        properties: dict[str, Any],
        **others: Any,
    ) -> None:
        self._store = store
        self._features = store.features(bucket)
        self._bucket = bucket
        self._key = key
        # The committed bytes, kept while they are too few to be copied by the store.
        self._head = bytearray(head)
        self._metadata = metadata
        self._properties = properties
        self._upload: Upload | None = None
        self._staging: Staging | None = None
        self._queue = PartQueue()
        self._completion: _Completion | None = None  # one whose outcome is not known
        self._looked_for_orphans = False
        self._last_commit = 0  # the sequence number of the attempt that ``_head`` has been brought up to
        super().__init__(**others)

    # What ObjectWriter asks for.

    def _flush(self) -> None:
        """Publish everything taken so far; see WritableFile.

        Raises:
            PermissionDeniedError: The credentials can only write, and the object has become too large to be put again
                as a whole. ``close`` publishes what is kept.
        """
        if self._blind and not self.atomic and self._total >= self._copied_from():
            self._refuse_unless_readable()
        super()._flush()

    def _look(self) -> ObjectInfo:
        return self._store.head(self._bucket, self._key)

    def _is_full(self) -> bool:
        upload = self._staging.upload if self._staging else self._upload
        if upload is None or upload.next_number <= MOST_PARTS:
            return False
        equal = self._features.equal_parts
        if not self.atomic and not self._blind and not equal:
            return True
        if self.atomic and not equal and self._upload is not None and Staging.has_room(self._upload):
            return False
        raise ResourceExhaustedError(
            f"{self._total} bytes are all that this writer can stage in parts of {self._part_size} bytes; set the "
            "option part_size higher, or close this file and begin another",
            path=self._name,
        )

    def _stage(self) -> None:
        if self._features.equal_parts and self._committed:
            # Behind a copy of any size no more than one part may come, so every part is a commit of its own.
            self._publish(overwrite=False)
        else:
            super()._stage()

    def _send_part(self, body: bytearray) -> None:
        waiting = [*self._queue.waiting, Part(body)]
        self._queue.waiting = waiting
        self._handing = None
        self._send_again()

    def _send_again(self) -> None:
        if self._queue.waiting:
            upload = self._open_upload()
            try:
                self._queue.start(self._upload_with_room(upload))
                self._queue.settle(PARTS_IN_FLIGHT)
            except UploadGoneError as error:
                self._lost = error
                raise

    def _commit(self, *, overwrite: bool) -> str:
        if self._last_commit:
            warn_of_kept_versions(f"s3://{self._bucket}", lambda: self._store.kept_versions(self._bucket))
        if self._upload is None and not self._queue.waiting:
            whole = len(self._head) + len(self._attempted)
            if whole == self._total and whole < self._copied_from():
                return self._put(overwrite=overwrite)
        self._send_again()
        upload = self._open_upload()
        self._attempt = Attempt(upload.sequence, self._total)  # which is what the object will carry
        self._queue.settle(0)
        self._absorb()
        # The tail stays in memory and may grow, so its parts are numbered anew each time.
        parts = dict(upload.parts)
        for number, buffers in enumerate(self._tail(upload), upload.next_number):
            parts[number] = upload.send(number, *buffers)

        self._completion = _Completion(parts, self._crc, self._total, overwrite)
        return self._complete(upload, self._completion)

    def _complete(self, upload: Upload, completion: _Completion) -> str:
        def complete(conditions: dict[str, str]) -> str:
            return upload.complete(completion.parts, crc=completion.crc, size=completion.size, conditions=conditions)

        try:
            return self._conditionally("CompleteMultipartUpload", complete, overwrite=completion.overwrite)
        except RecordFSError as error:
            if not isinstance(error, _NO_ANSWER):
                self._completion = None  # refused: it will not happen any more
            raise

    def _is_undecided(self) -> bool:
        return self._completion is not None

    def _resume(self) -> bool:
        # A request that is still on its way would end the upload without the parts that were sent behind it.
        if self._upload is None or self._completion is None:
            return False
        try:
            tag = self._complete(self._upload, self._completion)
        except RecordFSError:
            if self._is_undecided():
                raise
            return False
        self._happened(tag)
        return True

    def _happened_late(self, earlier: Attempt, tag: str) -> bool:
        if super()._happened_late(earlier, tag):
            return True
        # A small object that was put: what is staged for the next commit holds its bytes, too, and replaces it.
        self._tag, self._published, self._attempt, self._doubtful = tag, True, None, ()
        return True

    def _tail(self, upload: Upload) -> Iterator[tuple[bytes | bytearray, ...]]:
        """Iterate over the parts behind those that the upload has."""
        before = upload.before if upload.next_number == upload.first else b""
        size = len(before) + len(self._attempted)
        if self._features.equal_parts and upload.first == 1 and size > self._part_size:
            whole = bytes(before) + self._attempted
            for start in range(0, size, self._part_size):
                yield (whole[start : start + self._part_size],)
        elif size:
            yield before, self._attempted

    def _committed_now(self) -> None:
        attempt = self._attempt
        if attempt is None or self._last_commit == attempt.sequence:
            return
        # An upload that it was not made by is left to the next clean-up: it holds nothing that is not in memory.
        small = self._committed < self._copied_from()
        head = self._head + self._attempted if small else bytearray()
        self._head = head
        self._upload = self._completion = None
        self._last_commit = attempt.sequence

    def _is_own(self, found: ObjectInfo, attempt: Attempt) -> bool:
        if super()._is_own(found, attempt):
            return True
        if self._features.amazon or WRITER_METADATA in found.metadata or found.tag == self._tag:
            return False
        # Some stores keep no metadata with multipart uploads: the last bytes have to do.
        known = bytes(self._attempted[-COMPARED:])
        if not known:
            return False
        return self._store.get_range(self._bucket, self._key, found.size - len(known), found.size, found.tag) == known

    def _abandon(self) -> None:
        self._queue.wait()
        if self._staging is not None:
            self._staging.discard()
        if self._upload is not None:
            self._upload.abort()
        self._upload = self._staging = None

    def _way_out(self) -> str:
        if self._upload is None and self._committed >= self._copied_from():
            return f"The {self._committed} bytes that they belong behind were in the object which was replaced"
        return super()._way_out()

    def _unpublished(self) -> dict[str, object]:
        return {**super()._unpublished(), "upload_id": self._upload and self._upload.identifier}

    def _end(self) -> None:
        self._queue.close()
        self._head = bytearray()
        super()._end()

    # Commits.

    def _copied_from(self) -> int:
        """Return from which size on the committed object is copied by the store instead of being sent again."""
        return self._part_size if self._features.equal_parts else SMALLEST_PART

    def _new_object(self) -> dict[str, Any]:
        """Return the parameters of every request that makes an object."""
        return {**self._properties, "Metadata": {**self._metadata, **self._token()}, **self._store.encryption()}

    def _put(self, *, overwrite: bool) -> str:
        """Put the whole small object."""
        body = Body(self._head, self._attempted)

        def send(lacking: set[str], conditions: dict[str, str]) -> Any:
            body.seek(0)
            if self._crc is not None and CHECKSUMS not in lacking:
                checksum = {"ChecksumCRC32C": crc32c_header(self._crc)}
            else:
                checksum = {"ContentMD5": md5_header(self._head, self._attempted)}
            answer = self._store.call(
                "put_object",
                self._name,
                Bucket=self._bucket,
                Key=self._key,
                Body=body,
                **self._new_object(),
                **checksum,
                **conditions,
            )
            self._features.note_checksum(checksum, answer)
            return answer

        def put(conditions: dict[str, str]) -> str:
            answer = self._features.send(lambda lacking: send(lacking, conditions), (CHECKSUMS,))
            return str(answer["ETag"])

        try:
            return self._conditionally("PutObject", put, overwrite=overwrite)
        finally:
            body.release()

    def _conditionally(self, operation: str, commit: Callable[[dict[str, str]], str], *, overwrite: bool) -> str:
        """Send a commit on the condition that the object is as this writer last knew it, and return its tag.

        Where the store does not keep conditions, or that could not be found out, the object is looked at first; what
        somebody writes between the look and the commit is replaced unseen then.
        """
        conditions = self._conditions(overwrite)
        if not conditions:
            return commit({})
        kept = learn_conditions(self._store, self._bucket, self._key, operation)
        if not kept:
            self._compare()
        if kept is False:
            return commit({})
        try:
            return commit(conditions)
        except PermissionDeniedError:
            if not self._blind or "IfMatch" not in conditions:
                raise
        self._conditional = False  # If-Match needs the right to read, and that is not there
        return commit({})

    def _conditions(self, overwrite: bool) -> dict[str, str]:
        """Return what a commit is conditional on: the object as this writer last knew it."""
        if overwrite or not self._conditional:
            return {}
        if self._tag is not None:
            return {"IfMatch": self._tag}
        return {} if self._blind and not self._exclusive else {"IfNoneMatch": "*"}

    def _compare(self) -> None:
        """Look whether the object is as this writer last knew it.

        Raises:
            AbortedError: It is not.
        """
        try:
            now: str | None = self._look().tag
        except NotFoundError:
            now = None
        except PermissionDeniedError:
            if self._blind:
                return
            raise
        if now != self._tag:
            raise AbortedError(f"expected {self._tag or 'no object'}, found {now or 'no object'}", path=self._name)

    def _refuse_unless_readable(self) -> None:
        """Raise if the store could not copy what is committed, because the credentials cannot read it."""
        try:
            self._look()
        except NotFoundError:
            return
        except PermissionDeniedError as error:
            raise PermissionDeniedError(
                f"a flush of more than {self._copied_from()} bytes copies the object on the server, which needs the "
                f"right to read it (s3:GetObject). {self._total - self._committed} bytes are kept, and published when "
                "the writer is closed",
                path=self._name,
            ) from error
        self._blind = self._tag is None

    # Parts.

    def _open_upload(self) -> Upload:
        """Return the upload under way, or begin one with the committed object in it."""
        if self._upload is not None:
            return self._upload
        if not self._looked_for_orphans:
            remove_orphans(self._store, self._bucket, self._key, staged=self.atomic)
            self._looked_for_orphans = True
        # Behind bytes whose CRC-32C is not known, the parts are verified one by one instead.
        known = self._crc is not None
        checksums = known or self._features.directory_bucket  # which take no Content-MD5
        # An object gets its metadata when its upload begins, so every upload has a number of its own.
        self._sequence += 1
        upload = Upload.begin(
            self._store, self._bucket, self._key, self._new_object(), checksums=checksums, whole=known
        )
        upload.sequence = self._sequence
        try:
            self._put_committed_into(upload)
        except BaseException as error:
            upload.abort_after(error)
            raise
        self._upload = upload
        return upload

    def _put_committed_into(self, upload: Upload) -> None:
        if self._committed < self._copied_from():
            upload.before = self._head
        elif self._features.equal_parts and len(self._attempted) > self._committed:
            # A last part may not be longer than those before it, so all are cut anew.
            size = self._committed
            upload.before = bytearray(self._store.get_range(self._bucket, self._key, 0, size, str(self._tag)))
        else:
            # Where parts have to be equal, one part of whatever size may be in front of the last.
            most = 1 if self._features.equal_parts else MOST_COPIES
            upload.copy({"Bucket": self._bucket, "Key": self._key}, str(self._tag), self._committed, most=most)

    def _upload_with_room(self, upload: Upload) -> Upload:
        """Return where the next part goes: of an atomic write a temporary object once the upload is full."""
        if self._staging is not None:
            upload = self._staging.upload
        if not self.atomic or upload.next_number <= MOST_PARTS:
            return upload
        self._queue.settle(0)
        self._absorb()
        self._staging = Staging(self._store, self._bucket, self._key, self._open_upload())
        return self._staging.upload

    def _absorb(self) -> None:
        """Copy what was staged into the upload to the object itself."""
        if self._staging is not None:
            self._staging.absorb()
            self._staging = None
