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

    def has_bytes_of(self, other: ObjectInfo) -> bool:
        """Tell whether it has another's size, and its checksum where both are known."""
        return self.size == other.size and (not self.checksum or not other.checksum or self.checksum == other.checksum)

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

    def stranger(self, prefix: str, delimiter: str) -> str | None:
        """Return a name on it that a listing of a prefix cannot have, or None; who deletes what is listed has to ask.

        With a delimiter no object lies further below, though some stores show the marker of a directory as one.
        """
        names = [info.key for info in self.objects]
        for name in (*names, *self.prefixes):
            if not name.startswith(prefix) or not _is_unicode(name):
                return name
        if delimiter:
            deeper = (name for name in names if delimiter in name[len(prefix) : -len(delimiter)])
            other = (
                name
                for name in self.prefixes
                if name == prefix or name.find(delimiter, len(prefix)) != len(name) - len(delimiter)
            )
            return next(deeper, None) or next(other, None)
        return None


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


def _is_unicode(name: str) -> bool:
    """Tell whether a name is text: JSON may hold half of a character, which can be no key, nor be printed."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
