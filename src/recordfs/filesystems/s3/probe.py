"""Finding out whether a store keeps conditions on writes, or ignores them in silence.

A write to a fresh name is sent on the condition that it replaces an object with an ETag that nothing has. A store that
keeps conditions refuses, and nothing has been made or has to be cleaned up. One that ignores them makes the object,
which is then deleted. If-None-Match is older and more widely kept than If-Match, so it is taken to be kept wherever
this one is.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

from recordfs.errors import AbortedError, NotFoundError, PermissionDeniedError, RecordFSError
from recordfs.filesystems._object_store.parts import UploadGoneError
from recordfs.filesystems._object_store.temporary import temporary_key
from recordfs.filesystems.s3.features import is_refusal
from recordfs.filesystems.s3.multipart_upload import MultipartUpload

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems.s3.requests import S3Requests

__all__ = ["are_conditions_kept", "learn_conditions"]

NO_ETAG = '"00000000000000000000000000000000"'


def learn_conditions(store: S3Requests, target: Location, operation: str) -> bool | None:
    """Return whether a bucket's store keeps conditions on an operation; find it out once, and say it if not.

    Returns:
        None if it could not be found out.
    """
    bucket = target.bucket
    features = store.features(bucket)
    if features.conditions[operation] is None and operation not in features.probed:
        features.conditions[operation] = are_conditions_kept(store, target, operation)
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


def are_conditions_kept(store: S3Requests, target: Location, operation: str) -> bool | None:
    """Probe with one operation, at a fresh name in the temporary directory beside a key.

    PutObject costs one request, CompleteMultipartUpload four; where conditions are ignored one more.

    Returns:
        None if the credentials do not allow to find out, or the answer was lost.

    Raises:
        RecordFSError: The store could not be asked at all.
    """
    # Errors name what the caller knows of.
    fresh = target._replace(key=temporary_key(target.key, f"probe-{uuid.uuid4().hex}"))
    path, bucket, key = fresh
    try:
        if operation == "PutObject":
            store.call("put_object", path, Bucket=bucket, Key=key, Body=b"", IfMatch=NO_ETAG, **store.encryption())
        else:
            _complete(store, fresh)
    except AbortedError:
        return True
    except (PermissionDeniedError, UploadGoneError):
        return None
    except RecordFSError as error:
        if isinstance(error, NotFoundError) and "NoSuchBucket" not in error.message:
            return True  # as Amazon answers If-Match where nothing is
        if is_refusal(error):
            return False
        raise
    with contextlib.suppress(PermissionDeniedError):  # an empty object stays; there is no right to remove it
        store.delete(bucket, key)
    return False


def _complete(store: S3Requests, target: Location) -> None:
    """Complete a tiny upload on a condition that cannot hold."""
    upload = MultipartUpload.begin(store, target, store.encryption(), checksums=False, whole=False)
    with upload.aborted_by_errors():
        upload.complete({1: upload.send(1, b"x")}, size=1, replaces=NO_ETAG)
