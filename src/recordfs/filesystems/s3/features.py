"""What the store of a bucket is known to lack of S3, and how that is learned.

Amazon's own buckets have everything that this backend uses, and are never doubted. Other stores show what they lack by
what they refuse (see ``_object_store/features.py``). What is ignored in silence shows in answers that do not repeat it,
or, for conditions, in a probe (see probe.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from recordfs.filesystems._object_store.checksums import crc32c_header, md5_header
from recordfs.filesystems._object_store.features import Features
from recordfs.filesystems.s3.errors import code_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.errors import RecordFSError

__all__ = [
    "BULK_DELETES",
    "CHECKSUMS",
    "CONDITIONS",
    "LISTING_VERSION_2",
    "OBJECT_SIZE",
    "WHOLE_CHECKSUMS",
    "S3Features",
    "is_refusal",
]

CONDITIONS = "conditions on writes"
CHECKSUMS = "CRC-32C"
WHOLE_CHECKSUMS = "CRC-32C of whole multipart objects"
OBJECT_SIZE = "the size of a multipart object as a condition"
BULK_DELETES = "DeleteObjects"
LISTING_VERSION_2 = "ListObjectsV2"

# How stores word that they do not know something. Amazon's name for it is NotImplemented; the others were seen in the
# issue trackers of S3-compatible stores.
_REFUSALS = frozenset(
    {
        "NotImplemented",
        "NotSupported",
        "MethodNotAllowed",
        "InvalidArgument",
        "InvalidRequest",
        "InvalidHeader",
        "UnsupportedHeader",
        "MalformedXML",
        "MissingContentMD5",
        "BadRequest",
        "400",
        "405",
        "501",
    }
)


def is_refusal(error: RecordFSError) -> bool:
    """Tell whether a store says that it does not know something in the request, rather than that it failed.

    What does not *match* was understood and found wrong: that is never taken for a missing feature.
    """
    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return False
    if "match" in error.message.lower():
        return False
    return code_of(cause) in _REFUSALS or status_of(cause) == 501


class S3Features(Features):
    """What is known of one bucket; see Features.

    Args:
        amazon: The bucket is Amazon's own.
        conditional_writes: What the option says; None to find out.
        equal_parts: As of Features.
        directory_bucket: It is an S3 directory bucket.

    Attributes:
        directory_bucket: As above.
        conditions: By operation, whether conditions on it are kept; None is not known yet, or could not be found out.
        probed: The operations with which that was tried.
    """

    def __init__(
        self, *, amazon: bool, conditional_writes: bool | None, equal_parts: bool, directory_bucket: bool
    ) -> None:
        super().__init__(None if amazon else is_refusal, equal_parts=equal_parts)
        self.directory_bucket = directory_bucket
        known = True if amazon and conditional_writes is None else conditional_writes
        self.conditions: dict[str, bool | None] = {"PutObject": known, "CompleteMultipartUpload": known}
        self.probed: set[str] = set()

    def send_verified(
        self, request: Callable[[dict[str, str]], dict[str, Any]], body: bytes | bytearray, crc: int | None
    ) -> dict[str, Any]:
        """Send a request with a body that the store verifies, and return its answer.

        Args:
            request: Sends the body with the checksum parameters that it is given.
            body: The body, for its MD5.
            crc: Its CRC-32C, which goes along instead where the store reads it; None where it must not.
        """

        def send(lacking: set[str]) -> dict[str, Any]:
            if crc is None or CHECKSUMS in lacking:
                return request({"ContentMD5": md5_header(body)})
            answer = request({"ChecksumCRC32C": crc32c_header(crc)})
            if "ChecksumCRC32C" not in answer and self.is_doubted:
                self.lacking.add(CHECKSUMS)  # one that was read is repeated
            return answer

        return self.send(send, (CHECKSUMS,))
