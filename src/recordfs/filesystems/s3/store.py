"""S3's requests for the filesystem over it: look, list, delete, copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DataLossError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from recordfs.filesystems._object_store.bulk import for_each_in_parallel
from recordfs.filesystems._object_store.notices import Notices
from recordfs.filesystems._object_store.store import ObjectInfo, ObjectPage, ObjectStore
from recordfs.filesystems.s3.errors import (
    _BY_CODE,
    NO_S3_SERVER,
    SDK_ERRORS,
    BrokenAnswerError,
    error_from_answer,
    error_from_sdk,
    refused_without_reason,
)
from recordfs.filesystems.s3.features import BULK_DELETES, CONDITIONS, LISTING_VERSION_2, Features, is_refusal
from recordfs.filesystems.s3.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from obstore import GetOptions, GetResult

    from recordfs.filesystems.s3.client import Clients

__all__ = ["S3Store"]

_Answer = TypeVar("_Answer")

# Source: Amazon S3 API reference. CopyObject takes up to 5 GiB; larger objects are copied in parts.
LARGEST_COPY = 5 << 30

_ALWAYS_ANSWERED = {
    "head_object": ("ContentLength", "ETag", "LastModified"),
    "put_object": ("ETag",),
    "create_multipart_upload": ("UploadId",),
    "upload_part": ("ETag",),
    "complete_multipart_upload": ("ETag",),
}
"""What S3 always answers, so that a server of another kind is found out before anything is taken for stored."""

# Source: obstore's documentation of Attributes. User metadata has lower-case names.
_STANDARD_ATTRIBUTES = frozenset(
    {"Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Cache-Control", "Storage-Class"}
)


def nanoseconds(moment: datetime) -> int:
    """Return a time of the SDK as nanoseconds since 1970-01-01 UTC."""
    return int(moment.timestamp()) * 1_000_000_000


class S3Store(ObjectStore):
    """The requests, each with the settings' options, and errors mapped.

    Attributes:
        notices: What has been said about the buckets.
    """

    described_by_obstore = "HeadObject"

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._options = clients.settings.request_options()
        self.max_attempts = clients.settings.max_attempts
        self._features: dict[str, Features] = {}
        self.notices = Notices()

    def features(self, bucket: str) -> Features:
        """Return what is known of a bucket; one object for each, which learns."""
        found = self._features.get(bucket)
        if found is None:
            host = urlsplit(str(self._clients.s3.meta.endpoint_url)).hostname or ""
            settings = self._clients.settings
            amazon = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
            made = Features(
                amazon=amazon,
                conditional_writes=settings.conditional_writes,
                equal_parts=settings.has_equal_parts(host),
                directory_bucket=amazon and bucket.endswith("--x-s3"),
            )
            found = self._features.setdefault(bucket, made)
        return found

    def has_no_conditions(self, bucket: str) -> bool:
        """Tell whether a bucket is known already not to keep conditions on writes; asks nothing."""
        known = self._features.get(bucket)
        return known is not None and False in known.conditions.values()

    def encryption(self) -> dict[str, Any]:
        """Return the parameters of every request that makes an object."""
        return self._clients.settings.encryption()

    def call(self, operation: str, path: str, **parameters: Any) -> Any:
        """Send one request, with boto3's own names for operation and parameters, and map what goes wrong."""
        try:
            answer = getattr(self._clients.s3, operation)(**parameters, **self._options)
        except SDK_ERRORS as error:
            mapped = error_from_sdk(error, path)
            if isinstance(mapped, DataLossError) and "Body" in parameters:
                # Nothing is lost that the caller still holds: sent again, it may arrive.
                mapped = UnavailableError(f"the bytes arrived damaged: {mapped.message}", path=path)
            raise mapped from error
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
            self._again_if_broken(
                lambda: self.call("get_object", path, Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
            )
            # It was redirected to the bucket's region, which the SDK remembers.
            found = self.call("head_object", path, Bucket=bucket, Key=key)
        return ObjectInfo(
            key, found["ContentLength"], nanoseconds(found["LastModified"]), found["ETag"], found.get("Metadata", {})
        )

    def list_page(
        self, bucket: str, prefix: str, *, delimiter: str = "", page: str | None = None, limit: int = 1000
    ) -> ObjectPage:
        """ListObjectsV2, or ListObjects where the store has only that."""
        return self._again_if_broken(lambda: self._list_page(bucket, prefix, delimiter, page, limit))

    def _list_page(self, bucket: str, prefix: str, delimiter: str, page: str | None, limit: int) -> ObjectPage:
        parameters: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": limit}
        if delimiter:
            parameters["Delimiter"] = delimiter
        path, features = f"s3://{bucket}/{prefix}".removesuffix("/"), self.features(bucket)
        if features.has(LISTING_VERSION_2):
            found = self._list_version_2(path, features, parameters, page)
            if found is not None:
                return _page(found, found.get("NextContinuationToken"), path)
        if page is not None:
            parameters["Marker"] = page
        found = self.call("list_objects", path, **parameters)
        last = [item["Key"] for item in found.get("Contents", [])] + [
            item["Prefix"] for item in found.get("CommonPrefixes", [])
        ]
        # The first version names the next page only where there is a delimiter; else it is what was listed last.
        return _page(found, found.get("NextMarker") or max(last, default=None), path)

    def lists_in_order(self, bucket: str) -> bool:
        """Not in directory buckets (Amazon S3 API reference, ListObjectsV2)."""
        return not self.features(bucket).directory_bucket

    def _list_version_2(
        self, path: str, features: Features, parameters: dict[str, Any], page: str | None
    ) -> dict[str, Any] | None:
        """Return the answer, or None from a store that does not know the second version of the listing."""
        more = {} if page is None else {"ContinuationToken": page}
        try:
            found: dict[str, Any] = self.call("list_objects_v2", path, **parameters, **more)
        except RecordFSError as error:
            if features.amazon or page is not None or not is_refusal(error):
                raise
        else:
            if not found.get("IsTruncated") or found.get("NextContinuationToken"):
                return found
            # It was answered as the first version is: taken for the whole, all that follows would be missing.
        features.lacking.add(LISTING_VERSION_2)
        return None

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
                self.list_page(bucket, "", limit=1)
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

    def kept_versions(self, bucket: str) -> str | None:
        """Return how a bucket keeps what is replaced, or None; directory buckets do not."""
        if self.features(bucket).directory_bucket:
            return None
        answer = self._bucket_request(f"s3://{bucket}", "get_bucket_versioning", Bucket=bucket)
        return "versioning is on" if answer.get("Status") == "Enabled" else None

    def put_marker(self, bucket: str, key: str, *, replace: bool = False) -> None:
        """PutObject of nothing."""
        path = f"s3://{bucket}/{key}"

        def put(lacking: set[str]) -> None:
            condition = {} if replace or CONDITIONS in lacking else {"IfNoneMatch": "*"}
            self.call("put_object", path, Bucket=bucket, Key=key, Body=b"", **condition, **self.encryption())

        try:
            self.features(bucket).send(put, (CONDITIONS,))
        except AbortedError as error:
            raise AlreadyExistsError("the directory exists", path=error.path) from error

    def delete(self, bucket: str, key: str, tag: str | None = None) -> None:
        """DeleteObject, after a look at the version: a conditional one is not understood by every store."""
        if tag is not None:
            try:
                now = self.head(bucket, key).tag
            except NotFoundError:
                return
            if now != tag:
                raise AbortedError(f"expected {tag}, found {now}", path=f"s3://{bucket}/{key}")
        self.call("delete_object", f"s3://{bucket}/{key}", Bucket=bucket, Key=key)

    def delete_many(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, RecordFSError]]:
        """DeleteObjects, or where the store has no such thing DeleteObject for each, in parallel."""
        features = self.features(bucket)
        if features.has(BULK_DELETES):
            try:
                answer = self.call(
                    "delete_objects",
                    f"s3://{bucket}",
                    Bucket=bucket,
                    Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
                )
            except RecordFSError as error:
                if features.amazon or not is_refusal(error):
                    raise
                features.lacking.add(BULK_DELETES)
            else:
                return [
                    (item["Key"], _error_of_item(item, f"s3://{bucket}/{item['Key']}"))
                    for item in answer.get("Errors", [])
                ]
        return self._delete_each(bucket, keys)

    def remove_folders(self, bucket: str, prefix: str) -> None:
        """Delete folders that are listed although no key lies below them, as SeaweedFS keeps them.

        One of them below a directory that was deleted would be listed for ever, and could not be made again. What lies
        below a prefix is asked for again on the way, so that nothing is deleted that somebody writes meanwhile.
        """
        if self.features(bucket).amazon or not prefix:
            return
        if prefix in self.list_page(bucket, prefix.removesuffix("/"), delimiter="/").prefixes:
            self._remove_folder(bucket, prefix)

    def _remove_folder(self, bucket: str, prefix: str) -> None:
        found = self.list_page(bucket, prefix, delimiter="/")
        for below in found.prefixes:
            self._remove_folder(bucket, below)
        if not self.list_page(bucket, prefix, limit=1).objects:
            self.delete(bucket, prefix)

    def _delete_each(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, RecordFSError]]:
        """Delete objects by a request for each, and return those that could not be, and why."""
        failed: list[tuple[str, RecordFSError]] = []

        def delete(key: str) -> None:
            try:
                self.delete(bucket, key)
            except RecordFSError as error:
                failed.append((key, error))

        for_each_in_parallel(delete, keys)
        return failed

    def get_range(self, bucket: str, key: str, start: int, end: int, tag: str) -> bytes:
        """GetObject of a range; again if it breaks off, as the SDK tries only until an answer begins."""
        path = f"s3://{bucket}/{key}"
        asked = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{end - 1}", "IfMatch": tag}

        def get() -> bytes:
            answer = self.call("get_object", path, **asked)
            _check_range(answer, start, end, path)
            try:
                content: bytes = answer["Body"].read()
            except (BotoCoreError, HTTPError) as error:
                raise BrokenAnswerError(f"the answer broke off: {error}", path=path) from error
            self._clients.counter.add("GetObject", received=len(content))
            if len(content) != end - start:
                raise BrokenAnswerError(
                    f"asked for bytes {start} to {end}, found {len(content)} bytes: the answer broke off", path=path
                )
            return content

        return self._again_if_broken(get)

    def _again_if_broken(self, ask: Callable[[], _Answer]) -> _Answer:
        """Call what asks the store for something and changes nothing, again while its answers break off."""
        for _ in range(self.max_attempts - 1):
            try:
                return ask()
            except BrokenAnswerError:
                continue
        return ask()

    def error_from_answer(self, what: str, status: int, code: str, said: str, path: str) -> RecordFSError:
        """By S3's error codes."""
        return error_from_answer(what, status, code, said, path)

    def info_from_obstore(self, key: str, found: GetResult) -> ObjectInfo | None:
        """As ``head``: what obstore calls attributes is user metadata but for the names of its own."""
        meta = found.meta
        if meta["e_tag"] is None:
            return None
        metadata = {name: value for name, value in found.attributes.items() if name not in _STANDARD_ATTRIBUTES}
        return ObjectInfo(key, meta["size"], nanoseconds(meta["last_modified"]), meta["e_tag"], metadata)

    def range_options(self, start: int, end: int, tag: str) -> GetOptions:
        """A range of the version with this ETag."""
        return {"range": (start, end), "if_match": tag}

    def copy(
        self, source_bucket: str, source: ObjectInfo, target_bucket: str, target_key: str, *, overwrite: bool
    ) -> None:
        """CopyObject, or a multipart upload of range copies above 5 GiB."""
        path = f"s3://{target_bucket}/{target_key}"
        if not overwrite:
            # A conditional CopyObject is not understood by every store; looking first is what is left to all of them.
            self._refuse_existing(target_bucket, target_key, path)
        if source.size > LARGEST_COPY:
            self._copy_in_parts(source_bucket, source, target_bucket, target_key)
            return
        answer = self.call(
            "copy_object",
            path,
            Bucket=target_bucket,
            Key=target_key,
            CopySource={"Bucket": source_bucket, "Key": source.key},
            CopySourceIfMatch=source.tag,
            **self.encryption(),
        )
        if "ETag" not in (answer.get("CopyObjectResult") or {}):
            # Taken for a copy, the source of a rename would be deleted behind it.
            raise UnimplementedError(
                f"the answer to CopyObject names no copy of s3://{source_bucket}/{source.key}: this store copies "
                "nothing, and may have put an empty object there. Read the source and write it anew",
                path=path,
            )

    def _refuse_existing(self, bucket: str, key: str, path: str) -> None:
        try:
            self.head(bucket, key)
        except NotFoundError:
            return
        raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=path)

    def _copy_in_parts(self, source_bucket: str, source: ObjectInfo, bucket: str, key: str) -> None:
        """Copy an object that is too large for one request, its ranges in parallel."""
        described = self.call("head_object", f"s3://{source_bucket}/{source.key}", Bucket=source_bucket, Key=source.key)
        made_with = {
            "Metadata": described.get("Metadata", {}),
            "ContentType": described.get("ContentType", "binary/octet-stream"),
            **self.encryption(),
        }
        upload = Upload.begin(self, bucket, key, made_with, checksums=False, whole=False)
        try:
            upload.copy({"Bucket": source_bucket, "Key": source.key}, source.tag, source.size)
            upload.complete(upload.parts, crc=None, size=source.size, conditions={})
        except BaseException as error:
            upload.abort_after(error)
            raise


