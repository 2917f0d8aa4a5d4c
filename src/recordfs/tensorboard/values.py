"""What TensorBoard's dashboards are given of the values in event files.

Old ways of writing a value (``histo``, ``image``, ``audio``, ``simple_value``) become tensors and sequences of blobs,
as TensorBoard's own loader makes them. Source: ``tensorboard/data_compat.py`` and ``dataclass_compat.py``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs._core import decode_message, encode_message
from recordfs.errors import DataLossError
from recordfs.tensorboard.messages import BLOB_SEQUENCE, SCALAR, TENSOR, encode_metadata

if TYPE_CHECKING:
    from recordfs.events.event import Event, SummaryMetadata, SummaryValue
    from recordfs.events.tag_sets import DescribedTag

__all__ = [
    "RUN_GRAPH_TAG",
    "TAGGED_RUN_METADATA",
    "Description",
    "blobs_of",
    "describe",
    "describe_event",
    "tensor_of",
    "value_of",
]

RUN_GRAPH_TAG = "__run_graph__"
"""The tag of the graph that a run's ``graph_def`` event holds."""

CLASS_OF_PLUGIN = {
    "scalars": SCALAR,
    "histograms": TENSOR,
    "text": TENSOR,
    "hparams": TENSOR,
    "pr_curves": TENSOR,
    "mesh": TENSOR,
    "custom_scalars": TENSOR,
    "images": BLOB_SEQUENCE,
    "audio": BLOB_SEQUENCE,
    "graphs": BLOB_SEQUENCE,
    "graph_run_metadata": BLOB_SEQUENCE,
    "graph_run_metadata_graph": BLOB_SEQUENCE,
    "graph_keras_model": BLOB_SEQUENCE,
    "graph_tagged_run_metadata": BLOB_SEQUENCE,
}
"""Plugins of TensorBoard 2 whose tags say what their values are by the plugin alone."""

_PLUGIN_OF_VALUE = {"histo": "histograms", "image": "images", "audio": "audio", "simple_value": "scalars"}

_CONVERTED_IMAGE = encode_message([(2, "v", 1)])  # ImagePluginData.converted_to_tensor
_CONVERTED_AUDIO = encode_message([(2, "v", 11), (3, "v", 1)])  # AudioPluginData.encoding WAV, converted_to_tensor
_CONTENT_OF_VALUE = {"image": _CONVERTED_IMAGE, "audio": _CONVERTED_AUDIO}

_FLOAT, _STRING = 1, 7
_EMPTY_TENSOR = encode_message([(1, "v", _FLOAT), (2, "b", encode_message([(2, "b", b"")]))])
"""A tensor of the shape [0], which stands for none."""

MOST_BLOBS = 1 << 16


class Description(NamedTuple):
    """How a series is shown.

    Attributes:
        plugin: The dashboard.
        data_class: SCALAR, TENSOR or BLOB_SEQUENCE.
        metadata: The serialized SummaryMetadata.
    """

    plugin: str
    data_class: int
    metadata: bytes


TAGGED_RUN_METADATA = Description(
    "graph_tagged_run_metadata",
    BLOB_SEQUENCE,
    encode_metadata("graph_tagged_run_metadata", b"", ("", ""), BLOB_SEQUENCE),
)
"""How the run metadata is shown that TensorFlow 1 writes, each as a blob of its tag."""


def describe(entry: DescribedTag, value_kind: str | None) -> Description | None:
    """Return how a series of summary values is shown; None if no dashboard does.

    Args:
        entry: What is known of it.
        value_kind: The field that its values are in, where it says nothing about itself and somebody has looked.
    """
    metadata = entry.metadata
    if metadata is not None and metadata.plugin_name:
        data_class = metadata.data_class or CLASS_OF_PLUGIN.get(metadata.plugin_name, 0)
        if not data_class:
            return None
        names = (metadata.display_name, metadata.summary_description)
        content = metadata.plugin_content
        return Description(
            metadata.plugin_name, data_class, encode_metadata(metadata.plugin_name, content, names, data_class)
        )
    kind = "simple_value" if entry.is_scalar else value_kind
    plugin = _PLUGIN_OF_VALUE.get(kind or "")
    if plugin is None:
        return None
    names = (entry.tag, "") if metadata is None else (metadata.display_name or entry.tag, metadata.summary_description)
    content = _CONTENT_OF_VALUE.get(kind or "", b"")
    data_class = CLASS_OF_PLUGIN[plugin]
    return Description(plugin, data_class, encode_metadata(plugin, content, names, data_class))


