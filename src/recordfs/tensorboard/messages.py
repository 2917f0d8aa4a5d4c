"""The messages of TensorBoard's data provider service, by hand.

Source of names and numbers: ``tensorboard/data/proto/data_provider.proto``. What a field number means stands beside its
use; zero values are left out, as proto3 has it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import decode_message, encode_message
from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BLOB_SEQUENCE",
    "SCALAR",
    "TENSOR",
    "Query",
    "blob_points",
    "encode_metadata",
    "experiment",
    "plugins",
    "runs",
    "scalar_points",
    "tag_metadata",
    "tags_by_run",
    "tensor_points",
]

SCALAR, TENSOR, BLOB_SEQUENCE = 1, 2, 3
"""DataClass: what the values of a tag are."""


class Query(NamedTuple):
    """What the Read and List calls ask for; they share their fields.

    Attributes:
        plugin: Only tags of this plugin.
        runs: Only these runs; all, if None.
        tags: Only these tags; all, if None.
        points: At most so many points a tag.
    """

    plugin: str
    runs: frozenset[str] | None
    tags: tuple[str, ...] | None
    points: int

    @classmethod
    def from_message(cls, message: bytes) -> Self:
        """Read a request.

        Raises:
            InvalidArgumentError: It is no such message.
        """
        plugin, names, points = "", {1: None, 2: None}, 0
        chosen: dict[int, tuple[str, ...] | None] = dict(names)
        try:
            for number, value in decode_message(message):
                if number == 2:  # plugin_filter
                    plugin = "".join(name.decode() for field, name in decode_message(value) if field == 1)
                elif number == 3:  # run_tag_filter: a filter that is absent means all, an empty one none
                    for field, one in decode_message(value):
                        if field in chosen:
                            chosen[field] = tuple(name.decode() for key, name in decode_message(one) if key == 1)
                elif number == 4:  # downsample
                    points = max((count for field, count in decode_message(value) if field == 1), default=0)
        except (ValueError, AttributeError, TypeError) as error:
            raise InvalidArgumentError(f"this is not a request to a data provider: {error}") from error
        return cls(plugin, None if chosen[1] is None else frozenset(chosen[1]), chosen[2], points)


def experiment(location: str, name: str) -> bytes:
    """Return a GetExperimentResponse."""
    return encode_message([(1, "b", location), (2, "b", name)])


def plugins(names: Iterable[str]) -> bytes:
    """Return a ListPluginsResponse."""
    return encode_message([(1, "b", encode_message([(1, "b", name)])) for name in names])


def runs(found: Iterable[tuple[str, float]]) -> bytes:
    """Return a ListRunsResponse of ``(name, time of the first event)``."""
    return encode_message([(1, "b", encode_message([(2, "b", name), (3, "d", start)])) for name, start in found])


@lru_cache(maxsize=65536)
def encode_metadata(plugin: str, content: bytes, names: tuple[str, str], data_class: int) -> bytes:
    """Return a SummaryMetadata; ``names`` are its display name and its description."""
    display_name, description = names
    fields: list[tuple[int, str, object]] = []
    plugin_data: list[tuple[int, str, object]] = [(1, "b", plugin)]
    if content:
        plugin_data.append((2, "b", content))
    fields.append((1, "b", encode_message(plugin_data)))
    if display_name:
        fields.append((2, "b", display_name))
    if description:
        fields.append((3, "b", description))
    fields.append((4, "v", data_class))
    return encode_message(fields)


@lru_cache(maxsize=65536)
def tag_metadata(tag: str, newest: tuple[int, float], metadata: bytes, *, blobs: int = 0) -> bytes:
    """Return a tag's entry in a List response.

    Args:
        tag: Its name.
        newest: The largest step and the latest time.
        metadata: Its SummaryMetadata.
        blobs: Of a blob sequence, the most that one of its points has.
    """
    step, wall_time = newest
    if blobs:
        fields = [(1, "v", step), (2, "d", wall_time), (3, "v", blobs), (4, "b", metadata)]
    else:
        fields = [(1, "v", step), (2, "d", wall_time), (3, "b", metadata)]
    return encode_message([(1, "b", tag), (2, "b", encode_message(fields))])


def tags_by_run(found: Iterable[tuple[str, Sequence[bytes]]]) -> bytes:
    """Return a List or Read response of ``(run, entries of its tags)``."""
    return encode_message(
        [(1, "b", encode_message([(1, "b", run), *((2, "b", tag) for tag in tags)])) for run, tags in found]
    )


def scalar_points(
    tag: str, steps: NDArray[np.int64], wall_times: NDArray[np.float64], values: NDArray[np.float32]
) -> bytes:
    """Return a tag's entry in a ReadScalarsResponse."""
    data = _times(steps, wall_times)
    data.append((3, "b", values.astype("<f4").tobytes()))
    return encode_message([(1, "b", tag), (2, "b", encode_message(data))])


def tensor_points(tag: str, steps: Sequence[int], wall_times: Sequence[float], tensors: Sequence[bytes]) -> bytes:
    """Return a tag's entry in a ReadTensorsResponse."""
    data = _times(steps, wall_times)
    data += [(3, "b", tensor) for tensor in tensors]
    return encode_message([(1, "b", tag), (2, "b", encode_message(data))])


def blob_points(tag: str, steps: Sequence[int], wall_times: Sequence[float], keys: Sequence[Sequence[str]]) -> bytes:
    """Return a tag's entry in a ReadBlobSequencesResponse; of each point the keys of its blobs."""
    data = _times(steps, wall_times)
    for point in keys:
        references = [(1, "b", encode_message([(1, "b", key)])) for key in point]
        data.append((3, "b", encode_message(references)))
    return encode_message([(1, "b", tag), (2, "b", encode_message(data))])


def _times(steps: Iterable[int], wall_times: Iterable[float]) -> list[tuple[int, str, object]]:
    """Return the packed steps and times that every kind of data begins with."""
    import numpy as np

    packed = b"".join(map(_varint, map(int, steps)))
    return [(1, "b", packed), (2, "b", np.asarray(wall_times, "<f8").tobytes())]


def _varint(value: int) -> bytes:
    """Return protobuf's varint; a negative number takes ten bytes."""
    if 0 <= value < 0x80:
        return _SMALL[value]
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = [bytes([number]) for number in range(0x80)]
