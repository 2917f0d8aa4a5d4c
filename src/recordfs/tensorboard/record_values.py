"""Values that are not scalars: read from the records that hold them, as tensors or as keys of blobs."""

from __future__ import annotations

import base64
import binascii
import logging
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import DataLossError, InvalidArgumentError, NotFoundError
from recordfs.events.event import decode_event
from recordfs.redaction import redact
from recordfs.tensorboard.messages import BLOB_SEQUENCE
from recordfs.tensorboard.values import blobs_of, tensor_of, value_of

if TYPE_CHECKING:
    from recordfs.events.event import Event, SummaryMetadata
    from recordfs.tensorboard.catalog import LogCatalog
    from recordfs.tensorboard.log_file import LogFile
    from recordfs.tensorboard.series import ShownTag

__all__ = ["ValuePlace", "read_blob", "values_at"]

_log = logging.getLogger("recordfs")

BATCH_BYTES = 16 << 20
"""Bytes of records of one file that are held at a time."""


class ValuePlace(NamedTuple):
    """Where a value is.

    Attributes:
        offset: Where its record begins in the file.
        length: The bytes of the record's payload.
        tag: Its tag.
        shown: How that is shown.
    """

    offset: int
    length: int
    tag: str
    shown: ShownTag


def values_at(file: LogFile, places: list[ValuePlace]) -> dict[tuple[int, str], bytes]:
    """Read values and return what is shown of them, by offset and tag; what is no event is left out.

    Of a tensor that is its bytes, of blobs their keys, with spaces between them. Some records are read at a time, and
    of each only what is shown is kept: a run's pictures may be larger than memory.

    Raises:
        Whatever reading raises.
    """
    values: dict[tuple[int, str], bytes] = {}
    waiting = sorted(places, key=lambda place: place.offset, reverse=True)
    while waiting:
        batch = [waiting.pop()]
        size = batch[0].length
        while waiting and size + waiting[-1].length <= BATCH_BYTES:
            batch.append(waiting.pop())
            size += batch[-1].length
        records = file.read([(place.offset, place.length) for place in batch])
        for place, record in zip(batch, records, strict=True):
            try:
                event = decode_event(record)
            except DataLossError as error:
                _log.warning(redact(f"{file.path}: the record at byte {place.offset} is left out: {error}"))
                continue
            value = _value(event, file, place)
            if value is not None:
                values[place.offset, place.tag] = value
    return values


def _value(event: Event, file: LogFile, place: ValuePlace) -> bytes | None:
    """Return a tensor's bytes, or the keys of a value's blobs; None for what is none."""
    try:
        if place.shown.description.data_class == BLOB_SEQUENCE:
            blobs = blobs_of(event, place.tag, _metadata_of(file, place.tag))
            where = (file.number, place.offset, place.length)
            return " ".join(_make_key(*where, number, place.tag) for number in range(len(blobs))).encode() or None
        value = value_of(event, place.tag)
        return None if value is None else tensor_of(value)
    except DataLossError as error:
        _log.warning(redact(f"{file.path}: a value of {place.tag!r} is left out: {error}"))
        return None


def read_blob(catalog: LogCatalog, key: str) -> bytes:
    """Return a blob by its key.

    Raises:
        InvalidArgumentError: The key is none that ``values_at`` gave.
        NotFoundError: What it names is gone.
        Otherwise as reading does.
    """
    number, offset, length, place, tag = _read_key(key)
    file = catalog.file(number)
    if file is None:
        raise NotFoundError("this blob's file is not in this log directory")
    [record] = file.read([(offset, length)])
    blobs = blobs_of(decode_event(record), tag, _metadata_of(file, tag))
    if place >= len(blobs):
        raise NotFoundError("there is no such blob any more", path=file.path)
    return blobs[place]


def _metadata_of(file: LogFile, tag: str) -> SummaryMetadata | None:
    tag_set = file.tag_table().tag_set
    number = tag_set.numbers.get(("summary", tag))
    return None if number is None else tag_set.tags[number].metadata


def _make_key(number: int, offset: int, length: int, place: int, tag: str) -> str:
    """Return a key for one blob that can stand in a URL. It names a file of this catalog; no other can be asked for."""
    text = f"{number}.{offset}.{length}.{place}.{tag}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_key(key: str) -> tuple[int, int, int, int, str]:
    try:
        text = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True).decode()
        number, offset, length, place, tag = text.split(".", 4)
        found = (int(number), int(offset), int(length), int(place))
    except (ValueError, binascii.Error) as error:
        raise InvalidArgumentError("this is not the key of a blob") from error
    if min(found) < 0 or found[2] > 1 << 31:
        raise InvalidArgumentError("this is not the key of a blob")
    return (*found, tag)
