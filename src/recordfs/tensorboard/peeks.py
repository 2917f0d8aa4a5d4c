"""What only a look at a value tells: how many blobs it has, and of which tag run metadata is.

The first bytes of a record are enough; a picture is not read to learn that it is one.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, NamedTuple

from recordfs.tensorboard.messages import BLOB_SEQUENCE
from recordfs.tensorboard.values import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recordfs.events.tag_sets import DescribedTag, TagSet
    from recordfs.tensorboard.catalog import LogCatalog
    from recordfs.tensorboard.log_file import LogFile

__all__ = ["TAGGED", "Peeks"]

TAGGED = ("tagged_run_metadata", "tagged_run_metadata")
"""The key of the events with run metadata. Each has a tag of its own, which an index does not know."""

FIRST_BYTES = 4096

_KINDS = {2: "simple_value", 3: "obsolete_old_style_histogram", 4: "image", 5: "histo", 6: "audio", 8: "tensor"}

_BLOBS = {"image": 3, "audio": 1}
"""A picture has its width, its height and its bytes."""


class _Seen(NamedTuple):
    """What one value of a tag shows: the field that it is in, and of a sequence how many blobs it has."""

    kind: str | None
    blobs: int


class _Peek:
    """What was seen of one file. It is replaced, never changed.

    Attributes:
        looks: How much was known of the file then.
        values: What the newest value of a tag shows.
        tagged: The offsets of the records of each tag with run metadata.
    """

    def __init__(self, looks: int, values: dict[str, _Seen], tagged: dict[str, set[int]]) -> None:
        self.looks = looks
        self.values = values
        self.tagged = tagged


class Peeks:
    """What was seen of the files of a catalog. Safe to use from many threads."""

    def __init__(self, catalog: LogCatalog) -> None:
        self._catalog = catalog
        self._peeks: dict[int, _Peek] = {}
        self._needs_look: weakref.WeakKeyDictionary[TagSet, bool] = weakref.WeakKeyDictionary()

    def prepare(self, files: Iterable[LogFile]) -> None:
        """Look at what has to be looked at, in many files at a time."""
        waiting = []
        for file in files:
            peek = self._peeks.get(file.number)
            looks = file.looks
            if peek is not None and peek.looks == looks:
                continue
            if self.needs_look(file.tag_table().tag_set):
                waiting.append(file)
            else:
                self._peeks[file.number] = _Peek(looks, {}, {})
        if waiting:
            self._peeks.update(self._catalog.gather(self._look_at, waiting))

    def needs_look(self, tag_set: TagSet) -> bool:
        """Tell whether values of a file with these tags have to be seen."""
        needs = self._needs_look.get(tag_set)
        if needs is None:
            needs = self._needs_look[tag_set] = any(map(_needs_look, tag_set.tags))
        return needs

    def kind(self, file: LogFile, entry: DescribedTag) -> str | None:
        """Return the field that the values of a series are in; None if that is not known now."""
        seen = self._seen(file, entry.tag)
        return entry.value_kind or (None if seen is None else seen.kind)

    def blobs(self, file: LogFile, tag: str) -> int:
        """Return how many blobs the points of a series have, as the newest shows; at least one."""
        seen = self._seen(file, tag)
        return 1 if seen is None else max(1, seen.blobs)

    def tagged(self, file: LogFile) -> dict[str, set[int]]:
        """Return the offsets of the records with run metadata by their tags."""
        peek = self._peeks.get(file.number)
        return {} if peek is None else peek.tagged

    def _seen(self, file: LogFile, tag: str) -> _Seen | None:
        peek = self._peeks.get(file.number)
        return None if peek is None else peek.values.get(tag)

    def _look_at(self, file: LogFile) -> _Peek:
        before = self._peeks.get(file.number)
        looks = file.looks
        entries = [tag for tag in file.tag_table().tag_set.tags if _needs_look(tag)]
        values = {} if before is None else dict(before.values)
        new = [entry.tag for entry in entries if entry.kind == "summary" and entry.tag not in values]
        has_tagged = any(entry.kind == TAGGED[0] for entry in entries)
        points, _ = file.points([*(("summary", tag) for tag in new), *([TAGGED] if has_tagged else [])])
        places = []
        for tag in new:
            found = points.get(("summary", tag))
            if found is not None and found.length is not None and len(found.step):
                places.append((tag, int(found.value[-1]), int(found.length[-1])))
        for (tag, _, _), record in zip(places, _read_first(file, places), strict=True):
            values[tag] = _seen_in(record, tag)
        missing = [place for place in places if values[place[0]].kind is None and place[2] > FIRST_BYTES]
        if missing:
            records = file.read([(offset, length) for _, offset, length in missing])
            for (tag, _, _), record in zip(missing, records, strict=True):
                values[tag] = _seen_in(record, tag)
        tagged: dict[str, set[int]] = {}
        found = points.get(TAGGED)
        if found is not None and found.length is not None:
            offsets = found.value.tolist()
            runs = [("", offset, length) for offset, length in zip(offsets, found.length.tolist(), strict=True)]
            for offset, record in zip(offsets, _read_first(file, runs), strict=True):
                tagged.setdefault(_tag_in(record), set()).add(offset)
        return _Peek(looks, values, tagged)


def _read_first(file: LogFile, places: list[tuple[str, int, int]]) -> list[bytes]:
    return file.read([(offset, min(length, FIRST_BYTES)) for _, offset, length in places]) if places else []


def _needs_look(entry: DescribedTag) -> bool:
    """Tell whether a value of a series has to be seen."""
    if entry.is_scalar or not entry.has_points:
        return False
    if entry.kind != "summary":
        return entry.kind == TAGGED[0]
    if entry.value_kind in _BLOBS or entry.value_kind == "histo":
        return entry.value_kind in _BLOBS
    description = describe(entry, entry.value_kind)
    says_plugin = entry.metadata is not None and bool(entry.metadata.plugin_name)
    return (not says_plugin and entry.value_kind is None) or (
        description is not None and description.data_class == BLOB_SEQUENCE
    )


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the fields of a message of which the end may be missing; the last may be cut."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(kind)
        if length is None:
            if kind != 2:
                return
            length, place = _varint(message, place)
        yield key >> 3, message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place
    return 0, len(message)


def _seen_in(record: bytes, tag: str) -> _Seen:
    """Return what the value of a tag shows in an event of which the end may be missing."""
    wanted = tag.encode("utf-8", "surrogateescape")
    for number, summary in _fields(record):
        if number != 5 or not isinstance(summary, bytes):
            continue
        for field, value in _fields(summary):
            if field != 1 or not isinstance(value, bytes):
                continue
            fields = dict(_fields(value))
            kind = next((name for field, name in _KINDS.items() if field in fields), None)
            if fields.get(1, b"") == wanted and kind is not None:
                content = fields[8] if kind == "tensor" else b""
                blobs = _first_dimension(content) if isinstance(content, bytes) and content else 1
                return _Seen(kind, _BLOBS.get(kind, blobs))
    return _Seen(None, 1)


def _first_dimension(tensor: bytes) -> int:
    for number, shape in _fields(tensor):
        if number == 2 and isinstance(shape, bytes):
            for field, dimension in _fields(shape):
                if field == 2 and isinstance(dimension, bytes):
                    size = dict(_fields(dimension)).get(1, 0)
                    return size if isinstance(size, int) else 1
    return 1


def _tag_in(record: bytes) -> str:
    """Return the tag of run metadata."""
    for number, tagged in _fields(record):
        if number == 8 and isinstance(tagged, bytes):
            tag = dict(_fields(tagged)).get(1, b"")
            return tag.decode("utf-8", "replace") if isinstance(tag, bytes) else ""
    return ""
