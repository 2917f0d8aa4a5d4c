"""Telling whoever flushes often that a bucket keeps every version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import RecordFSError

if TYPE_CHECKING:
    from recordfs.filesystems.s3.store import S3Store

__all__ = ["mention_versions"]


def mention_versions(store: S3Store, bucket: str) -> None:
    """Say once for each bucket that old versions are kept, if they are; asks the store once for each bucket."""
    features = store.features(bucket)
    if features.versioning_known or features.directory_bucket:  # the latter keep none
        return
    features.versioning_known = True
    try:
        answer = store.call("get_bucket_versioning", f"s3://{bucket}", Bucket=bucket)
    except RecordFSError:
        return  # no right to know, or no such thing here: nothing that a flush should fail for
    if answer.get("Status") == "Enabled":
        store.notices.once(
            bucket,
            "versions",
            f"bucket {bucket} keeps old versions: every flush leaves one of the object's full size, which is paid for. "
            "Let a lifecycle rule expire noncurrent versions, or flush seldom",
        )
