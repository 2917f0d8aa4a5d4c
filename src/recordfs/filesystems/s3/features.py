"""What the store of a bucket is known to lack, how that was learned, and how requests are sent to it all the same.

Amazon's own buckets have everything that this backend uses, and are never doubted. Other stores are taken at their
word: a request goes out with all that makes it safe; if it is refused as something that the store does not know, it
goes out again without one feature after the other, and what had to be left out is left out of later requests. What is
ignored in silence shows in answers that do not repeat it, or, for conditions, in a probe (see probe.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from recordfs.errors import RecordFSError
from recordfs.filesystems._object_store.checksums import crc32c_header, md5_header
from recordfs.filesystems.s3.errors import code_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "BULK_DELETES",
    "CHECKSUMS",
    "CONDITIONS",
    "LISTING_VERSION_2",
    "OBJECT_SIZE",
    "PART_COPIES",
    "WHOLE_CHECKSUMS",
    "Features",
    "is_refusal",
]

CONDITIONS = "conditions on writes"
CHECKSUMS = "CRC-32C"
WHOLE_CHECKSUMS = "CRC-32C of whole multipart objects"
OBJECT_SIZE = "the size of a multipart object as a condition"
PART_COPIES = "UploadPartCopy"
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


class Features:
    """What is known of one bucket. Safe to use from any thread: two that learn at once learn the same.

    Args:
        amazon: The bucket is Amazon's own.
        conditional_writes: What the option says; None to find out.
        equal_parts: All parts of an upload but the last have to be of one size.
        directory_bucket: It is an S3 directory bucket.

    Attributes:
        lacking: What requests leave out from now on.
        conditions: By operation, whether conditions on it are kept; None is not known yet, or could not be found out.
    """

    def __init__(
        self,
        *,
        amazon: bool = False,
        conditional_writes: bool | None = None,
        equal_parts: bool = False,
        directory_bucket: bool = False,
    ) -> None:
        self.amazon = amazon
        self.equal_parts = equal_parts
        self.directory_bucket = directory_bucket
        self.lacking: set[str] = set()
        known = True if amazon and conditional_writes is None else conditional_writes
        self.conditions: dict[str, bool | None] = {"PutObject": known, "CompleteMultipartUpload": known}
        self.probed: set[str] = set()

    def has(self, feature: str) -> bool:
        """Tell whether a feature may be relied on, as far as is known."""
        return feature not in self.lacking

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
            if "ChecksumCRC32C" not in answer and not self.amazon:
                self.lacking.add(CHECKSUMS)  # one that was read is repeated
            return answer

        answer: dict[str, Any] = self.send(send, (CHECKSUMS,))
        return answer

    def send(self, request: Callable[[set[str]], Any], droppable: Sequence[str]) -> Any:
        """Send a request, without features that the store refuses.

        Args:
            request: Sends it without the features that it is given.
            droppable: What may be left out of it, the least valuable first.

        Raises:
            RecordFSError: As the first try raised, if leaving things out did not help.
        """
        lacking = set(self.lacking)
        try:
            return request(lacking)
        except RecordFSError as error:
            if self.amazon or not is_refusal(error):
                raise
            refused = error
        for feature in droppable:
            if feature in lacking:
                continue
            lacking.add(feature)
            try:
                answer = request(lacking)
            except RecordFSError as error:
                if not is_refusal(error):
                    raise
                continue
            self.lacking |= lacking
            return answer
        raise refused
