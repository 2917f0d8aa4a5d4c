"""What can be written, what is refused, and that it comes back the same."""

from __future__ import annotations

import array
import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordfs.errors import InvalidArgumentError
from recordfs.example import (
    FixedLenFeature,
    RaggedColumn,
    VarLenFeature,
    decode_example,
    decode_sequence_example,
    encode_example,
    encode_examples,
    encode_sequence_example,
    parse_example,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, [3]),
        (True, [1]),
        (-(2**63), [-(2**63)]),
        (0.1, [float(np.float32(0.1))]),
        (math.inf, [math.inf]),
        (b"raw\0", [b"raw\0"]),
        (bytearray(b"x"), [b"x"]),
        (memoryview(b"xyz")[::2], [b"xz"]),
        ("grün", ["grün".encode()]),
        (None, None),
        ([1, True, 2], [1, 1, 2]),
        ((1, 2.5), [1.0, 2.5]),
        (["a", b"b", bytearray(b"c")], [b"a", b"b", b"c"]),
        ([[1, 2], [3, 4]], [1, 2, 3, 4]),
        ([np.int64(5), np.uint8(6)], [5, 6]),
        ([np.float32(0.5), 1], [0.5, 1.0]),
        ([np.array([1, 2]), np.array([3])], [1, 2, 3]),
        (np.float32(1.5), [1.5]),
        (np.int16(-3), [-3]),
        (np.bool_(True), [1]),
        (np.str_("s"), [b"s"]),
        (np.bytes_(b"s"), [b"s"]),
        (np.arange(6).reshape(2, 3), [0, 1, 2, 3, 4, 5]),
        (np.arange(6).reshape(2, 3).T, [0, 3, 1, 4, 2, 5]),
        (np.arange(6)[::2], [0, 2, 4]),
        (np.array([1, -2], ">i4"), [1, -2]),
        (np.array([1.5, -2], ">f8"), [1.5, -2.0]),
        (np.array([1, 2], np.uint64), [1, 2]),
        (np.array([1.5, 2], np.float64), [1.5, 2.0]),
        (np.array([1.5], np.float16), [1.5]),
        (np.array([True, False]), [1, 0]),
        (np.array(["a", "bb"]), [b"a", b"bb"]),
        (np.array([b"a", b"bb"]), [b"a", b"bb"]),
        (np.array([b"a\0", "b"], object), [b"a\0", b"b"]),
        (np.array([1, 2], object), [1, 2]),
        (np.array([], np.int32), []),
        (np.array([], np.float64), []),
        (np.array([], "S1"), []),
    ],
)
def test_a_value_comes_back_as_what_it_is(value: Any, expected: Any) -> None:
    assert decode_example(encode_example({"v": value})) == {"v": expected}


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8"])
def test_every_integer_type_is_written_whole(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.array([limits.min, -1 if limits.min else 0, 0, 1, limits.max], dtype)
    assert decode_example(encode_example({"v": values})) == {"v": values.tolist()}


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        1e39,
        [],
        [[]],
        ["a", 1],
        [1, "a"],
        [1, None],
        {"a": 1},
        object(),
        "\ud800",
        np.array([2**63], np.uint64),
        [2**24 + 1, 0.5],
        np.array([1e300]),
        np.array([1], np.longdouble),
        np.array([1j]),
        np.array([1, "a"], object),
        np.array(["2020-01-01"], "datetime64[D]"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_features_name(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="'bad'"):
        encode_example({"good": 1, "bad": value})


@pytest.mark.parametrize("value", [[1, "x"], ("x", 1), [b"x", 1.5], [["x"], [1]]])
def test_a_list_of_text_and_numbers_is_refused_with_one_of_each(value: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"feature 'a': a list holds (str|bytes) and (int|float), .*'x' and 1"
    ):
        encode_example({"a": value})


def test_names_must_be_text() -> None:
    with pytest.raises(InvalidArgumentError, match="must be a str"):
        encode_example({b"a": 1})
    with pytest.raises(InvalidArgumentError, match="UTF-8"):
        encode_example({"\ud800": 1})


def test_nan_and_infinity_of_float64_arrays_are_kept() -> None:
    (values,) = decode_example(encode_example({"v": np.array([math.nan, math.inf, -math.inf])})).values()
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


_features = st.dictionaries(
    st.text(max_size=6),
    st.one_of(
        st.none(),
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8),
        st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=8),
        st.lists(st.binary(max_size=20), min_size=1, max_size=8),
    ),
    max_size=6,
)


@given(_features)
def test_what_is_encoded_is_decoded(features: dict[str, Any]) -> None:
    assert decode_example(encode_example(features)) == features


