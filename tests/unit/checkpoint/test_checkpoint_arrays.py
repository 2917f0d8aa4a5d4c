"""Writing: which arrays and types are stored, and what is refused by name."""

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointReader,
    CheckpointWriter,
    checkpoint_exists,
    save_async,
    save_checkpoint,
)
from recordfs.errors import (
    InvalidArgumentError,
)
from support.checkpoint_directories import values_of


def test_arrays_may_be_changed_after_they_were_added(directory):
    small, large = np.ones(3), np.ones(1_000_000)
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        writer.add("small", small)
        writer.add("large", large)
        small[:] = large[:] = 0
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader["small"].all()
        assert reader["large"].all()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (3.5, np.array(3.5)),
        ([1, 2], np.array([1, 2])),
        (np.ones((4, 3))[:, ::2], np.ones((4, 2))),
        (np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(6).reshape(2, 3)),
        (np.arange(3, dtype=">i4"), np.arange(3, dtype="<i4")),
        (b"word", np.array(b"word", object)),
        ("wörd", np.array("wörd".encode(), object)),
        (["a", "bc"], np.array([b"a", b"bc"], object)),
        (np.array([b"a", b"bc"], "S5"), np.array([b"a", b"bc"], object)),
    ],
)
def test_whatever_numpy_makes_an_array_of_is_stored(directory, array, expected):
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", {"t": array})) as reader:
        assert reader["t"].dtype == expected.dtype
        assert reader["t"].tolist() == expected.tolist()


@pytest.mark.parametrize(
    "array",
    [
        np.array([None, b"a"], object),
        np.zeros(3, "datetime64[s]"),
        np.zeros(2, "i4,f4"),
        [[1], [2, 3]],
        "\udcff",
        2**64,
        np.ma.array([1, 2], mask=[0, 1]),
    ],
    ids=str,
)
@pytest.mark.parametrize("save", [save_checkpoint, lambda *args: save_async(*args).result()], ids=["now", "later"])
def test_what_no_checkpoint_holds_is_refused_by_name(directory, array, save):
    with pytest.raises(InvalidArgumentError, match="odd one"):
        save(f"{directory}/ckpt", {"odd one": array})
    assert not checkpoint_exists(f"{directory}/ckpt")


@pytest.mark.parametrize("name", [7, b"w", None])
def test_name_that_is_no_text_is_refused(directory, name):
    for array in (np.ones(3), 1):
        with pytest.raises(InvalidArgumentError, match="name"):
            save_checkpoint(f"{directory}/ckpt", {name: array})


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (300, "int8"),
        ([0, -1], "uint64"),
        (2**63, "int64"),
        (2.0**63, "int64"),
        (1.5, "int32"),
        (float("nan"), "int32"),
        (1e300, "float32"),
        (65520, "float16"),
        (1e9, "float8_e4m3fn"),
        (7.5, "float4_e2m1fn"),
        (float("nan"), "float4_e2m1fn"),
        (8, "int4"),
        (128, "qint8"),
        (2, "bool"),
        (1 + 2j, "float64"),
        ("1", "float32"),
        (b"1", "int32"),
        (2**70, "float64"),
        (1, "string"),
        (1, "nonsense"),
    ],
)
def test_value_that_does_not_fit_the_type_is_refused_by_name(directory, value, dtype):
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        with pytest.raises(InvalidArgumentError, match="tensor 'w'"):
            writer.add("w", value, dtype=dtype)
        writer.add("w", 1)
    assert values_of(f"{directory}/ckpt") == {"w": 1}


@pytest.mark.parametrize(
    ("value", "dtype", "stored"),
    [
        (1 / 3, "float32", np.float32(1 / 3)),
        ([1.0, -2.0], "int8", [1, -2]),
        (2**53 + 1, "float64", 2.0**53),
        (float("inf"), "bfloat16", float("inf")),
        (1 + 0j, "float32", 1.0),
        (-8, "int4", -8),
        (True, "uint8", 1),
        ([255], "quint8", [255]),
    ],
)
def test_value_that_fits_the_type_is_stored_as_it(directory, value, dtype, stored):
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        writer.add("w", value, dtype=dtype)
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader.entry("w").dtype == dtype
        assert reader["w"].astype(np.float64).tolist() == np.asarray(stored, np.float64).tolist()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ab\0\0", b"ab\0\0"),
        ("h\u00e9\0", "h\u00e9\0".encode()),
        (np.bytes_(b"ab\0"), b"ab\0"),
        (np.str_("ab\0"), b"ab\0"),
        ([b"a\0", b"\0\0"], [b"a\0", b"\0\0"]),
        (("a\0", "b"), [b"a\0", b"b"]),
        ([[np.bytes_(b"a\0")], ["b\0"]], [[b"a\0"], [b"b\0"]]),
        (np.array([b"a\0", "b\0"], object), [b"a\0", b"b\0"]),
    ],
)
@pytest.mark.parametrize("save", ["add", "add with a type", "save_async"])
def test_strings_keep_the_nuls_at_their_end(directory, value, expected, save):
    prefix = f"{directory}/ckpt"
    if save == "save_async":
        save_async(prefix, {"s": value}).result()
    else:
        with CheckpointWriter(prefix) as writer:
            writer.add("s", value, dtype="string" if save == "add with a type" else None)
    with CheckpointReader(prefix) as reader:
        assert reader["s"].tolist() == expected
