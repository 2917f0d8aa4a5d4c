"""Building the messages inside events: what each of TensorBoard's dashboards takes.

Field numbers: ``{summary,tensor,tensor_shape}.proto`` in ``tensorboard/compat/proto``, and each plugin's own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs._core import encode_message
from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Audio",
    "Histogram",
    "Image",
    "Tensor",
    "encode_audio",
    "encode_custom_scalars",
    "encode_empty_tensor",
    "encode_histogram",
    "encode_hparams_end",
    "encode_hparams_experiment",
    "encode_hparams_start",
    "encode_image",
    "encode_mesh_metadata",
    "encode_metadata",
    "encode_string_tensor",
    "encode_tensor",
    "encode_value",
]

DATA_TYPES = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "int64": 9,
    "bool": 10,
    "uint16": 17,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
"""The numbers of ``DataType`` in ``tensor.proto``, for types that NumPy has as well."""

STRING = 7
SCALAR, TENSOR, BLOB_SEQUENCE = 1, 2, 3
"""The numbers of ``DataClass``."""


def step_number(step: Any) -> int:
    """Return a step as an event has it: an integer, or what ``int`` makes one of.

    Raises:
        InvalidArgumentError: It needs more than 64 bits.
        ValueError or TypeError: ``int`` makes none of it.
    """
    number = int(step)
    if not -(1 << 63) <= number < 1 << 63:
        raise InvalidArgumentError("a step has to be an integer of 64 bits, found one that needs more")
    return number


def encode_value(tag: str, field: int, content: bytes | float | None, metadata: bytes | None = None) -> bytes:
    """Return a summary of one value; ``field`` is the number of the field of ``Summary.Value`` that holds it."""
    fields: list[tuple[int, str, Any]] = [(1, "b", tag)]
    if content is not None:
        fields.append((field, "f" if field == 2 else "b", content))
    if metadata is not None:
        fields.append((9, "b", metadata))
    return encode_message([(1, "b", encode_message(fields))])


def encode_metadata(
    plugin: str = "", content: bytes = b"", *, data_class: int = 0, display_name: str = "", description: str = ""
) -> bytes:
    """Return a ``SummaryMetadata``."""
    parts: list[tuple[int, str, Any]] = [(1, "b", plugin), (2, "b", content)]
    plugin_data = [part for part in parts if part[2]]
    fields: list[tuple[int, str, Any]] = [(1, "b", encode_message(plugin_data))]
    fields += [(number, "b", text) for number, text in ((2, display_name), (3, description)) if text]
    if data_class:
        fields.append((4, "v", data_class))
    return encode_message(fields)


def _shape(dimensions: Sequence[int]) -> bytes:
    sizes = [encode_message([(1, "v", size)] if size else []) for size in dimensions]
    return encode_message([(2, "b", size) for size in sizes])


def encode_tensor(array: Any) -> bytes:
    """Return a ``TensorProto`` of a NumPy array.

    Raises:
        InvalidArgumentError: Tensors have no such type.
    """
    number = DATA_TYPES.get(array.dtype.name)
    if number is None:
        raise InvalidArgumentError(f"a tensor cannot hold {array.dtype}; it holds {', '.join(DATA_TYPES)}")
    little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return encode_message([(1, "v", number), (2, "b", _shape(array.shape)), (4, "b", little_endian.tobytes())])


def encode_string_tensor(strings: Sequence[bytes], shape: Sequence[int]) -> bytes:
    """Return a ``TensorProto`` of strings."""
    fields: list[tuple[int, str, Any]] = [(1, "v", STRING), (2, "b", _shape(shape))]
    return encode_message(fields + [(8, "b", one) for one in strings])


def encode_empty_tensor() -> bytes:
    """Return a ``TensorProto`` of no values: what stands with metadata that say everything."""
    return encode_message([(1, "v", DATA_TYPES["float32"]), (2, "b", _shape([0]))])


class Tensor(NamedTuple):
    """A tensor.

    Attributes:
        dtype: A name of NumPy's, or ``"string"``.
        shape: The size of each dimension.
        values: A NumPy array; a list of bytes for strings.
    """

    dtype: str
    shape: tuple[int, ...]
    values: Any


class Histogram(NamedTuple):
    """A histogram, as ``HistogramProto`` has it.

    Attributes:
        min: The smallest value.
        max: The largest value.
        num: How many values there are.
        sum: Their sum.
        sum_squares: The sum of their squares.
        bucket_limits: The upper edge of each bucket; the first begins at minus infinity.
        bucket_counts: How many values each bucket has.
    """

    min: float
    max: float
    num: float
    sum: float
    sum_squares: float
    bucket_limits: list[float]
    bucket_counts: list[float]


def encode_histogram(histogram: Histogram) -> bytes:
    """Return a ``HistogramProto``."""
    import struct

    # proto3 leaves out what is zero.
    numbers = enumerate(histogram[:5], start=1)
    fields: list[tuple[int, str, Any]] = [(number, "d", float(value)) for number, value in numbers if value]
    for number, values in ((6, histogram.bucket_limits), (7, histogram.bucket_counts)):
        fields.append((number, "b", struct.pack(f"<{len(values)}d", *values)))
    return encode_message(fields)


class Image(NamedTuple):
    """An image, as ``Summary.Image`` has it.

    Attributes:
        height: In pixels.
        width: In pixels.
        colorspace: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        encoded: The bytes of a PNG, GIF or JPEG file.
    """

    height: int
    width: int
    colorspace: int
    encoded: bytes


def encode_image(image: Image) -> bytes:
    """Return a ``Summary.Image``."""
    return encode_message(
        [(1, "v", image.height), (2, "v", image.width), (3, "v", image.colorspace), (4, "b", image.encoded)]
    )


class Audio(NamedTuple):
    """A sound, as ``Summary.Audio`` has it.

    Attributes:
        sample_rate: In hertz.
        num_channels: How many channels.
        length_frames: How many samples a channel has.
        encoded: The bytes of a WAV file.
    """

    sample_rate: float
    num_channels: int
    length_frames: int
    encoded: bytes


def encode_audio(audio: Audio) -> bytes:
    """Return a ``Summary.Audio``."""
    fields: list[tuple[int, str, Any]] = [(1, "f", audio.sample_rate), (2, "v", audio.num_channels)]
    return encode_message([*fields, (3, "v", audio.length_frames), (4, "b", audio.encoded), (5, "b", "audio/wav")])


def _plain_value(value: object) -> bytes:
    """Return a ``google.protobuf.Value``."""
    if isinstance(value, bool):
        return encode_message([(4, "v", value)])
    if isinstance(value, str):
        return encode_message([(3, "b", value)])
    if hasattr(value, "item"):
        return _plain_value(value.item())
    if isinstance(value, (int, float)):
        return encode_message([(2, "d", value)])
    raise InvalidArgumentError(f"a hyperparameter has to be a bool, a number or a str, found {type(value).__name__}")


def _type_of(values: Sequence[object]) -> int:
    """Return the number of ``DataType`` in ``hparams/api.proto``: string, bool or float64."""
    if all(isinstance(value, bool) for value in values):
        return 2
    return 1 if all(isinstance(value, str) for value in values) else 3


def encode_hparams_experiment(
    domains: Mapping[str, Sequence[Any]], display_names: Mapping[str, str], metrics: Sequence[str]
) -> bytes:
    """Return an ``HParamsPluginData`` that says what hyperparameters and metrics there are."""
    fields: list[tuple[int, str, Any]] = []
    for name in dict.fromkeys([*domains, *display_names]):
        info: list[tuple[int, str, Any]] = [(1, "b", name)]
        if name in display_names:
            info.append((2, "b", display_names[name]))
        if name in domains:
            values = [(1, "b", _plain_value(value)) for value in domains[name]]
            info += [(4, "v", _type_of(domains[name])), (5, "b", encode_message(values))]
        fields.append((4, "b", encode_message(info)))
    fields += [(5, "b", encode_message([(1, "b", encode_message([(2, "b", metric)]))])) for metric in metrics]
    return encode_message([(2, "b", encode_message(fields))])


def encode_hparams_start(hparams: Mapping[Any, Any], group: str, start_time: float) -> bytes:
    """Return an ``HParamsPluginData`` of a session's beginning."""
    wrong = [name for name in hparams if not isinstance(name, str)]
    if wrong:
        raise InvalidArgumentError(f"the name of a hyperparameter has to be a str, found {wrong[0]!r}")
    fields: list[tuple[int, str, Any]] = [
        (1, "b", encode_message([(1, "b", name), (2, "b", _plain_value(value))]))
        for name, value in sorted(hparams.items())
    ]
    if group:
        fields.append((4, "b", group))
    return encode_message([(3, "b", encode_message([*fields, (5, "d", start_time)]))])


