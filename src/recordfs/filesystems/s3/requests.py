"""S3's requests for one object, and how every request is sent: with the settings' options, and errors mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from recordfs.errors import AbortedError, DataLossError, RecordFSError, UnavailableError, UnknownError
from recordfs.filesystems._object_store.broken_answers import (
    BrokenAnswerError,
    again_if_broken,
    check_content_range,
    whole_range,
)
from recordfs.filesystems._object_store.commits import NOTHING
from recordfs.filesystems._object_store.objects import ObjectInfo
from recordfs.filesystems._object_store.store import DELETED, DeletionAnswer, ObjectStore
from recordfs.filesystems.s3.errors import (
    NO_S3_SERVER,
    SDK_ERRORS,
    error_from_sdk,
    refused_without_reason,
    shown_cause,
)
from recordfs.filesystems.s3.features import S3Features

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from recordfs.filesystems.s3.client import Clients

__all__ = ["S3Requests", "as_body", "condition_of", "nanoseconds"]

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


def size_of(told: int) -> int:
    """Return a size, or raise ValueError if it is none."""
    if told < 0:
        raise ValueError(f"expected a size, found {told}")
    return told


def is_same_etag(first: str, second: str) -> bool:
    """Tell whether two ETags name one version. Stores leave the quotes out here and there, proxies make them weak."""
    return first.removeprefix("W/").strip('"') == second.removeprefix("W/").strip('"')


_WITHOUT_OPTIONS = ("list_buckets", "head_bucket", "get_bucket_versioning")
"""The requests about buckets, which take no RequestPayer."""


def as_body(buffers: Sequence[bytes | bytearray]) -> bytes | bytearray:
    """Return buffers as one body. The SDK hands bytes to the socket at once, and reads a file in pieces of 16 KiB."""
    return buffers[0] if len(buffers) == 1 else b"".join(buffers)


def condition_of(replaces: str | None) -> dict[str, str]:
    """Return the parameters of a write that may replace a version only, nothing, or (None) whatever is there."""
    if replaces is None:
        return {}
    return {"IfNoneMatch": "*"} if replaces == NOTHING else {"IfMatch": replaces}


class S3Requests(ObjectStore):
    """The requests of one filesystem. Safe to use from any thread.

    Args:
        clients: The SDK's clients.
    """

    def __init__(self, clients: Clients) -> None:
        super().__init__("s3", max_attempts=clients.settings.max_attempts)
        self._clients = clients
        self._options = clients.settings.request_options()

    def features(self, bucket: str) -> S3Features:
        """See ObjectStore."""
        found = super().features(bucket)
        assert isinstance(found, S3Features)
        return found

    def _new_features(self, bucket: str) -> S3Features:
        host = urlsplit(str(self._clients.s3.meta.endpoint_url)).hostname or ""
        settings = self._clients.settings
        amazon = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
        return S3Features(
            amazon=amazon,
            conditional_writes=settings.conditional_writes,
            equal_parts=settings.has_equal_parts(host),
            directory_bucket=amazon and bucket.endswith("--x-s3"),
        )

    def is_without_conditions(self, bucket: str) -> bool:
        """See ObjectStore."""
        known = self._features.get(bucket)
        return known is not None and False in known.conditions.values()

    def listable(self, bucket: str, prefix: str) -> str:
        """Directory buckets list only what is below a whole directory."""
        return prefix[: prefix.rfind("/") + 1] if self.features(bucket).directory_bucket else prefix

    def encryption(self) -> dict[str, Any]:
        """Return the parameters of every request that makes an object."""
        return self._clients.settings.encryption()

    def call(self, operation: str, path: str, **parameters: Any) -> Any:
        """Send one request, with boto3's own names for operation and parameters, and map what goes wrong."""
        options = {} if operation in _WITHOUT_OPTIONS else self._options
        try:
            answer = getattr(self._clients.s3, operation)(**parameters, **options)
        except SDK_ERRORS as error:
            mapped = error_from_sdk(error, path)
            if isinstance(mapped, DataLossError) and "Body" in parameters:
                # Nothing is lost that the caller still holds: sent again, it may arrive.
                mapped = UnavailableError(f"the bytes arrived damaged: {mapped.message}", path=path)
            raise mapped from shown_cause(error)
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
            again_if_broken(
                lambda: self.call("get_object", path, Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close(),
                self.max_attempts,
            )
            # It was redirected to the bucket's region, which the SDK remembers.
            found = self.call("head_object", path, Bucket=bucket, Key=key)
        return ObjectInfo(
            key, found["ContentLength"], nanoseconds(found["LastModified"]), found["ETag"], found.get("Metadata", {})
        )

    def open_range(self, bucket: str, key: str, start: int, end: int, tag: str) -> Any:
        """GetObject of a range, whose bytes are still to come."""
        path = f"s3://{bucket}/{key}"
        asked = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{end - 1}", "IfMatch": tag}
        answer = self.call("get_object", path, **asked)
        try:
            # A server that does not look at the condition may answer with another version, or with the whole of it.
            if not is_same_etag(answer.get("ETag") or tag, tag):
                raise AbortedError(f"asked for version {tag}, found {answer['ETag']}", path=path)
            check_content_range(answer.get("ContentRange"), answer.get("ContentLength", 0), start, end, path)
        except RecordFSError:
            answer["Body"].close()
            raise
        return answer["Body"]

    def get_range(self, bucket: str, key: str, start: int, end: int, tag: str) -> bytes:
        """GetObject of a range; again if it breaks off, as the SDK tries only until an answer begins."""
        path = f"s3://{bucket}/{key}"

        def get() -> bytes:
            body = self.open_range(bucket, key, start, end, tag)
            try:
                content: bytes = body.read()
            except (BotoCoreError, HTTPError) as error:
                raise BrokenAnswerError(f"the answer broke off: {error}", path=path) from error
            self._clients.counter.add("GetObject", received=len(content))
            return whole_range(content, start, end, path)

        return again_if_broken(get, self.max_attempts)

    def _delete(self, bucket: str, key: str, tag: str | None) -> DeletionAnswer:
        """DeleteObject, after a look at the version: a conditional one is not understood by every store."""
        path = f"s3://{bucket}/{key}"
        if tag is not None:
            found = self.head_or_none(bucket, key)
            if found is None:
                return DELETED
            if found.tag != tag:
                raise AbortedError(f"expected {tag}, found {found.tag}", path=path)
        told = self.call("delete_object", path, Bucket=bucket, Key=key)["ResponseMetadata"]
        return DeletionAnswer(told["HTTPStatusCode"], told["HTTPHeaders"].get("content-length", "0") == "0")