def describe_event(kind: str) -> tuple[str, Description] | None:
    """Return the tag of events that are not summaries, and how it is shown; None if no dashboard does."""
    if kind == "graph_def":
        return RUN_GRAPH_TAG, Description(
            "graphs", BLOB_SEQUENCE, encode_metadata("graphs", b"", ("", ""), BLOB_SEQUENCE)
        )
    return None


def value_of(event: Event, tag: str) -> SummaryValue | None:
    """Return an event's value of a tag; the last, where it has several."""
    return next((value for value in reversed(event.summary) if value.tag == tag), None)


def tensor_of(value: SummaryValue) -> bytes:
    """Return a value as a serialized TensorProto.

    Raises:
        DataLossError: It is not what its field says.
    """
    if value.kind == "tensor" and isinstance(value.content, bytes):
        return value.content
    if value.kind == "histo" and isinstance(value.content, bytes):
        return _histogram_tensor(value.content)
    return _EMPTY_TENSOR


def blobs_of(event: Event, tag: str, metadata: SummaryMetadata | None) -> list[bytes]:
    """Return the blobs of an event's value of a tag, in order.

    Raises:
        DataLossError: It is not what its field says.
    """
    if event.kind in ("graph_def", "meta_graph_def"):
        return [event.content]
    if event.kind == "tagged_run_metadata":
        return [dict(_fields(event.content)).get(2, b"")]
    value = value_of(event, tag)
    if value is None or not isinstance(value.content, bytes):
        return []
    if value.kind == "image":
        fields = dict(_fields(value.content))
        size = [str(fields.get(number, 0)).encode() for number in (2, 1)]
        return [*size, fields.get(4, b"")]
    if value.kind == "audio":
        return [dict(_fields(value.content)).get(4, b"")]
    if value.kind == "tensor":
        strings, shape = _strings_of(value.content)
        if metadata is not None and metadata.plugin_name == "audio" and len(shape) > 1:
            # Each clip has a label beside it, which the dashboard no longer shows.
            stride = max(1, _product(shape[1:]))
            return strings[::stride]
        return strings
    return []


def _fields(message: bytes) -> list[tuple[int, Any]]:
    try:
        return decode_message(message)
    except ValueError as error:
        raise DataLossError(f"a value is not what its field says: {error}") from None


def _strings_of(tensor: bytes) -> tuple[list[bytes], list[int]]:
    """Return the strings of a tensor and its shape."""
    strings, shape = [], []
    for number, value in _fields(tensor):
        if number == 8 and isinstance(value, bytes):
            strings.append(value)
        elif number == 2 and isinstance(value, bytes):
            for field, dimension in _fields(value):
                if field == 2 and isinstance(dimension, bytes):
                    shape.append(int(dict(_fields(dimension)).get(1, 0)))
    return strings[:MOST_BLOBS], shape


def _product(numbers: list[int]) -> int:
    result = 1
    for number in numbers:
        result *= number
    return result


def _histogram_tensor(histogram: bytes) -> bytes:
    """Return a HistogramProto as a tensor [k, 3] of left edge, right edge and count; float32.

    Empty buckets at both ends are left out, and the outer edges are the smallest and the largest value.
    """
    import numpy as np

    limits, counts, least, most = b"", b"", 0.0, 0.0
    for number, value in _fields(histogram):
        if number == 1:
            least = float(value)
        elif number == 2:
            most = float(value)
        elif number in (6, 7):
            packed = value if isinstance(value, bytes) else struct.pack("<d", value)
            limits, counts = (limits + packed, counts) if number == 6 else (limits, counts + packed)
    if len(limits) % 8 or len(counts) % 8:
        raise DataLossError(f"a histogram has {len(limits)} and {len(counts)} bytes of buckets; expected 8 a bucket")
    bucket = np.frombuffer(counts, "<f8")
    filled = np.flatnonzero(bucket > 0)
    if not len(filled):
        table = np.zeros((0, 3), "<f4")
    else:
        begin, end = int(filled[0]), int(filled[-1])
        inner = np.frombuffer(limits, "<f8")[begin:end]
        if len(inner) != end - begin:
            raise DataLossError(f"a histogram has {len(limits) // 8} limits for {len(bucket)} buckets")
        edges = [np.append(least, inner), np.append(inner, most), bucket[begin : end + 1]]
        with np.errstate(over="ignore"):  # what is too large for 32 bits is infinite there
            table = np.column_stack(edges).astype("<f4")
    shape = [(2, "b", encode_message([(1, "v", size)] if size else [])) for size in table.shape]
    fields = [(1, "v", _FLOAT), (2, "b", encode_message(shape))]
    if len(table):
        fields.append((4, "b", table.tobytes()))
    return encode_message(fields)
