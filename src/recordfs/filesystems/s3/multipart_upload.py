"""One multipart upload: the requests by which parts are sent, copied by the store, and published.

Source of the limits: Amazon S3 User Guide, "Multipart upload limits".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from recordfs._core import crc32c_of_still_memory
from recordfs.errors import NotFoundError
from recordfs.filesystems._object_store.checksums import crc32c_header
from recordfs.filesystems._object_store.parts import CopySource, PartLimits, UploadGoneError, UploadInParts
from recordfs.filesystems.s3.errors import code_of
from recordfs.filesystems.s3.features import CHECKSUMS, OBJECT_SIZE, WHOLE_CHECKSUMS
from recordfs.filesystems.s3.requests import as_body, condition_of

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems.s3.requests import S3Requests

__all__ = ["SMALLEST_PART", "MultipartUpload"]

SMALLEST_PART = 5 << 20
"""Every part but the last has at least this size."""


class MultipartUpload(UploadInParts):
    """A multipart upload that is under way; see UploadInParts.

    Args:
        store: The requests.
        target: The object that is made.
        identifier: The store's name for the upload.
        checksums: Its parts carry CRC-32Cs.
        whole: The finished object carries a CRC-32C of the whole.
    """

    limits = PartLimits(smallest=SMALLEST_PART, largest=5 << 30, filled=9_000, most=10_000)

    def __init__(self, store: S3Requests, target: Location, identifier: str, *, checksums: bool, whole: bool) -> None:
        super().__init__(store, target, identifier)
        self._store = store
        self._checksums = checksums
        self._whole = whole

    @classmethod
    def begin(
        cls, store: S3Requests, target: Location, parameters: dict[str, Any], *, checksums: bool, whole: bool
    ) -> MultipartUpload:
        """Create an upload whose object will be made with these parameters.

        The rest is as the arguments of the class; of the last two the store may have to be spared one or both.
        """
        path, bucket, key = target

        def request(lacking: set[str]) -> tuple[str, bool, bool]:
            # Without one for the whole, copied parts would need checksums of their own, which stores disagree about.
            with_checksums = checksums and CHECKSUMS not in lacking and not (whole and WHOLE_CHECKSUMS in lacking)
            with_whole = with_checksums and whole
            kind: dict[str, Any] = {"ChecksumAlgorithm": "CRC32C"} if with_checksums else {}
            if with_whole:
                kind["ChecksumType"] = "FULL_OBJECT"
            answer = store.call("create_multipart_upload", path, Bucket=bucket, Key=key, **kind, **parameters)
            return answer["UploadId"], with_checksums, with_whole

        droppable = (WHOLE_CHECKSUMS, CHECKSUMS) if checksums else ()
        identifier, with_checksums, with_whole = store.features(bucket).send(request, droppable)
        return cls(store, target, identifier, checksums=with_checksums, whole=with_whole)

    def send(self, number: int, *buffers: bytes | bytearray) -> dict[str, Any]:
        """UploadPart."""
        body = as_body(buffers)

        def request(checksum: dict[str, str]) -> dict[str, Any]:
            answer: dict[str, Any] = self._call("upload_part", PartNumber=number, Body=body, **checksum)
            return answer

        return self._store.features(self._bucket).send_verified(
            request, body, crc32c_of_still_memory(body) if self._checksums else None
        )

    def copy_range(self, number: int, source: CopySource, start: int, end: int) -> dict[str, Any] | None:
        """UploadPartCopy."""
        answer = self._call(
            "upload_part_copy",
            PartNumber=number,
            CopySource={"Bucket": source.bucket, "Key": source.key},
            CopySourceIfMatch=source.tag,
            CopySourceRange=f"bytes={start}-{end - 1}",
        )
        result: dict[str, Any] = answer.get("CopyPartResult") or {}
        # A store that does not know the request has stored its empty body as a part.
        return result if "ETag" in result else None

    def complete(
        self, parts: dict[int, dict[str, Any]], *, size: int, crc: int | None = None, replaces: str | None = None
    ) -> str:
        """CompleteMultipartUpload."""

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
            return self._call(
                "complete_multipart_upload", MultipartUpload={"Parts": listed}, **whole, **condition_of(replaces)
            )

        answer = self._features.send(request, (OBJECT_SIZE, WHOLE_CHECKSUMS, CHECKSUMS))
        return str(answer["ETag"])

    def abort(self) -> None:
        """AbortMultipartUpload."""
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
