"""Finding out whether a store keeps conditions on writes, or ignores them in silence.

A write to a fresh name is sent on the condition that it replaces an object with an ETag that nothing has. A store that
keeps conditions refuses, and nothing has been made or has to be cleaned up. One that ignores them makes the object,
which is then deleted. If-None-Match is older and more widely kept than If-Match, so it is taken to be kept wherever
this one is.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

from recordfs.errors import AbortedError, NotFoundError, PermissionDeniedError, RecordFSError
from recordfs.filesystems._object_store.temporary import temporary_key
from recordfs.filesystems.s3.features import is_refusal

if TYPE_CHECKING:
    from recordfs.filesystems.s3.requests import S3Requests

__all__ = ["are_conditions_kept", "learn_conditions"]

NO_ETAG = '"00000000000000000000000000000000"'


def learn_conditions(store: S3Requests, bucket: str, key: str, operation: str) -> bool | None:
    """Return whether a bucket's store keeps conditions on an operation; find it out once, and say it if not.

    Returns:
        None if the credentials do not allow to find out.
    """
    features = store.features(bucket)
    if features.conditions[operation] is None and operation not in features.probed:
        features.conditions[operation] = are_conditions_kept(store, bucket, key, operation)
        features.probed.add(operation)
        if features.conditions[operation] is False:
            store.notices.once(
                bucket,
                "conditional writes",
                f"the store of bucket {bucket} does not keep conditions on {operation}: the object is looked at before "
                "each commit instead, and two writers of one object that commit in the same moment overwrite each "
                "other unseen. The option conditional_writes=False says that you know",
            )
    return features.conditions[operation]


def are_conditions_kept(store: S3Requests, bucket: str, key: str, operation: str) -> bool | None:
    """Probe with one operation, at a fresh name in the temporary directory beside a key.

    PutObject costs one request, CompleteMultipartUpload four; where conditions are ignored one more.

    Returns:
        None if the credentials do not allow to find out.

    Raises:
        RecordFSError: The store could not be asked at all.
    """
    target = {"Bucket": bucket, "Key": temporary_key(key, f"probe-{uuid.uuid4().hex}")}
    path = f"s3://{bucket}/{key}"  # errors name what the caller knows of
    try:
        if operation == "PutObject":
            store.call("put_object", path, **target, Body=b"", IfMatch=NO_ETAG, **store.encryption())
        else:
            _complete(store, path, target)
    except AbortedError:
        return True
    except PermissionDeniedError:
        return None
    except RecordFSError as error:
        if isinstance(error, NotFoundError) and "NoSuchBucket" not in error.message:
            return True  # as Amazon answers If-Match where nothing is
        if is_refusal(error):
            return False
        raise
    with contextlib.suppress(PermissionDeniedError):  # an empty object stays; there is no right to remove it
        store.delete(bucket, target["Key"])
    return False


def _complete(store: S3Requests, path: str, target: dict[str, Any]) -> None:
    """Complete a tiny upload on a condition that cannot hold."""
    upload = store.call("create_multipart_upload", path, **target, **store.encryption())["UploadId"]
    try:
        part = store.call("upload_part", path, **target, UploadId=upload, PartNumber=1, Body=b"x")
        store.call(
            "complete_multipart_upload",
            path,
            **target,
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
            IfMatch=NO_ETAG,
        )
    except BaseException:
        with contextlib.suppress(RecordFSError):  # what went wrong first is what matters
            store.call("abort_multipart_upload", path, **target, UploadId=upload)
        raise
