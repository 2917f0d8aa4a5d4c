"""Writing to S3: a flush sends the new bytes, and at most 5 MiB besides.

Up to 5 MiB the whole small object is put again. Above, a multipart upload begins with a server-side copy of the
committed object, goes on with the new bytes, and ends by replacing the object. Commits are conditional on the object
being as this writer last knew it, and carry a CRC-32C of the whole, so that the store itself verifies.

Source of the limits: Amazon S3 User Guide, "Multipart upload limits".
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import io
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from recordfs._core import crc32c
from recordfs.errors import (
    DataLossError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    ResourceExhaustedError,
    UnimplementedError,
)
from recordfs.filesystems._object_store.bulk import for_each_in_parallel
from recordfs.filesystems._object_store.writer import ObjectWriter
from recordfs.filesystems.s3.errors import code_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from recordfs.filesystems._object_store.store import ObjectInfo
    from recordfs.filesystems.s3.store import S3Store

__all__ = ["S3Writer"]

SMALLEST_PART = 5 << 20
PARTS_IN_FLIGHT = 2
MOST_PARTS = 9_000
"""The store's limit is 10,000; what is left is for the copies of the committed object and one large append."""

LONGEST_COPY = 128 << 20
"""A server-side copy takes time in proportion to its length; above this, ranges are copied in parallel."""

ORPHAN_AGE = dt.timedelta(days=1)


class _Body(io.RawIOBase):
    """Several buffers one behind another as a request body that can be sent again, without joining them."""

    def __init__(self, *buffers: bytes | bytearray) -> None:
        self._views = [memoryview(buffer) for buffer in buffers if buffer]
        self._size = sum(map(len, self._views))
        self._position = 0

    def __len__(self) -> int:
        return self._size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def readinto(self, target: Any) -> int:
        position = self._position
        for view in self._views:
            if position < len(view):
                count = min(len(target), len(view) - position)
                target[:count] = view[position : position + count]
                self._position += count
                return count
            position -= len(view)
        return 0

    def release(self) -> None:
        """Let go of the buffers, so that they can change again."""
        for view in self._views:
            view.release()


class _Part:
    """A part that the store has not acknowledged yet."""

    def __init__(self, number: int, body: bytearray) -> None:
        self.number = number
        self.body = body
        self.sending: Future[None] | None = None


