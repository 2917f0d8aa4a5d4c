"""The messages inside of events: what was built is read, and what is broken is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordfs._core import decode_message, encode_message
from recordfs.errors import DataLossError
from recordfs.events.message_readers import decode_audio, decode_histogram, decode_image, decode_tensor
from recordfs.events.messages import encode_custom_scalars, encode_string_tensor, encode_tensor

TYPES = [
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "float16",
]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 3)])
def test_a_tensor_comes_back(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    tensor = decode_tensor(encode_tensor(array))
    assert (tensor.dtype, tensor.shape) == (dtype, shape)
    assert (tensor.values == array).all()


def test_strings_come_back():
    assert decode_tensor(encode_string_tensor([b"a", b""], [2])).values == [b"a", b""]


def test_a_layout_of_custom_scalars_has_the_fields_that_its_charts_are_read_by():
    layout = encode_custom_scalars({"c": {"lines": ["Multiline", ["a", "b"]], "band": ["Margin", ["v", "lo", "hi"]]}})
    [(_, category)] = decode_message(layout)
    # Source of the numbers: TensorBoard's plugins/custom_scalar/layout.proto.
    (title, name), (chart, lines), (_, band) = decode_message(category)
    assert (title, name, chart) == (1, b"c", 2)
    (_, name), (multiline, tags) = decode_message(lines)
    assert (name, multiline, decode_message(tags)) == (b"lines", 2, [(1, b"a"), (1, b"b")])
    (_, name), (margin, content) = decode_message(band)
    [(_, series)] = decode_message(content)
    assert (name, margin, decode_message(series)) == (b"band", 3, [(1, b"v"), (2, b"lo"), (3, b"hi")])


def test_a_tensor_of_fewer_values_than_its_shape_repeats_the_last():
    shape = encode_message([(2, "b", encode_message([(1, "v", 4)]))])
    message = encode_message([(1, "v", 3), (2, "b", shape), (7, "b", b"\x05\x80\x01")])
    assert decode_tensor(message).values.tolist() == [5, 128, 128, 128]


@pytest.mark.parametrize(
    "fields",
    [
        [(1, "v", 1), (4, "b", b"abc")],
        [(1, "v", 1), (2, "b", encode_message([(2, "b", encode_message([(1, "v", 1 << 39)]))]))],
        [(1, "v", 1), (2, "b", encode_message([(2, "b", encode_message([(1, "v", -1)]))]))],
        [(1, "v", 1), (5, "b", b"abc")],
        [(1, "v", 14)],
        [(1, "v", 7), (2, "b", encode_message([(2, "b", encode_message([(1, "v", 5)]))]))],
        [(1, "b", b"float")],
    ],
)
def test_a_tensor_that_is_not_what_it_says_is_refused(fields):
    with pytest.raises(DataLossError):
        decode_tensor(encode_message(fields))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    for decode in (decode_tensor, decode_histogram, decode_image, decode_audio):
        try:
            decode(data)
        except DataLossError:
            continue
