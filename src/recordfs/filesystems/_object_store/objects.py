"""What a store tells of its objects, as plain values: an object, a page of a listing, an unfinished upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs.filesystem import DirectoryEntry, FileStatistics

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["ObjectInfo", "ObjectPage", "UnfinishedUpload"]


class ObjectInfo(NamedTuple):
    """One object as the store describes it.

    Attributes:
        key: The whole key, verbatim.
        size: In bytes.
        mtime_nsec: Last change in nanoseconds since 1970-01-01 UTC.
        tag: What changes whenever the bytes do: the ETag on S3, the generation on Google Cloud Storage.
        metadata: The user metadata, lower-case names; empty in listings, which do not carry it.
        checksum: What tells equal bytes under another tag; empty where the tag itself does, and in listings.
    """

    key: str
    size: int
    mtime_nsec: int
    tag: str
    metadata: dict[str, str]
    checksum: str = ""

    @property
    def statistics(self) -> FileStatistics:
        """What the contract tells of it."""
        return FileStatistics(self.size, self.mtime_nsec, False, self.tag)

    def entry(self, name: str) -> DirectoryEntry:
        """Return what the contract lists of it, under its bare name."""
        return DirectoryEntry(name, False, self.size, self.mtime_nsec, False, self.tag)


class ObjectPage(NamedTuple):
    """One page of a listing, in key order unless ``lists_in_order`` says otherwise.

    Attributes:
        objects: The objects directly asked for.
        prefixes: With a delimiter, the common prefixes, each with its trailing delimiter.
        next_page: What asks for the next page, or None at the end.
    """

    objects: list[ObjectInfo]
    prefixes: list[str]
    next_page: str | None


class UnfinishedUpload(NamedTuple):
    """An upload of parts that nobody has completed.

    Attributes:
        key: Of the object that it is to make.
        identifier: The store's name for it.
        begun: When it was begun.
    """

    key: str
    identifier: str
    begun: dt.datetime
