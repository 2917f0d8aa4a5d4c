"""One rule for doubles, wherever they come from: rounded to the nearest float32, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recordfs.errors import InvalidArgumentError
from recordfs.example import (
    RaggedColumn,
    decode_example,
    decode_sequence_example,
    encode_example,
    encode_examples,
    encode_sequence_example,
    from_arrow,
    import_examples,
)
from recordfs.records.reader import RecordReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from recordfs.example.doubles import Doubles

NEAREST = float(np.float32(0.1))


def _file(tmp_path: Path, name: str, value: float) -> str:
    path = tmp_path / name
    if name.endswith("jsonl"):
        path.write_text(f'{{"x": {value!r}}}\n')
    elif name.endswith("npz"):
        np.savez(path, x=np.array([value]))
    else:
        pq.write_table(pa.table({"x": [value]}), path)
    return str(path)


def _imported(tmp_path: Path, name: str, value: float, doubles: Doubles) -> bytes:
    import_examples(_file(tmp_path, name, value), str(tmp_path / "out"), doubles=doubles)
    return next(iter(RecordReader(str(tmp_path / "out"))))


WAYS: dict[str, Callable[[Any, float, Doubles], bytes]] = {
    "float": lambda _, x, doubles: encode_example({"x": x}, doubles=doubles),
    "list": lambda _, x, doubles: encode_example({"x": [x]}, doubles=doubles),
    "float64 scalar": lambda _, x, doubles: encode_example({"x": np.float64(x)}, doubles=doubles),
    "float64 array": lambda _, x, doubles: encode_example({"x": np.array([x])}, doubles=doubles),
    "strided float64 array": lambda _, x, doubles: encode_example({"x": np.array([x, 0])[::2]}, doubles=doubles),
    "big-endian array": lambda _, x, doubles: encode_example({"x": np.array([x], ">f8")}, doubles=doubles),
    "column": lambda _, x, doubles: encode_examples({"x": np.array([x])}, doubles=doubles)[0],
    "column of floats": lambda _, x, doubles: encode_examples({"x": [x]}, doubles=doubles)[0],
    "column of arrays": lambda _, x, doubles: encode_examples({"x": [np.array([x])]}, doubles=doubles)[0],
    "ragged column": lambda _, x, doubles: encode_examples(
        {"x": RaggedColumn(np.array([x]), np.array([0, 1]))}, doubles=doubles
    )[0],
    "arrow": lambda _, x, doubles: next(from_arrow(pa.table({"x": [x]}), doubles=doubles)),
    "parquet": lambda place, x, doubles: _imported(place, "a.parquet", x, doubles),
    "json lines": lambda place, x, doubles: _imported(place, "a.jsonl", x, doubles),
    "npz": lambda place, x, doubles: _imported(place, "a.npz", x, doubles),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_double_is_rounded_to_the_nearest_float32(way: str, tmp_path: Path) -> None:
    assert decode_example(WAYS[way](tmp_path, 0.1, "round")) == {"x": [NEAREST]}


@pytest.mark.parametrize("way", WAYS)
def test_a_double_that_no_float32_equals_is_refused_where_it_is_asked_for(way: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r'\b0\.1 is a double that no float32 equals; doubles="round"'):
        WAYS[way](tmp_path, 0.1, "refuse")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("doubles", ["round", "refuse"])
def test_a_double_beyond_float32_never_becomes_infinity(way: str, doubles: Doubles, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="does not fit into a float32"):
        WAYS[way](tmp_path, 1e300, doubles)


@pytest.mark.parametrize("way", WAYS)
def test_a_double_that_a_float32_equals_is_taken_by_both_answers(way: str, tmp_path: Path) -> None:
    assert WAYS[way](tmp_path, 0.25, "round") == WAYS[way](tmp_path, 0.25, "refuse")


def test_steps_of_sequence_examples_go_by_the_same_rule() -> None:
    assert decode_sequence_example(encode_sequence_example({}, {"x": [[0.1]]})) == ({}, {"x": [[NEAREST]]})
    with pytest.raises(InvalidArgumentError, match="no float32 equals"):
        encode_sequence_example({}, {"x": [[0.1]]}, doubles="refuse")


@pytest.mark.parametrize("integer", [2**24 + 1, -(2**31) - 1, 10**400])
def test_an_integer_among_floats_is_never_rounded(integer: int) -> None:
    for write in (lambda: encode_example({"x": [0.5, integer]}), lambda: encode_examples({"x": [0.5, integer]})):
        with pytest.raises(InvalidArgumentError):
            write()


def test_another_answer_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="'round' or 'refuse'"):
        encode_example({"x": 0.1}, doubles="nearest")  # type: ignore[arg-type]  # on purpose
