"""S3's requests for the filesystem over it: look, list, delete, copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    AlreadyExistsError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnimplementedError,
    UnknownError,
)
from recordfs.filesystems._object_store.broken_answers import again_if_broken, reading_answer
from recordfs.filesystems._object_store.checksums import crc32c_from_header
from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage, UnfinishedUpload
from recordfs.filesystems._object_store.opening import Known, Location
from recordfs.filesystems._object_store.parts import CopySource
from recordfs.filesystems.s3.errors import (
    _BY_CODE,
    NO_S3_SERVER,
    error_from_answer,
    refused_without_reason,
)
from recordfs.filesystems.s3.features import BULK_DELETES, CONDITIONS, LISTING_VERSION_2, S3Features
from recordfs.filesystems.s3.multipart_upload import SMALLEST_PART, MultipartUpload
from recordfs.filesystems.s3.object_upload import S3ObjectUpload
from recordfs.filesystems.s3.probe import learn_conditions
from recordfs.filesystems.s3.requests import S3Requests, is_same_etag, nanoseconds, size_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from obstore import GetOptions, GetResult

    from recordfs.filesystems._object_store.opening import Opening
    from recordfs.filesystems._object_store.upload import ObjectUpload
    from recordfs.filesystems.s3.client import Clients

__all__ = ["S3Store"]

# Source: Amazon S3 API reference. CopyObject takes up to 5 GiB; larger objects are copied in parts.
LARGEST_COPY = 5 << 30

_KEPT_PROPERTIES = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")
"""What an object keeps when bytes are appended to it, besides its metadata."""

# Source: obstore's documentation of Attributes. User metadata has lower-case names.
_STANDARD_ATTRIBUTES = frozenset(
    {"Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Cache-Control", "Storage-Class"}
)


class S3Store(S3Requests):
    """The requests, each with the settings' options, and errors mapped.

    Args:
        clients: The SDK's clients.
        part_size: Bytes of one part of a long write.
    """

    described_by_obstore = "HeadObject"
    streams_as = "GetObject"
    write_only_advice = "Grant s3:GetObject and s3:ListBucket to have both"

    def __init__(self, clients: Clients, part_size: int = SMALLEST_PART) -> None:
        super().__init__(clients)
        self._part_size = part_size

    def _list_page(self, bucket: str, prefix: str, *, delimiter: str, page: str | None, limit: int) -> ObjectPage:
        """ListObjectsV2, or ListObjects where the store has only that."""

        def ask() -> ObjectPage:
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

        return again_if_broken(ask, self.max_attempts)

    def lists_in_order(self, bucket: str) -> bool:
        """Not in directory buckets (Amazon S3 API reference, ListObjectsV2)."""
        return not self.features(bucket).directory_bucket

    def _list_version_2(
        self, path: str, features: S3Features, parameters: dict[str, Any], page: str | None
    ) -> dict[str, Any] | None:
        """Return the answer, or None from a store that does not know the second version of the listing."""
        more = {} if page is None else {"ContinuationToken": page}
        try:
            found: dict[str, Any] = self.call("list_objects_v2", path, **parameters, **more)
        except RecordFSError as error:
            if page is not None or not features.is_refusal(error):
                raise
        else:
            if not found.get("IsTruncated") or found.get("NextContinuationToken"):
                return found
            # It was answered as the first version is: taken for the whole, all that follows would be missing.
        features.lacking.add(LISTING_VERSION_2)
        return None

    def list_buckets(self) -> list[str]:
        """ListBuckets."""
        found = self.call("list_buckets", "s3://").get("Buckets", [])
        with reading_answer("s3://", NO_S3_SERVER):
            return [bucket["Name"] for bucket in found]

    def bucket_exists(self, bucket: str) -> bool:
        """HeadBucket; who may not list a bucket may still know that it is there."""
        path = f"s3://{bucket}"
        try:
            self.call("head_bucket", path, Bucket=bucket)
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

    def kept_versions(self, bucket: str) -> str | None:
        """See ObjectStore. Directory buckets keep nothing."""
        if self.features(bucket).directory_bucket:
            return None
        answer = self.call("get_bucket_versioning", f"s3://{bucket}", Bucket=bucket)
        return "versioning is on" if answer.get("Status") == "Enabled" else None

    def _put_marker(self, bucket: str, key: str, mark: dict[str, str], *, replace: bool) -> None:
        """PutObject of nothing."""
        made_with = {"Bucket": bucket, "Key": key, "Body": b"", "Metadata": mark, **self.encryption()}

        def put(lacking: set[str]) -> None:
            condition = {} if replace or CONDITIONS in lacking else {"IfNoneMatch": "*"}
            self.call("put_object", f"s3://{bucket}/{key}", **made_with, **condition)

        self.features(bucket).send(put, (CONDITIONS,))

    def delete_many(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, RecordFSError]]:
        """DeleteObjects, or where the store has no such thing DeleteObject for each, in parallel.

        An answer that does not name each key, as one of a proxy's does not, is not taken for a deletion.
        """
        features = self.features(bucket)
        if features.has(BULK_DELETES):
            try:
                answer = self.call(
                    "delete_objects",
                    f"s3://{bucket}",
                    Bucket=bucket,
                    Delete={"Objects": [{"Key": key} for key in keys]},
                )
            except RecordFSError as error:
                if not features.is_refusal(error):
                    raise
                features.lacking.add(BULK_DELETES)
            else:
                failed = answer.get("Errors", [])
                # By number: what XML cannot hold comes back as another name.
                is_told = len(answer.get("Deleted", [])) + len(failed) >= len(keys)
                if is_told and all("Key" in item for item in failed):
                    return [(item["Key"], _error_of_item(item, f"s3://{bucket}/{item['Key']}")) for item in failed]
        return super().delete_many(bucket, keys)

    # Writing

    def check_exclusive(self, location: Location) -> None:
        """See ObjectStore."""
        kept = [learn_conditions(self, location, operation) for operation in ("PutObject", "CompleteMultipartUpload")]
        if False in kept:
            raise UnimplementedError(
                "exclusive creation needs a store that keeps If-None-Match, and this one does not; write to a name "
                "that nobody else uses instead",
                path=location.path,
            )

    def known_of(self, location: Location, found: ObjectInfo) -> Known:
        """HeadObject with the checksum, and the bytes of a small object."""
        where = {"Bucket": location.bucket, "Key": location.key}
        described = self.call("head_object", location.path, **where, IfMatch=found.tag, ChecksumMode="ENABLED")
        properties = {name: described[name] for name in _KEPT_PROPERTIES if described.get(name)}
        kept, crc = b"", None
        put_again = self._part_size if self.features(location.bucket).equal_parts else SMALLEST_PART
        if 0 < found.size < put_again:
            kept = self.get_range(location.bucket, location.key, 0, found.size, found.tag)
        if described.get("ChecksumType") == "FULL_OBJECT" and "ChecksumCRC32C" in described:
            with reading_answer(location.path, NO_S3_SERVER):
                crc = crc32c_from_header(described["ChecksumCRC32C"])
        return Known(kept, crc, found.metadata, properties)

    def new_upload(self, opening: Opening, known: Known) -> ObjectUpload:
        """See ObjectStore."""
        return S3ObjectUpload(self, opening, known, self._part_size)

    def unfinished_uploads(self, bucket: str, prefix: str) -> list[UnfinishedUpload]:
        """ListMultipartUploads."""
        path, asked = f"s3://{bucket}/{prefix}", self.listable(bucket, prefix)
        found = self.call("list_multipart_uploads", path, Bucket=bucket, Prefix=asked).get("Uploads", [])
        with reading_answer(path, NO_S3_SERVER):
            uploads = [UnfinishedUpload(item["Key"], item["UploadId"], item["Initiated"]) for item in found]
        return [upload for upload in uploads if upload.key.startswith(prefix)]

    def has_grown(self, bucket: str, upload: UnfinishedUpload, since: dt.datetime) -> bool:
        """ListParts, page by page."""
        path, number = f"s3://{bucket}/{upload.key}", 0
        where = {"Bucket": bucket, "Key": upload.key, "UploadId": upload.identifier}
        while True:
            found = self.call("list_parts", path, **where, PartNumberMarker=number)
            if any(part["LastModified"] >= since for part in found.get("Parts", [])):
                return True
            if not found.get("IsTruncated"):
                return False
            following = int(found.get("NextPartNumberMarker") or 0)
            if following <= number:
                return True  # the rest cannot be seen
            number = following

    def abort_unfinished_upload(self, bucket: str, upload: UnfinishedUpload) -> None:
        """AbortMultipartUpload."""
        where = {"Bucket": bucket, "Key": upload.key, "UploadId": upload.identifier}
        self.call("abort_multipart_upload", f"s3://{bucket}/{upload.key}", **where)

    # Reading by obstore

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

    def is_version(self, found: GetResult, tag: str) -> bool:
        """By the ETag."""
        return is_same_etag(found.meta["e_tag"] or tag, tag)

    def copy(
        self, source_bucket: str, source: ObjectInfo, target_bucket: str, target_key: str, *, overwrite: bool
    ) -> None:
        """CopyObject, or a multipart upload of range copies above 5 GiB."""
        path = f"s3://{target_bucket}/{target_key}"
        # A conditional CopyObject is not understood by every store; looking first is what is left to all of them.
        if not overwrite and self.exists(target_bucket, target_key):
            raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=path)
        if source.size > LARGEST_COPY:
            origin = CopySource(source_bucket, source.key, source.tag, source.size)
            self._copy_in_parts(origin, Location(path, target_bucket, target_key))
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
            # Taken for a copy, the source of a rename would be deleted after it.
            raise UnimplementedError(
                f"the answer to CopyObject names no copy of s3://{source_bucket}/{source.key}: this store copies "
                "nothing, and may have put an empty object there. Read the source and write it to the target instead",
                path=path,
            )

    def _copy_in_parts(self, source: CopySource, target: Location) -> None:
        """Copy an object that is too large for one request, its ranges in parallel."""
        described = self.call("head_object", f"s3://{source.bucket}/{source.key}", Bucket=source.bucket, Key=source.key)
        made_with = {
            "Metadata": described.get("Metadata", {}),
            "ContentType": described.get("ContentType", "binary/octet-stream"),
            **self.encryption(),
        }
        upload = MultipartUpload.begin(self, target, made_with, checksums=False, whole=False)
        with upload.aborted_by_errors():
            upload.copy(source)
            upload.complete(upload.parts, size=source.size)


def _page(found: dict[str, Any], following: str | None, path: str) -> ObjectPage:
    """Return a page from an answer to either version of the listing."""
    if "IsTruncated" not in found and "Name" not in found:
        raise UnknownError(f"the answer is not a listing: {NO_S3_SERVER}", path=path)
    with reading_answer(path, NO_S3_SERVER):
        objects = [
            ObjectInfo(item["Key"], size_of(item["Size"]), nanoseconds(item["LastModified"]), item["ETag"], {})
            for item in found.get("Contents", [])
        ]
        prefixes = [item["Prefix"] for item in found.get("CommonPrefixes", [])]
    return ObjectPage(objects, prefixes, following if found.get("IsTruncated") else None)


def _error_of_item(item: dict[str, Any], path: str) -> RecordFSError:
    """Return the error of one object in the answer to a bulk delete."""
    cls = _BY_CODE.get(item.get("Code", ""), RecordFSError)
    return cls(f"DeleteObjects answered {item.get('Code')}: {item.get('Message', '')}".rstrip(": "), path=path)
