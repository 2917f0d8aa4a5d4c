"""S3's requests for the filesystem over it: look, list, delete, copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems._object_store.bulk import for_each_in_parallel
from recordfs.filesystems._object_store.store import ObjectInfo, ObjectPage, ObjectStore
from recordfs.filesystems.s3.errors import (
    _BY_CODE,
    NO_S3_SERVER,
    SDK_ERRORS,
    error_from_answer,
    error_from_sdk,
    refused_without_reason,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from obstore import GetOptions

    from recordfs.filesystems.s3.client import Clients

__all__ = ["S3Store"]

# Source: Amazon S3 API reference. CopyObject takes up to 5 GiB; larger objects are copied in parts.
LARGEST_COPY = 5 << 30
COPY_PART = 128 << 20
MOST_COPIES = 10_000

_ALWAYS_ANSWERED = {
    "head_object": ("ContentLength", "ETag", "LastModified"),
    "put_object": ("ETag",),
    "create_multipart_upload": ("UploadId",),
    "upload_part": ("ETag",),
    "complete_multipart_upload": ("ETag",),
}
"""What S3 always answers, so that a server of another kind is found out before anything is taken for stored."""


def nanoseconds(moment: datetime) -> int:
    """Return a time of the SDK as nanoseconds since 1970-01-01 UTC."""
    return int(moment.timestamp()) * 1_000_000_000


class S3Store(ObjectStore):
    """The requests, each with the settings' options, and errors mapped."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._options = clients.settings.request_options()

    def encryption(self) -> dict[str, Any]:
        """Return the parameters of every request that makes an object."""
        return self._clients.settings.encryption()

    def call(self, operation: str, path: str, **parameters: Any) -> Any:
        """Send one request, with boto3's own names for operation and parameters, and map what goes wrong."""
        try:
            answer = getattr(self._clients.s3, operation)(**parameters, **self._options)
        except SDK_ERRORS as error:
            raise error_from_sdk(error, path) from error
        for field in _ALWAYS_ANSWERED.get(operation, ()):
            if field not in answer:
                raise UnknownError(f"the answer to {operation} has no {field}: {NO_S3_SERVER}", path=path)
        return answer

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """HeadObject, and where that is refused without a reason, a request that gets one."""
        path = f"s3://{bucket}/{key}"
        try:
            found = self.call("head_object", path, Bucket=bucket, Key=key)
        except RecordFSError as error:
            if not refused_without_reason(error):
                raise
            self.call("get_object", path, Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
            # It was redirected to the bucket's region, which the SDK remembers.
            found = self.call("head_object", path, Bucket=bucket, Key=key)
        return ObjectInfo(
            key, found["ContentLength"], nanoseconds(found["LastModified"]), found["ETag"], found.get("Metadata", {})
        )

    def list_page(
        self, bucket: str, prefix: str, *, delimiter: str = "", page: str | None = None, limit: int = 1000
    ) -> ObjectPage:
        """ListObjectsV2."""
        parameters: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": limit}
        if delimiter:
            parameters["Delimiter"] = delimiter
        if page is not None:
            parameters["ContinuationToken"] = page
        found = self.call("list_objects_v2", f"s3://{bucket}/{prefix}".removesuffix("/"), **parameters)
        objects = [
            ObjectInfo(item["Key"], item["Size"], nanoseconds(item["LastModified"]), item["ETag"], {})
            for item in found.get("Contents", [])
        ]
        prefixes = [item["Prefix"] for item in found.get("CommonPrefixes", [])]
        return ObjectPage(objects, prefixes, found.get("NextContinuationToken") if found.get("IsTruncated") else None)

    def list_buckets(self) -> list[str]:
        """ListBuckets."""
        return [bucket["Name"] for bucket in self._bucket_request("s3://", "list_buckets").get("Buckets", [])]

    def bucket_exists(self, bucket: str) -> bool:
        """HeadBucket; who may not list a bucket may still know that it is there."""
        path = f"s3://{bucket}"
        try:
            self._bucket_request(path, "head_bucket", Bucket=bucket)
        except NotFoundError:
            return False
        except RecordFSError as error:
            if not refused_without_reason(error):
                raise
            try:
                self.call("list_objects_v2", path, Bucket=bucket, MaxKeys=1)
            except NotFoundError:
                return False
            except PermissionDeniedError:
                return True
        return True

    def _bucket_request(self, path: str, operation: str, **parameters: Any) -> Any:
        """Send a request that takes no RequestPayer."""
        try:
            return getattr(self._clients.s3, operation)(**parameters)
        except SDK_ERRORS as error:
            raise error_from_sdk(error, path) from error

    def put_marker(self, bucket: str, key: str) -> None:
        """PutObject of nothing, if nothing is there."""
        try:
            self.call(
                "put_object",
                f"s3://{bucket}/{key}",
                Bucket=bucket,
                Key=key,
                Body=b"",
                IfNoneMatch="*",
                **self.encryption(),
            )
        except AbortedError as error:
            raise AlreadyExistsError("the directory exists", path=error.path) from error

    def delete(self, bucket: str, key: str) -> None:
        """DeleteObject."""
        self.call("delete_object", f"s3://{bucket}/{key}", Bucket=bucket, Key=key)

    def delete_many(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, RecordFSError]]:
        """DeleteObjects."""
        answer = self.call(
            "delete_objects",
            f"s3://{bucket}",
            Bucket=bucket,
            Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
        )
        return [
            (item["Key"], _error_of_item(item, f"s3://{bucket}/{item['Key']}")) for item in answer.get("Errors", [])
        ]

    def get_range(self, bucket: str, key: str, start: int, end: int, tag: str) -> bytes:
        """GetObject of a range."""
        path = f"s3://{bucket}/{key}"
        answer = self.call("get_object", path, Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}", IfMatch=tag)
        try:
            content: bytes = answer["Body"].read()
        except (BotoCoreError, HTTPError) as error:
            raise UnavailableError(f"the answer broke off: {error}", path=path) from error
        self._clients.counter.add("GetObject", received=len(content))
        return content

    def error_from_answer(self, what: str, status: int, code: str, said: str, path: str) -> RecordFSError:
        """By S3's error codes."""
        return error_from_answer(what, status, code, said, path)

    def range_options(self, start: int, end: int, tag: str) -> GetOptions:
        """A range of the version with this ETag."""
        return {"range": (start, end), "if_match": tag}

    def copy(
        self, source_bucket: str, source: ObjectInfo, target_bucket: str, target_key: str, *, overwrite: bool
    ) -> None:
        """CopyObject, or a multipart upload of range copies above 5 GiB."""
        common: dict[str, Any] = {
            "Bucket": target_bucket,
            "Key": target_key,
            "CopySource": {"Bucket": source_bucket, "Key": source.key},
            "CopySourceIfMatch": source.tag,
        }
        path = f"s3://{target_bucket}/{target_key}"
        if source.size > LARGEST_COPY:
            self._copy_in_parts(source, common, path, overwrite=overwrite)
            return
        if not overwrite:
            # A conditional CopyObject is not understood by every store; looking first is what is left to all of them.
            self._refuse_existing(target_bucket, target_key, path)
        self.call("copy_object", path, **common, **self.encryption())

    def _refuse_existing(self, bucket: str, key: str, path: str) -> None:
        try:
            self.head(bucket, key)
        except NotFoundError:
            return
        raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=path)

    def _copy_in_parts(self, source: ObjectInfo, common: dict[str, Any], path: str, *, overwrite: bool) -> None:
        """Copy an object that is too large for one request, its ranges in parallel."""
        target = {"Bucket": common["Bucket"], "Key": common["Key"]}
        step = max(COPY_PART, -(-source.size // MOST_COPIES))
        if not overwrite:
            self._refuse_existing(common["Bucket"], common["Key"], path)
        described = self.call("head_object", path, Bucket=common["CopySource"]["Bucket"], Key=source.key)
        upload = self.call(
            "create_multipart_upload",
            path,
            **target,
            Metadata=described.get("Metadata", {}),
            ContentType=described.get("ContentType", "binary/octet-stream"),
            **self.encryption(),
        )["UploadId"]
        parts: dict[int, str] = {}

        def copy_part(item: tuple[int, int]) -> None:
            number, start = item
            end = min(start + step, source.size) - 1
            answer = self.call(
                "upload_part_copy",
                path,
                **common,
                UploadId=upload,
                PartNumber=number,
                CopySourceRange=f"bytes={start}-{end}",
            )
            parts[number] = answer["CopyPartResult"]["ETag"]

        try:
            failures = for_each_in_parallel(copy_part, enumerate(range(0, source.size, step), 1))
            if failures.count:
                raise failures.first[0][1]
            self.call(
                "complete_multipart_upload",
                path,
                **target,
                UploadId=upload,
                MultipartUpload={"Parts": [{"PartNumber": number, "ETag": parts[number]} for number in sorted(parts)]},
            )
        except BaseException:
            self.call("abort_multipart_upload", path, **target, UploadId=upload)
            raise


def _error_of_item(item: dict[str, Any], path: str) -> RecordFSError:
    """Return the error of one object in the answer to a bulk delete."""
    cls = _BY_CODE.get(item.get("Code", ""), RecordFSError)
    return cls(f"DeleteObjects answered {item.get('Code')}: {item.get('Message', '')}".rstrip(": "), path=path)
