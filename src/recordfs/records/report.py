"""What a RecordReader has read and what it had to pass over."""

from __future__ import annotations

from typing import NamedTuple

from recordfs.redaction import redact

__all__ = ["Loss", "ReadReport"]


class Loss(NamedTuple):
    """Bytes that hold no sound record.

    Attributes:
        path: The file.
        offset: Where the broken record begins, in bytes of the uncompressed stream.
        length: How many bytes were passed over; None where reading of the file ended.
        reason: What was wrong.
    """

    path: str
    offset: int
    length: int | None
    reason: str

    def __repr__(self) -> str:
        shown = redact(self.path)
        return f"Loss(path={shown!r}, offset={self.offset}, length={self.length}, reason={self.reason!r})"


class ReadReport(NamedTuple):
    """What a reader did so far.

    Attributes:
        records: Sound records handed out.
        bytes: Bytes in their payloads.
        losses: What was passed over with ``on_error="skip"`` or ended at with ``"stop"``: the first 1000. Records that
            lie nested in a lost payload may have surfaced among the sound ones.
        loss_count: How many losses there are in all.
        lost_bytes: How many bytes were passed over in all.
        truncated_tail: Whether the last file ends inside a record, as it does while its writer is at work or when that
            died.
        unfinished_stream: Whether a compressed file ended after a record but without its trailer, for the same
            reasons.
        restarts: How often the followed file was replaced and begun again. ``records`` counts those of all of them.
    """

    records: int
    bytes: int
    losses: tuple[Loss, ...]
    loss_count: int
    lost_bytes: int
    truncated_tail: bool
    unfinished_stream: bool
    restarts: int = 0
