"""Arrays as what dashboards show: pictures as PNG, sounds as WAV, values as histograms, predictions as curves."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from typing import Any

from recordfs.errors import InvalidArgumentError
from recordfs.events.messages import Audio, Histogram, Image
from recordfs.events.optional import require_numpy

__all__ = [
    "as_array",
    "encode_png",
    "figure_of",
    "grid_of",
    "histogram_of",
    "image_from_bytes",
    "picture_of",
    "pr_curve_of",
    "sound_of",
]

COLORSPACES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's colour type for so many channels: grey, grey with alpha, RGB, RGBA."""


def as_array(values: Any) -> Any:
    """Return anything array-like as a NumPy array: tensors of torch (on any device) and of JAX, too."""
    np = require_numpy("arrays in summaries")
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            values = values.float()
    return np.asarray(values)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def encode_png(pixels: Any) -> bytes:
    """Return the bytes of a PNG file of an array of uint8, height x width x channels (1 to 4).

    The format: RFC 2083, without interlacing, each line by filter 1 (the difference from the pixel to the left).
    """
    np = require_numpy("images")
    height, width, channels = pixels.shape
    left = np.zeros_like(pixels)
    left[:, 1:] = pixels[:, :-1]
    lines = np.empty((height, 1 + width * channels), "uint8")
    lines[:, 0] = 1
    lines[:, 1:] = (pixels - left).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, COLORSPACES[channels], 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def image_from_bytes(encoded: bytes) -> Image:
    """Return an image whose file is given: PNG, GIF or JPEG. Its size is read from the file.

    Raises:
        InvalidArgumentError: It is not one of these.
    """
    if encoded[:8] == b"\x89PNG\r\n\x1a\n" and len(encoded) >= 26:
        width, height, _, color = struct.unpack(">IIBB", encoded[16:26])
        return Image(height, width, {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(color, 3), encoded)
    if encoded[:4] == b"GIF8" and len(encoded) >= 10:
        width, height = struct.unpack("<HH", encoded[6:10])
        return Image(height, width, 3, encoded)
    if encoded[:2] == b"\xff\xd8":
        return _jpeg(encoded)
    raise InvalidArgumentError("an encoded image has to be a PNG, GIF or JPEG file, found something else")


def _jpeg(encoded: bytes) -> Image:
    """Find the size of a JPEG file in its frame header (ITU-T T.81, B.2.2)."""
    place = 2
    while place + 9 < len(encoded) and encoded[place] == 0xFF:
        marker = encoded[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, channels = struct.unpack(">HHB", encoded[place + 5 : place + 10])
            return Image(height, width, channels, encoded)
        place += 2 + int.from_bytes(encoded[place + 2 : place + 4], "big")
    raise InvalidArgumentError("this JPEG file has no frame header")


def picture_of(values: Any, dataformats: str) -> Image:
    """Return an array as a picture.

    Args:
        values: uint8, or floats from 0 to 1.
        dataformats: What its dimensions are: letters of N (pictures, put side by side), H, W, C.

    Raises:
        InvalidArgumentError: The array does not have these dimensions, or cannot be a picture.
    """
    np = require_numpy("images")
    array, letters = as_array(values), dataformats.upper()
    if len(set(letters)) != len(letters) or not {"H", "W"} <= set(letters) <= set("NHWC") or array.ndim != len(letters):
        raise InvalidArgumentError(
            f"dataformats names each dimension of the array by one letter of NHWC, found {dataformats!r} for the shape "
            f"{array.shape}"
        )
    wanted = "NHWC" if "N" in letters else "HWC"
    if "C" not in letters:
        array, letters = array[..., np.newaxis], letters + "C"
    array = array.transpose([letters.index(letter) for letter in wanted])
    if "N" in letters:
        array = grid_of(array)
    if array.dtype.kind == "f":
        array = np.nan_to_num(array, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * 255
    elif array.dtype == bool:
        array = array * 255
    array = array.clip(0, 255).astype("uint8")
    height, width, channels = array.shape
    if channels not in COLORSPACES or not height or not width:
        raise InvalidArgumentError(f"an image has 1 to 4 channels and at least one pixel, found {array.shape} (HWC)")
    return Image(height, width, channels, encode_png(np.ascontiguousarray(array)))


def grid_of(pictures: Any, columns: int = 8) -> Any:
    """Put pictures side by side, at most 8 in a row."""
    np = require_numpy("images")
    count, height, width, channels = pictures.shape
    columns = min(count, columns) or 1
    rows = -(-count // columns)
    grid = np.zeros((rows * height, columns * width, channels), pictures.dtype)
    for place in range(count):
        row, column = divmod(place, columns)
        grid[row * height : (row + 1) * height, column * width : (column + 1) * width] = pictures[place]
    return grid


def sound_of(values: Any, sample_rate: float) -> Audio:
    """Return samples from -1 to 1 as a sound: of shape [length], [1, length] or [length, channels].

    Raises:
        InvalidArgumentError: The array has another shape.
    """
    import wave

    np = require_numpy("sounds")
    array = as_array(values)
    if array.ndim == 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or not 1 <= array.shape[1] <= 16:
        raise InvalidArgumentError(f"audio has the shape [length] or [length, channels], found {array.shape}")
    if not 1 <= sample_rate < 1 << 32:
        raise InvalidArgumentError(f"audio has at least 1 sample a second and fewer than 2**32, found {sample_rate}")
    if array.dtype.kind == "f":
        array = np.nan_to_num(array).clip(-1, 1) * 32767
    array = np.clip(array.astype("float64"), -(1 << 15), (1 << 15) - 1).astype("<i2")
    frames, channels = array.shape
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(int(sample_rate))
        file.writeframes(array.tobytes())
    return Audio(float(sample_rate), channels, frames, out.getvalue())


@functools.cache
def _default_edges() -> Any:
    """Return the edges of TensorFlow's buckets: powers of 1.1 from 1e-12 to 1e20, of both signs, and 0."""
    np = require_numpy("histograms")
    positive = 1e-12 * 1.1 ** np.arange(0, 775)
    return np.concatenate([-positive[::-1], [0.0], positive])


def histogram_of(values: Any, bins: Any = "tensorflow", max_bins: int | None = None) -> Histogram | None:
    """Count values in buckets; those that are not finite are left out. None if none is finite.

    Args:
        values: An array of any shape.
        bins: ``"tensorflow"``, or what ``numpy.histogram`` takes.
        max_bins: Join neighbouring buckets until there are no more than these.

    Raises:
        InvalidArgumentError: There is to be no bucket.
        ValueError: What ``numpy.histogram`` refuses, and values that are not numbers.
    """
    np = require_numpy("histograms")
    if max_bins is not None and max_bins < 1:
        raise InvalidArgumentError(f"a histogram has at least one bucket, found max_bins={max_bins}")
    array = as_array(values).reshape(-1).astype("float64")
    array = array[np.isfinite(array)]
    if not array.size:
        return None
    if isinstance(bins, str) and bins == "tensorflow":
        edges = _default_edges()
        low, high = array.min(), array.max()
        first = max(0, int(np.searchsorted(edges, low, "right")) - 1)
        last = min(len(edges) - 1, int(np.searchsorted(edges, high, "right")))
        edges = edges[first : last + 1]
        # What lies outside of all buckets belongs to the outermost.
        edges = np.concatenate([[min(low, edges[0])], edges[1:-1], [max(high, edges[-1])]])
        if edges[0] >= edges[-1]:
            edges = np.array([low, np.nextafter(low, np.inf)])
        counts, edges = np.histogram(array, bins=edges)
    else:
        counts, edges = np.histogram(array, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        step = -(-len(counts) // max_bins)
        counts = np.add.reduceat(counts, np.arange(0, len(counts), step))
        edges = np.concatenate([edges[:-1:step], edges[-1:]])
    # A bucket begins where the one before it ends: an empty one says where the first begins.
    limits, bucket_counts = edges.tolist(), [0.0, *counts.astype("float64").tolist()]
    with np.errstate(over="ignore"):  # what is too large for a double is told as infinity
        total, squares = float(array.sum()), float(np.dot(array, array))
    return Histogram(float(array.min()), float(array.max()), float(array.size), total, squares, limits, bucket_counts)


def pr_curve_of(labels: Any, predictions: Any, thresholds: int, weights: Any) -> Any:
    """Return the curve of precision and recall over so many thresholds from 0 to 1: float32 of shape [6, thresholds].

    The rows: true positives, false positives, true negatives, false negatives, precision, recall.

    Raises:
        InvalidArgumentError: The arrays differ in size, a prediction is NaN, or there are fewer than 2 thresholds.
    """
    np = require_numpy("pr curves")
    thresholds = min(thresholds, 127)
    truth, predicted = as_array(labels).reshape(-1).astype(bool), as_array(predictions).reshape(-1).astype("float64")
    if truth.size != predicted.size or thresholds < 2:
        raise InvalidArgumentError(
            f"a pr curve needs a prediction for each label and 2 thresholds, found {truth.size} labels, "
            f"{predicted.size} predictions and {thresholds} thresholds"
        )
    given = np.ones(1) if weights is None else as_array(weights).reshape(-1)
    if given.size not in (1, truth.size) or np.isnan(predicted).any():
        raise InvalidArgumentError(
            "a pr curve needs a number for each prediction, and one weight or one for each, found "
            f"{given.size} weights and {np.isnan(predicted).sum()} predictions that are NaN"
        )
    weight = np.broadcast_to(given, truth.shape)
    place = np.floor(predicted.clip(0, 1) * (thresholds - 1)).astype("int64")
    positive = np.bincount(place[truth], weight[truth], thresholds)
    negative = np.bincount(place[~truth], weight[~truth], thresholds)
    true_positive, false_positive = positive[::-1].cumsum()[::-1], negative[::-1].cumsum()[::-1]
    false_negative, true_negative = true_positive[0] - true_positive, false_positive[0] - false_positive
    tiny = 1e-7
    precision = true_positive / np.maximum(tiny, true_positive + false_positive)
    recall = true_positive / np.maximum(tiny, true_positive + false_negative)
    rows = [true_positive, false_positive, true_negative, false_negative, precision, recall]
    return np.stack(rows).astype("float32")


def figure_of(figure: Any) -> Image:
    """Return a figure of Matplotlib as a picture."""
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return image_from_bytes(out.getvalue())
