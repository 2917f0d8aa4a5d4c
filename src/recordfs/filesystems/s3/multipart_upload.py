"""One multipart upload: parts that are sent, parts that the store copies, and what publishes them.

Source of the limits: Amazon S3 User Guide, "Multipart upload limits".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from recordfs._core import crc32c_of_still_memory
from recordfs.errors import AbortedError, DataLossError, NotFoundError, RecordFSError, UnimplementedError
from recordfs.filesystems._object_store.bulk import for_each_in_parallel
from recordfs.filesystems._object_store.checksums import crc32c_header
from recordfs.filesystems._object_store.multipart import UploadInParts
from recordfs.filesystems.s3.errors import code_of
from recordfs.filesystems.s3.features import CHECKSUMS, OBJECT_SIZE, PART_COPIES, WHOLE_CHECKSUMS, is_refusal
from recordfs.filesystems.s3.requests import as_body

if TYPE_CHECKING:
    from recordfs.filesystems.s3.requests import S3Requests

__all__ = ["LARGEST_PART_NUMBER", "MOST_COPIES", "SMALLEST_PART", "MultipartUpload", "UploadGoneError"]

SMALLEST_PART = 5 << 20
"""Every part but the last has at least this size."""

LARGEST_PART = 5 << 30
LARGEST_PART_NUMBER = 10_000

LONGEST_COPY = 128 << 20
"""A server-side copy takes time in proportion to its length; above this, ranges are copied in parallel."""

MOST_COPIES = 1_000
"""Ranges that an object is copied in at most, so that part numbers are left for what comes after it."""


class UploadGoneError(DataLossError):
    """The store no longer knows an upload, and with it the bytes that it held."""


class MultipartUpload(UploadInParts):
    """A multipart upload that is under way; see UploadInParts.

    Args:
        store: The requests.
        bucket: The bucket's name.
        key: The key.
        identifier: The store's name for it.
        checksums: Its parts carry CRC-32Cs.
        whole: The finished object carries a CRC-32C of the whole.
    """

    def __init__(
        self, store: S3Requests, bucket: str, key: str, identifier: str, *, checksums: bool, whole: bool
    ) -> None:
        super().__init__(identifier)
        self._store = store
        self._features = store.features(bucket)
        self._bucket = bucket
        self._key = key
        self._path = f"s3://{bucket}/{key}"
        self._checksums = checksums
        self._whole = whole

    @classmethod
    def begin(
        cls, store: S3Requests, bucket: str, key: str, parameters: dict[str, Any], *, checksums: bool, whole: bool
    ) -> MultipartUpload:
        """Create an upload whose object will be made with these parameters.

        The rest is as the arguments of the class; of the last two the store may have to be spared one or both.
        """

        def request(lacking: set[str]) -> tuple[str, bool, bool]:
            # Without one for the whole, copied parts would need checksums of their own, which stores disagree about.
            with_checksums = checksums and CHECKSUMS not in lacking and not (whole and WHOLE_CHECKSUMS in lacking)
            with_whole = with_checksums and whole
            kind: dict[str, Any] = {"ChecksumAlgorithm": "CRC32C"} if with_checksums else {}
            if with_whole:
                kind["ChecksumType"] = "FULL_OBJECT"
            answer = store.call(
                "create_multipart_upload", f"s3://{bucket}/{key}", Bucket=bucket, Key=key, **kind, **parameters
            )
            return answer["UploadId"], with_checksums, with_whole

        droppable = (WHOLE_CHECKSUMS, CHECKSUMS) if checksums else ()
        identifier, with_checksums, with_whole = store.features(bucket).send(request, droppable)
        return cls(store, bucket, key, identifier, checksums=with_checksums, whole=with_whole)

    def send(self, number: int, *buffers: bytes | bytearray) -> dict[str, Any]:
        """Send one part; again under the same number it replaces what was sent before.

        Returns:
            What the store said of it, to be put into ``parts``, or given to ``complete``.
        """
        body = as_body(buffers)

        def request(checksum: dict[str, str]) -> dict[str, Any]:
            answer: dict[str, Any] = self._call("upload_part", PartNumber=number, Body=body, **checksum)
            return answer

        return self._features.send_verified(request, body, crc32c_of_still_memory(body) if self._checksums else None)

    def copy(self, source: dict[str, str], tag: str, size: int, *, most: int = MOST_COPIES) -> None:
        """Put a whole object after the parts so far: the store copies it, in equal ranges.

        Where the store cannot, the bytes come here and go back, one range at a time.

        Args:
            source: Its bucket and key.
            tag: Its version.
            size: In bytes, at least SMALLEST_PART.
            most: Into how many ranges it may be cut.

        Raises:
            AbortedError: The source is another version by now.
        """
        copied: dict[int, dict[str, Any]] = {}
        first = self.next_number
        if self._features.has(PART_COPIES):
            try:
                self._copy_on_server(source, tag, size, most, first, copied)
            except RecordFSError as error:
                if self._features.amazon or not is_refusal(error):
                    raise
                # A range that a replaced object does not have is refused in the same words.
                if self._store.head(source["Bucket"], source["Key"]).tag != tag:
                    raise AbortedError("the object is another version by now", path=self._path) from error
                self._features.lacking.add(PART_COPIES)
        if not self._features.has(PART_COPIES):
            copied.clear()
            self._copy_through_here(source, tag, size, first, copied)
        following = first + len(copied)
        self.parts.update(copied)
        self.first = self.next_number = following

    def _copy_on_server(
        self, source: dict[str, str], tag: str, size: int, most: int, first: int, copied: dict[int, dict[str, Any]]
    ) -> None:
        step = -(-size // min(most, -(-size // LONGEST_COPY)))
        if step > LARGEST_PART:
            raise UnimplementedError(
                f"{size} bytes cannot be copied in {most} part(s): this store takes equal parts only, of up to 5 GiB; "
                "close this file before it is so large, and begin another",
                path=self._path,
            )

        def copy(item: tuple[int, int]) -> None:
            number, start = item
            answer = self._call(
                "upload_part_copy",
                PartNumber=number,
                CopySource=source,
                CopySourceIfMatch=tag,
                CopySourceRange=f"bytes={start}-{min(start + step, size) - 1}",
            )
            result = answer.get("CopyPartResult") or {}
            if "ETag" in result:
                copied[number] = result
            else:
                # A store that does not know the request has stored its empty body as a part.
                self._features.lacking.add(PART_COPIES)

        items = list(enumerate(range(0, size, step), first))
        if len(items) == 1:
            copy(items[0])
            return
        failures = for_each_in_parallel(copy, items)
        if failures.count:
            raise failures.first[0][1]

    def _copy_through_here(
        self, source: dict[str, str], tag: str, size: int, first: int, copied: dict[int, dict[str, Any]]
    ) -> None:
        """Download and upload an object, of which one range is in memory at a time."""
        self._store.notices.once(
            self._bucket,
            PART_COPIES,
            f"the store of bucket {self._bucket} does not copy parts (UploadPartCopy): every flush of an object of "
            "more than 5 MiB downloads and uploads the whole object again. Flush seldom, or start a new file from "
            "time to time",
        )
        if self._features.equal_parts:
            raise UnimplementedError("this store copies no parts, and takes only equal ones", path=self._path)
        # A little more than the smallest part, because the last range may be some bytes shorter than the others.
        count = max(1, size // (SMALLEST_PART + LARGEST_PART_NUMBER))
        step = -(-size // min(count, LARGEST_PART_NUMBER - MOST_COPIES))
        for number, start in enumerate(range(0, size, step), first):
            content = self._store.get_range(source["Bucket"], source["Key"], start, min(start + step, size), tag)
            copied[number] = self.send(number, content)

    def complete(
        self, parts: dict[int, dict[str, Any]], *, crc: int | None, size: int, conditions: dict[str, str]
    ) -> str:
        """Publish the object that the parts make, and return its tag.

        Args:
            parts: By number.
            crc: The CRC-32C of the whole, where it is known.
            size: In bytes.
            conditions: What has to be true of the object that is replaced.
        """

        def request(lacking: set[str]) -> Any:
            with_checksums = self._checksums and CHECKSUMS not in lacking
            fields = ("ETag", "ChecksumCRC32C") if with_checksums else ("ETag",)
            listed = [
                {"PartNumber": number, **{field: part[field] for field in fields if field in part}}
                for number, part in sorted(parts.items())
            ]
            whole: dict[str, Any] = {}
            if with_checksums and self._whole and crc is not None and WHOLE_CHECKSUMS not in lacking:
                whole = {"ChecksumCRC32C": crc32c_header(crc), "ChecksumType": "FULL_OBJECT"}
            if OBJECT_SIZE not in lacking:
                whole["MpuObjectSize"] = size
            return self._call("complete_multipart_upload", MultipartUpload={"Parts": listed}, **whole, **conditions)

        answer = self._features.send(request, (OBJECT_SIZE, WHOLE_CHECKSUMS, CHECKSUMS))
        return str(answer["ETag"])

    def abort(self) -> None:
        """Remove what was uploaded."""
        try:
            self._call("abort_multipart_upload")
        except UploadGoneError:
            return  # which is what was asked for

    def _call(self, operation: str, **parameters: Any) -> Any:
        try:
            return self._store.call(
                operation, self._path, Bucket=self._bucket, Key=self._key, UploadId=self.identifier, **parameters
            )
        except NotFoundError as error:
            cause = error.__cause__
            if not isinstance(cause, ClientError) or code_of(cause) != "NoSuchUpload":
                raise
            # It may have been completed by an attempt whose answer was lost: whoever completes it looks.
            raise UploadGoneError(
                f"the multipart upload {self.identifier} is gone, and with it {self.size} bytes that it held: somebody "
                "aborted it, a lifecycle rule did, or it was completed by a request whose answer was lost",
                path=self._path,
            ) from error
