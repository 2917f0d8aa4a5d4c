"""Removing what writers that died have left behind: unfinished uploads and temporary objects of one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import RecordFSError
from recordfs.filesystems._object_store.orphans import oldest_living, orphaned_objects
from recordfs.filesystems._object_store.temporary import temporary_prefix

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Container

    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems.s3.store import S3Store

__all__ = ["Leftovers", "find_leftovers", "remove_leftovers"]


class Leftovers(NamedTuple):
    """What seems to be left of writers to an object that are gone.

    Attributes:
        uploads: As ListMultipartUploads tells of them.
        objects: The keys of temporary objects.
    """

    uploads: list[dict[str, Any]]
    objects: list[str]


def find_leftovers(store: S3Store, target: Location, *, staged: bool) -> Leftovers:
    """Look for old uploads to a key and, with ``staged``, for old temporary objects made for it.

    What fails is said once for each bucket.
    """
    _, bucket, key = target
    found = Leftovers([], [])
    try:
        found.uploads.extend(_old_uploads(store, bucket, key))
        if staged:
            found.uploads.extend(_old_uploads(store, bucket, temporary_prefix(key), prefix=True))
            found.objects.extend(orphaned_objects(store, bucket, key))
    except RecordFSError as error:
        _say(store, bucket, error)
    return found


def remove_leftovers(store: S3Store, target: Location, found: Leftovers, own: Container[str]) -> None:
    """Abort uploads that nothing was added to for long, and delete objects.

    What fails is said once for each bucket.

    Args:
        store: The requests.
        target: The object that they are of.
        found: What was found.
        own: Identifiers of uploads and keys of objects that are the caller's own: it may have begun them meanwhile,
            and to a clock that is wrong they are old, too.
    """
    _, bucket, key = target
    path, oldest = f"s3://{bucket}/{key}", oldest_living()
    try:
        for upload in found.uploads:
            if upload["UploadId"] not in own and not _has_grown(store, path, bucket, upload, oldest):
                names = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
                store.call("abort_multipart_upload", path, **names)
        for orphan in found.objects:
            if orphan not in own:
                store.delete(bucket, orphan)
    except RecordFSError as error:
        _say(store, bucket, error)


def _say(store: S3Store, bucket: str, error: RecordFSError) -> None:
    """Warn: cleaning up after others must not fail what this writer's user asked for."""
    store.notices.once(
        bucket,
        "orphans",
        f"unfinished uploads of writers that died cannot be cleaned up in bucket {bucket}; set a lifecycle rule "
        f"that aborts incomplete multipart uploads: {error}",
    )


def _old_uploads(store: S3Store, bucket: str, key: str, *, prefix: bool = False) -> list[dict[str, Any]]:
    oldest = oldest_living()
    path = f"s3://{bucket}/{key}"
    found = store.call("list_multipart_uploads", path, Bucket=bucket, Prefix=store.listable(bucket, key))
    return [
        upload
        for upload in found.get("Uploads", [])
        if (upload["Key"].startswith(key) if prefix else upload["Key"] == key) and upload["Initiated"] < oldest
    ]


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
