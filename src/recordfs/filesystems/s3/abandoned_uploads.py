"""Removing what writers that died have left behind: unfinished uploads and temporary objects of one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import RecordFSError
from recordfs.filesystems._object_store.orphans import oldest_living, orphaned_objects
from recordfs.filesystems._object_store.temporary import temporary_prefix

if TYPE_CHECKING:
    import datetime as dt

    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems.s3.store import S3Store

__all__ = ["clean_up"]


def clean_up(store: S3Store, target: Location, *, staged: bool) -> None:
    """Abort old uploads to a key and, with ``staged``, delete old temporary objects made for it.

    What fails is said once for each bucket.
    """
    _, bucket, key = target
    try:
        _abort_uploads(store, bucket, key)
        if staged:
            _abort_uploads(store, bucket, temporary_prefix(key), prefix=True)
            for orphan in orphaned_objects(store, bucket, key):
                store.delete(bucket, orphan)
    except RecordFSError as error:  # cleaning up after others must not fail what this writer's user asked for
        store.notices.once(
            bucket,
            "orphans",
            f"unfinished uploads of writers that died cannot be cleaned up in bucket {bucket}; set a lifecycle rule "
            f"that aborts incomplete multipart uploads: {error}",
        )


def _abort_uploads(store: S3Store, bucket: str, key: str, *, prefix: bool = False) -> None:
    oldest = oldest_living()
    path = f"s3://{bucket}/{key}"
    found = store.call("list_multipart_uploads", path, Bucket=bucket, Prefix=store.listable(bucket, key))
    for upload in found.get("Uploads", []):
        its_own = upload["Key"].startswith(key) if prefix else upload["Key"] == key
        if its_own and upload["Initiated"] < oldest and not _has_grown(store, path, bucket, upload, oldest):
            store.call("abort_multipart_upload", path, Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _has_grown(store: S3Store, path: str, bucket: str, upload: dict[str, Any], since: dt.datetime) -> bool:
    """Tell whether an upload got a part since then: a long write goes to one and the same upload for days."""
    number = 0
    while True:
        found = store.call(
            "list_parts",
            path,
            Bucket=bucket,
            Key=upload["Key"],
            UploadId=upload["UploadId"],
            PartNumberMarker=number,
        )
        if any(part["LastModified"] >= since for part in found.get("Parts", [])):
            return True
        if not found.get("IsTruncated"):
            return False
        following = int(found.get("NextPartNumberMarker") or 0)
        if following <= number:
            return True  # the rest cannot be seen
        number = following