@given(_features, st.dictionaries(st.text(max_size=6), st.lists(st.lists(st.binary(), min_size=1), max_size=3)))
def test_what_is_encoded_as_a_sequence_is_decoded(context: dict[str, Any], lists: dict[str, Any]) -> None:
    assert decode_sequence_example(encode_sequence_example(context, lists)) == (context, lists)


def test_columns_make_the_records_they_came_from() -> None:
    records = [
        encode_example({"n": i, "f": np.full(3, i, np.float32), "b": [b"x"] * i or np.array([], "S1")})
        for i in range(5)
    ]
    features = {"n": FixedLenFeature([], np.int64), "f": FixedLenFeature([3], np.float32), "b": VarLenFeature(bytes)}
    assert encode_examples(parse_example(records, features)) == records


@pytest.mark.parametrize(
    "column",
    [
        np.array([[1, 2], [3, 4]]),
        np.array([[1, 2], [3, 4]], np.uint8),
        np.array([[1, 2], [3, 4]]).T.copy().T,
        RaggedColumn(np.array([1, 2, 3, 4]), np.array([0, 2, 4])),
        [[1, 2], [3, 4]],
        [np.array([1, 2]), (3, 4)],
    ],
)
def test_all_forms_of_a_column_give_the_same_records(column: Any) -> None:
    assert encode_examples({"v": column}) == [encode_example({"v": [1, 2]}), encode_example({"v": [3, 4]})]


def test_lists_of_rows_may_lack_and_mix() -> None:
    records = encode_examples(
        {"a": [1, None, 2], "b": ["x", b"y", bytearray(b"z")], "c": [1, 2.5, 3], "d": [[], [1], []]}
    )
    assert [decode_example(record) for record in records] == [
        {"a": [1], "b": [b"x"], "c": [1.0], "d": []},
        {"b": [b"y"], "c": [2.5], "d": [1]},
        {"a": [2], "b": [b"z"], "c": [3.0], "d": []},
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"a": np.array(5)},
        {"a": [1, 2], "b": [1]},
        {"a": [1, "x"]},
        {"a": [[], []]},
        {"a": [2**63]},
        {"a": [1e39]},
        {"a": np.array([1e300])},
        {"a": [2**24 + 1, 0.5]},
        {"a": RaggedColumn(np.array([1, 2]), np.array([0, 2, 1]))},
        {"a": RaggedColumn(np.array([1, 2]), np.array([0, 5, 2]))},
        {"a": RaggedColumn(np.array([1, 2]), np.array([1, 2]))},
        {"a": RaggedColumn(RaggedColumn(np.array([1]), np.array([0, 1])), np.array([0, 1]))},
    ],
)
def test_columns_that_make_no_records_are_refused(columns: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        encode_examples(columns)


def test_empty_rows_can_be_left_out() -> None:
    columns = {"a": RaggedColumn(np.array([1, 2]), np.array([0, 2, 2])), "b": np.array([5, 6])}
    assert [decode_example(one) for one in encode_examples(columns)] == [{"a": [1, 2], "b": [5]}, {"a": [], "b": [6]}]
    assert decode_example(encode_examples(columns, omit_empty=True)[1]) == {"b": [6]}


def test_rows_of_a_ragged_column_hold_all_values_of_its_inner_dimensions() -> None:
    column = RaggedColumn(np.arange(6).reshape(3, 2), np.array([0, 1, 3]))
    assert [decode_example(one) for one in encode_examples({"a": column})] == [{"a": [0, 1]}, {"a": [2, 3, 4, 5]}]


def test_what_decode_gives_encodes_to_the_same_record() -> None:
    kinds = {"i": np.array([], np.int64), "f": np.array([], np.float32), "b": np.array([], "S1")}
    record = encode_example({**kinds, "none": None, "x": [1, 2], "y": [0.5], "z": ["text"]})
    decoded = decode_example(record)
    assert decoded["i"] == decoded["f"] == decoded["b"] == []
    assert encode_example(decoded) == record
    assert encode_example(pickle.loads(pickle.dumps(decoded))) == record
    assert encode_example(copy.deepcopy(decoded)) == record


def test_what_decode_gives_of_a_sequence_encodes_to_the_same_record() -> None:
    empty = np.array([], np.int64)
    record = encode_sequence_example({"i": empty}, {"steps": [empty, [1], None], "no steps": []})
    assert encode_sequence_example(*decode_sequence_example(record)) == record


@pytest.mark.parametrize("code", "bBhHiIlLqQfd")
def test_an_empty_array_of_pythons_own_tells_its_kind(code: str) -> None:
    dtype = np.float32 if code in "fd" else np.int64
    assert encode_example({"x": array.array(code)}) == encode_example({"x": np.array([], dtype)})