class S3Writer(ObjectWriter):
    """A writer of one S3 object; see ObjectWriter.

    Args:
        store: The requests.
        bucket: The bucket's name.
        key: The key.
        head: The first bytes of the object when appending to one that is smaller than 5 MiB.
        metadata: User metadata to keep when appending.
        others: As ObjectWriter.
    """

    def __init__(
        self, store: S3Store, bucket: str, key: str, *, head: bytes, metadata: dict[str, str], **others: Any
    ) -> None:
        self._store = store
        self._target: dict[str, Any] = {"Bucket": bucket, "Key": key}
        # The committed bytes, kept while they are too few to be copied by the store.
        self._head = bytearray(head)
        self._metadata = metadata
        self._upload: str | None = None
        self._next_part = 1
        self._waiting: list[_Part] = []
        self._parts: dict[int, dict[str, Any]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._looked_for_orphans = False
        super().__init__(**others)

    # What ObjectWriter asks for.

    def _look(self) -> ObjectInfo:
        return self._store.head(self._target["Bucket"], self._target["Key"])

    def _is_full(self) -> bool:
        if self._next_part <= MOST_PARTS:
            return False
        if self.atomic:
            raise ResourceExhaustedError(
                f"an atomic write to S3 takes up to {MOST_PARTS} parts of {self._part_size} bytes; write without "
                "atomic, or set the option part_size higher",
                path=self._name,
            )
        return True

    def _send_part(self, body: bytearray) -> None:
        if self._upload is None and not self._waiting:
            body[:0] = self._head
        waiting = [*self._waiting, _Part(self._next_part, body)]
        self._waiting = waiting
        self._handing = None
        self._open_upload()
        self._next_part = self._renumber()
        self._start_sending()
        self._settle_parts(PARTS_IN_FLIGHT)

    def _send_again(self) -> None:
        if not self._waiting:
            return
        self._open_upload()
        self._next_part = self._renumber()
        self._settle_parts(PARTS_IN_FLIGHT)

    def _commit(self, *, overwrite: bool) -> str:
        tail = self._attempted
        if self._upload is None and not self._waiting:
            whole = len(self._head) + len(tail)
            if whole == self._total and whole < SMALLEST_PART:
                return self._put(overwrite=overwrite)
        self._open_upload()
        self._next_part = self._renumber()
        self._settle_parts(0)
        if tail:
            first = self._head if not self._parts else bytearray()
            self._upload_part(self._next_part, tail, first)
        try:
            return self._complete(overwrite=overwrite)
        except BaseException:
            # The tail stays in memory and may grow; the same number will replace what was sent of it.
            if tail:
                del self._parts[self._next_part]
            raise

    def _committed_now(self) -> None:
        if self._upload is None and self._committed < SMALLEST_PART:
            self._head += self._attempted
        else:
            self._head = bytearray()
        self._upload, self._next_part = None, 1
        self._parts.clear()

    def _abandon(self) -> None:
        if self._upload is not None:
            wait([part.sending for part in self._waiting if part.sending is not None])
            with contextlib.suppress(NotFoundError):  # gone already, which is what was asked for
                self._request("abort_multipart_upload", UploadId=self._upload)
        self._upload = None

    def _unpublished(self) -> dict[str, object]:
        return {**super()._unpublished(), "upload_id": self._upload}

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        self._head = bytearray()
        self._waiting.clear()
        super()._end()

    # Requests.

    def _request(self, operation: str, **parameters: Any) -> Any:
        return self._store.call(operation, self._name, **self._target, **parameters)

    def _conditions(self, *, overwrite: bool) -> dict[str, str]:
        """Return what a commit is conditional on: the object as this writer last knew it."""
        if overwrite or not self._conditional:
            return {}
        return {"IfNoneMatch": "*"} if self._tag is None else {"IfMatch": self._tag}

    def _new_object(self) -> dict[str, Any]:
        """Return the parameters of every request that makes an object."""
        return {"Metadata": {**self._metadata, **self._token()}, **self._store.encryption()}

    def _put(self, *, overwrite: bool) -> str:
        body = _Body(self._head, self._attempted)
        try:
            checksum = {} if self._crc is None else {"ChecksumCRC32C": _encoded(self._crc)}
            answer = self._request(
                "put_object", Body=body, **self._new_object(), **checksum, **self._conditions(overwrite=overwrite)
            )
        finally:
            body.release()
        return str(answer["ETag"])

    def _open_upload(self) -> None:
        """Begin a multipart upload with a copy of the committed object, unless one is under way."""
        if self._upload is not None:
            return
        if not self._looked_for_orphans:
            self._abort_orphans()
            self._looked_for_orphans = True
        # Behind bytes whose CRC-32C is not known, the parts are verified one by one instead.
        kind = {} if self._crc is None else {"ChecksumAlgorithm": "CRC32C", "ChecksumType": "FULL_OBJECT"}
        upload = self._request("create_multipart_upload", **kind, **self._new_object())["UploadId"]
        copied: dict[int, dict[str, Any]] = {}
        if self._committed >= SMALLEST_PART:
            try:
                self._copy_committed(upload, copied)
            except BaseException:
                self._request("abort_multipart_upload", UploadId=upload)
                raise
        self._parts, self._upload = copied, upload

    def _copy_committed(self, upload: str, copied: dict[int, dict[str, Any]]) -> None:
        """Copy what is committed into an upload on the server, in equal ranges."""
        count = -(-self._committed // LONGEST_COPY)
        step = -(-self._committed // count)

        def copy(item: tuple[int, int]) -> None:
            number, start = item
            end = min(start + step, self._committed) - 1
            answer = self._request(
                "upload_part_copy",
                UploadId=upload,
                PartNumber=number,
                CopySource=dict(self._target),
                CopySourceIfMatch=self._tag,
                CopySourceRange=f"bytes={start}-{end}",
            )
            copied[number] = answer["CopyPartResult"]

        items = list(enumerate(range(0, self._committed, step), 1))
        if len(items) == 1:
            copy(items[0])
            return
        failures = for_each_in_parallel(copy, items)
        if failures.count:
            raise failures.first[0][1]

    def _renumber(self) -> int:
        """Number the waiting parts behind those the store has, and return the number that follows."""
        taken = max(self._parts, default=0)
        for part in self._waiting:
            if part.sending is None:
                part.number = taken + 1
            taken = max(taken, part.number)
        return taken + 1

    def _start_sending(self) -> None:
        """Send the parts that are not on their way, in the background."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(PARTS_IN_FLIGHT + 1, thread_name_prefix="recordfs-s3-part")
        for part in self._waiting:
            if part.sending is None:
                part.sending = self._pool.submit(self._upload_part, part.number, part.body)

    def _settle_parts(self, leave: int) -> None:
        """Wait until at most ``leave`` parts are on their way; a part that failed is raised and kept."""
        while self._waiting:
            part = self._waiting[0]
            if part.sending is not None:
                if len(self._waiting) <= leave and not part.sending.done():
                    return
                error = part.sending.exception()
                if error is not None:
                    part.sending = None
                    raise error
            else:
                self._upload_part(part.number, part.body)
            self._waiting.pop(0)

    def _upload_part(self, number: int, body: bytearray, before: bytearray | None = None) -> None:
        """Send one part; again under the same number it replaces what was sent before."""
        assert self._upload is not None
        content = _Body(before or b"", body)
        try:
            answer = self._request(
                "upload_part",
                UploadId=self._upload,
                PartNumber=number,
                Body=content,
                **self._checksum_of(before or b"", body),
            )
        except NotFoundError as error:
            raise self._gone(error) from error
        finally:
            content.release()
        self._parts[number] = answer

    def _checksum_of(self, before: bytes | bytearray, body: bytearray) -> dict[str, str]:
        """Return the parameter by which the store verifies one part."""
        if self._crc is not None:
            return {"ChecksumCRC32C": _encoded(crc32c(body, crc32c(before)))}
        digest = hashlib.md5(before, usedforsecurity=False)
        digest.update(body)
        return {"ContentMD5": base64.b64encode(digest.digest()).decode()}

    def _complete(self, *, overwrite: bool) -> str:
        """Publish the upload."""
        parts = []
        for number in sorted(self._parts):
            part = {"PartNumber": number, "ETag": self._parts[number]["ETag"]}
            if self._crc is not None and "ChecksumCRC32C" in self._parts[number]:
                part["ChecksumCRC32C"] = self._parts[number]["ChecksumCRC32C"]
            parts.append(part)
        whole: dict[str, Any] = {}
        if self._crc is not None:
            whole = {"ChecksumCRC32C": _encoded(self._crc), "ChecksumType": "FULL_OBJECT"}
        try:
            answer = self._request(
                "complete_multipart_upload",
                UploadId=self._upload,
                MultipartUpload={"Parts": parts},
                MpuObjectSize=self._total,
                **whole,
                **self._conditions(overwrite=overwrite),
            )
        except NotFoundError as error:
            raise self._gone(error) from error
        return str(answer["ETag"])

    def _gone(self, error: NotFoundError) -> RecordFSError:
        """Return the error for an upload that the store no longer knows; other things missing are as they are.

        It may also have been completed by an attempt whose answer was lost: whoever catches this looks at the object.
        """
        cause = error.__cause__
        if not isinstance(cause, ClientError) or code_of(cause) != "NoSuchUpload":
            return error
        return DataLossError(
            f"the multipart upload {self._upload} is gone, and with it what it held of {self._total - self._committed} "
            "unpublished bytes: somebody aborted it, or a lifecycle rule did",
            path=self._name,
        )

    def _abort_orphans(self) -> None:
        """Abort uploads to this key that are older than a day: no writer that lives leaves one open so long."""
        oldest = dt.datetime.now(dt.UTC) - ORPHAN_AGE
        try:
            found = self._store.call(
                "list_multipart_uploads", self._name, Bucket=self._target["Bucket"], Prefix=self._target["Key"]
            )
            for upload in found.get("Uploads", []):
                if upload["Key"] == self._target["Key"] and upload["Initiated"] < oldest:
                    self._request("abort_multipart_upload", UploadId=upload["UploadId"])
        except (NotFoundError, PermissionDeniedError, UnimplementedError) as error:
            warnings.warn(f"orphaned uploads to {self._name} could not be cleaned up: {error}", stacklevel=2)


def _encoded(crc: int) -> str:
    """Return a CRC-32C as S3 writes it: base64 of its four bytes, big-endian."""
    return base64.b64encode(struct.pack(">I", crc)).decode()