def encode_hparams_end(end_time: float) -> bytes:
    """Return an ``HParamsPluginData`` of a session's end, by success."""
    return encode_message([(4, "b", encode_message([(1, "v", 1), (2, "d", end_time)]))])


def encode_mesh_metadata(name: str, content_type: int, components: int, shape: Sequence[int], config: object) -> bytes:
    """Return a ``MeshPluginData``; ``content_type`` is 1 for vertices, 2 for faces, 3 for colours."""
    fields: list[tuple[int, str, Any]] = [(2, "b", name), (3, "v", content_type)]
    if config is not None:
        fields.append((5, "b", json.dumps(config, sort_keys=True)))
    fields += [(6, "v", size) for size in shape]
    return encode_message([*fields, (7, "v", components)])


def encode_custom_scalars(layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> bytes:
    """Return a ``Layout`` of categories, each of charts: ``["Multiline", tags]`` or ``["Margin", [value, low, high]]``.

    Raises:
        InvalidArgumentError: It is no such thing.
    """
    try:
        categories = [
            encode_message([(1, "b", category), *((2, "b", _chart(title, chart)) for title, chart in charts.items())])
            for category, charts in layout.items()
        ]
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f'a layout is {{category: {{chart: ["Multiline", tags] or ["Margin", [value, low, high]]}}}}: {error}'
        ) from error
    return encode_message([(2, "b", category) for category in categories])


def _chart(title: str, description: Sequence[Any]) -> bytes:
    kind, tags = description
    if not isinstance(tags, str):
        if kind == "Multiline":
            return encode_message([(1, "b", title), (2, "b", encode_message([(1, "b", tag) for tag in tags]))])
        if kind == "Margin" and len(tags) == 3:
            series = encode_message([(place + 1, "b", tag) for place, tag in enumerate(tags)])
            return encode_message([(1, "b", title), (3, "b", encode_message([(1, "b", series)]))])
    raise ValueError(f"found {description!r}")
