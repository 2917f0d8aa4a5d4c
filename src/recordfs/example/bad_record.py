"""The error for a record that is not what it is read as."""

from __future__ import annotations

from recordfs.errors import InvalidContentError

__all__ = ["BadRecordError"]


class BadRecordError(InvalidContentError):
    """A record is not an Example, or does not fit the features that were asked for.

    Args:
        message: Which record, which feature, what was expected and found.
        path: The file, where it is known.
        offset: Where the record begins in it, in bytes of the uncompressed stream, where it is known.
        record: The record's number in what was given, counted from 0.
    """

    def __init__(
        self, message: str = "", *, path: str | None = None, offset: int | None = None, record: int = 0
    ) -> None:
        super().__init__(message, path=path, offset=offset)
        self.record = record
