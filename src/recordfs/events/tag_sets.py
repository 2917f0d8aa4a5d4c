"""The tags of a file without their points, one value for all files that have the same.

The runs of a program have the same tags. A thousand of them with two hundred tags each would be 200,000 entries to make
and to hold; as a set that they share they are two hundred.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Self

    from recordfs.events.event import SummaryMetadata

__all__ = ["SCALARS", "DescribedTag", "TagKey", "TagSet"]

SCALARS = ("float32", "float64")
"""The kinds of tags whose values are numbers."""

TagKey: TypeAlias = tuple[str, str]
"""What tells the series of a file apart: ``"scalar"`` or the kind of its values, and the tag."""


class DescribedTag(NamedTuple):
    """A tag without its points.

    Attributes:
        tag: As in TagEntry, like the others.
        kind: ``"float32"`` or ``"float64"`` for scalars, ``"summary"`` for other values, else as ``tag``.
        metadata: What its first value said about it.
        value_kind: Of values that are not scalars the field that the first was in.
        has_points: Whether it has any.
    """

    tag: str
    kind: str
    metadata: SummaryMetadata | None
    value_kind: str | None
    has_points: bool

    @property
    def is_scalar(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in SCALARS

    @property
    def key(self) -> TagKey:
        """What tells it from the other series of a file."""
        return ("scalar" if self.is_scalar else self.kind, self.tag)


class TagSet:
    """The tags of a file. It never changes, and files with the same tags share it.

    Attributes:
        tags: In the order in which they first appeared.
        numbers: The place of each in ``tags``.
    """

    _shared: ClassVar[weakref.WeakValueDictionary[Hashable, TagSet]] = weakref.WeakValueDictionary()

    def __init__(self, tags: Iterable[DescribedTag]) -> None:
        self.tags = tuple(tags)
        self.numbers: dict[TagKey, int] = {}
        for number, tag in enumerate(self.tags):
            self.numbers.setdefault(tag.key, number)

    @classmethod
    def shared(cls, signature: Hashable, tags: Callable[[], Iterable[DescribedTag]]) -> Self:
        """Return the set of a signature; ``tags`` is called where nobody has it, and equal signatures mean equal tags.

        Of two threads that come at once both may be given one of their own.
        """
        found = cls._shared.get(signature)
        if not isinstance(found, cls):
            found = cls._shared[signature] = cls(tags())
        return found
