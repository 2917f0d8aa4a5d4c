"""How a file is opened for writing, as one value that is made once and handed down; and what was there then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.objects import ObjectInfo

__all__ = ["NOTHING_KNOWN", "Known", "Location", "Opening"]


class Location(NamedTuple):
    """Where a path points.

    Attributes:
        path: As the caller gave it.
        bucket: The bucket's name.
        key: The key, verbatim; empty for the bucket's root.
    """

    path: str
    bucket: str
    key: str

    @property
    def names_directory(self) -> bool:
        """Whether the path can only be a directory: a bucket's root, or written with a slash at the end."""
        return not self.key or self.key.endswith("/")

    @property
    def prefix(self) -> str:
        """What the keys below this path begin with."""
        return self.key if self.names_directory else f"{self.key}/"


class Opening(NamedTuple):
    """What a writer was opened for.

    Attributes:
        location: The object.
        found: The object as it was at open, or None; the first commit is conditional on that.
        append: Go on after what is there instead of replacing it.
        exclusive: Finding the object made by somebody else is AlreadyExistsError.
        atomic: Only ``close`` publishes.
        is_write_only: The credentials could not look at the object, so ``found`` is None whatever is there.
    """

    location: Location
    found: ObjectInfo | None = None
    append: bool = False
    exclusive: bool = False
    atomic: bool = False
    is_write_only: bool = False


class Known(NamedTuple):
    """What a writer has to know of an object that it appends to.

    Attributes:
        kept: All its bytes, if it is so small that they are sent again with the next ones.
        crc: The CRC-32C of all its bytes, or None if unknown.
        metadata: The user metadata to keep.
        properties: Other properties to keep, by the store's names.
    """

    kept: bytes
    crc: int | None
    metadata: dict[str, str]
    properties: dict[str, Any]


NOTHING_KNOWN = Known(b"", None, {}, {})