def _page(found: dict[str, Any], following: str | None, path: str) -> ObjectPage:
    """Return a page from an answer to either version of the listing."""
    if "IsTruncated" not in found and "Name" not in found:
        raise UnknownError(f"the answer to the listing is none: {NO_S3_SERVER}", path=path)
    objects = [
        ObjectInfo(item["Key"], item["Size"], nanoseconds(item["LastModified"]), item["ETag"], {})
        for item in found.get("Contents", [])
    ]
    prefixes = [item["Prefix"] for item in found.get("CommonPrefixes", [])]
    return ObjectPage(objects, prefixes, following if found.get("IsTruncated") else None)


def _check_range(answer: dict[str, Any], start: int, end: int, path: str) -> None:
    """Raise if an answer has other bytes than were asked for, before they are read: it may be all of a large object."""
    where = answer.get("ContentRange") or ("" if start else f"bytes 0-{answer['ContentLength'] - 1}/")
    if not where.startswith(f"bytes {start}-{end - 1}/"):
        answer["Body"].close()
        raise UnknownError(
            f"asked for bytes {start} to {end}, found {where or 'the whole object'}: the server, or something between, "
            "does not keep to ranges",
            path=path,
        )


def _error_of_item(item: dict[str, Any], path: str) -> RecordFSError:
    """Return the error of one object in the answer to a bulk delete."""
    cls = _BY_CODE.get(item.get("Code", ""), RecordFSError)
    return cls(f"DeleteObjects answered {item.get('Code')}: {item.get('Message', '')}".rstrip(": "), path=path)
