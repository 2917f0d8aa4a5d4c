"""Conversion: what other programs read and write, what cannot be held, files that are damaged."""

import json
import os
import re
import warnings
import zipfile

import ml_dtypes
import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointReader,
    CheckpointWriter,
    ObjectGraph,
    convert_checkpoint,
    rename_by_patterns,
    save_checkpoint,
)
from recordfs.errors import AlreadyExistsError, DataLossError, InvalidArgumentError, RecordFSError, UnimplementedError

TENSORS = {
    "matrix": np.arange(12, dtype=np.float32).reshape(3, 4),
    "scalar": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float64),
    "flags": np.array([True, False]),
    "half": np.arange(4).astype(ml_dtypes.bfloat16),
    "words": np.array([[b"one"], [b""]], object),
}


def same(first, second):
    if first.dtype == object:
        return first.tolist() == second.tolist() and first.shape == second.shape
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


@pytest.fixture
def prefix(tmp_path):
    with CheckpointWriter(tmp_path / "ckpt") as writer:
        for name, array in TENSORS.items():
            writer.add(name, array)
        writer.add("quantized", np.arange(3, dtype=np.int8), dtype="qint8")
        writer.add_slice("cut", (4, 2), np.s_[:1], [[1, 2]])
        writer.add_slice("cut", (4, 2), np.s_[1:], [[3, 4], [5, 6], [7, 8]])
    return writer.prefix


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.npz", "again"])
@pytest.mark.parametrize("scheme", ["local", "ram"])
def test_all_tensors_and_their_types_come_back(prefix, tmp_path, name, scheme):
    middle = str(tmp_path / name) if scheme == "local" else f"ram://converted{tmp_path}/{name}"
    done = convert_checkpoint(prefix, middle)
    assert done.tensors == len(TENSORS) + 2
    convert_checkpoint(middle, tmp_path / "back")
    with CheckpointReader(prefix) as first, CheckpointReader(tmp_path / "back") as second:
        assert list(first) == list(second)
        for tensor in first:
            assert same(first[tensor], second[tensor])
            assert first.entry(tensor).dtype == second.entry(tensor).dtype


def test_numpy_reads_what_we_write_and_we_read_what_it_writes(prefix, tmp_path):
    convert_checkpoint(prefix, tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as archive:
        for name in ("matrix", "scalar", "empty", "flags"):
            assert same(archive[name], TENSORS[name])
    tensors = {"c": TENSORS["matrix"], "fortran": np.asfortranarray(TENSORS["matrix"]), "zero": np.float32(3)}
    np.savez_compressed(tmp_path / "numpy.npz", **tensors)
    convert_checkpoint(tmp_path / "numpy.npz", tmp_path / "back")
    with CheckpointReader(tmp_path / "back") as reader:
        assert reader["fortran"].tolist() == reader["c"].tolist() == TENSORS["matrix"].tolist()
        assert reader["zero"] == 3


def test_pickled_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "objects.npz", trap=np.array([{}], object))
    with pytest.raises(InvalidArgumentError, match="pickled"):
        convert_checkpoint(tmp_path / "objects.npz", tmp_path / "back")


NAMES = [
    "tab\t",
    "line\n",
    "\x1b[31m",
    "é",
    "\u202e",
    "/",
    "../up",
    "a/",
    "a.npy",
    "recordfs.json",
    "s/byte",
    "n" * 60_000,
]


def test_attribute_path_that_is_also_the_name_of_a_tensor_is_refused(tmp_path):
    key = "w/.ATTRIBUTES/VARIABLE_VALUE"
    prefix = save_checkpoint(tmp_path / "ckpt", {"w": 1, key: 2}, object_graph=ObjectGraph.from_attributes(["w"]))
    with pytest.raises(InvalidArgumentError, match="'w' is the name of a tensor and the attribute path"):
        convert_checkpoint(prefix, tmp_path / "weights.npz", by_attribute=True)


@pytest.mark.parametrize("target", ["weights.npz", "weights.safetensors"])
def test_tensors_with_odd_names_come_back(tmp_path, target):
    prefix = save_checkpoint(tmp_path / "ckpt", {name: np.float32(place) for place, name in enumerate(NAMES)})
    convert_checkpoint(prefix, tmp_path / target)
    convert_checkpoint(tmp_path / target, tmp_path / "back")
    with CheckpointReader(tmp_path / "back") as reader:
        assert {name: int(array) for name, array in reader.items()} == {name: at for at, name in enumerate(NAMES)}


@pytest.mark.parametrize("name", ["nul\0", "\udcff", "n" * 70_000, "s/bytes"], ids=lambda name: repr(name)[:12])
def test_name_that_no_member_of_an_archive_can_have_is_refused_and_leaves_nothing(tmp_path, name):
    prefix = save_checkpoint(tmp_path / "ckpt", {name: 1, "s": b"text"})
    with pytest.raises(InvalidArgumentError, match="cannot be in an npz archive"):
        convert_checkpoint(prefix, tmp_path / "weights.npz")
    assert not os.path.exists(tmp_path / "weights.npz")


def test_names_that_would_meet_are_refused(prefix, tmp_path):
    with pytest.raises(InvalidArgumentError, match="would both be 'x'"):
        convert_checkpoint(prefix, tmp_path / "back", names=lambda name: "x")
    with pytest.raises(InvalidArgumentError, match="not there: 'other'"):
        convert_checkpoint(prefix, tmp_path / "back", names={"other": "x"})


@pytest.mark.parametrize("rule", [("(", "x"), ("w", r"\9"), ("w", r"\g<none>")])
def test_rule_that_makes_no_sense_is_refused_before_anything_is_read(rule):
    with pytest.raises(InvalidArgumentError, match=re.escape(repr(rule[0]))):
        rename_by_patterns([rule])


def test_by_attribute_needs_an_object_graph(prefix, tmp_path):
    with pytest.raises(InvalidArgumentError, match="no object graph"):
        convert_checkpoint(prefix, tmp_path / "weights.npz", by_attribute=True)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.npz", "back"])
def test_target_that_is_there_stays_as_it_was(prefix, tmp_path, name):
    convert_checkpoint(prefix, tmp_path / name)
    before = {path: (tmp_path / path).read_bytes() for path in os.listdir(tmp_path)}
    with pytest.raises(AlreadyExistsError):
        convert_checkpoint(prefix, tmp_path / name)
    assert before == {path: (tmp_path / path).read_bytes() for path in os.listdir(tmp_path)}


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.npz"])
def test_every_cut_and_many_flipped_bytes_are_errors_or_harmless(tmp_path, name):
    prefix = save_checkpoint(tmp_path / "ckpt", {"w": np.arange(5, dtype=np.float32), "s": b"word"})
    convert_checkpoint(prefix, tmp_path / name)
    sound = (tmp_path / name).read_bytes()

    def convert(data):
        (tmp_path / name).write_bytes(data)
        try:
            convert_checkpoint(tmp_path / name, tmp_path / "back", overwrite=True)
        except RecordFSError as error:
            return error
        return None

    for cut in range(0, len(sound), 3):
        assert isinstance(convert(sound[:cut]), DataLossError), cut
    for at in range(0, len(sound), 3):
        broken = bytearray(sound)
        broken[at] ^= 0x20
        convert(bytes(broken))  # raises nothing but errors of recordfs


HUGE = 1 << 62


def write_archive(path, *members):
    """Write an archive of arrays whose headers may say anything: name, type, shape and data of each."""
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name
        for name, descr, shape, data in members:
            header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data)


@pytest.mark.parametrize(
    ("members", "error", "match"),
    [
        ([("w", "<f4", (0, HUGE), b"")], UnimplementedError, "tensor 'w': NumPy has no array"),
        ([("w", "<f4", (-1,), b"")], DataLossError, "not a shape"),
        ([("w", "<f4", (-1, -1), bytes(4))], DataLossError, "not a shape"),
        ([("w", "<f4", (True,), bytes(4))], DataLossError, "not a shape"),
        ([("w", "<U1", (1,), b"\xff" * 4)], DataLossError, "no character"),
        ([("w", "<f4", (1,), bytes(4)), ("w", "<f4", (1,), bytes(4))], DataLossError, "two members 'w.npy'"),
        ([("w", "<M8[s]", (1,), bytes(8))], InvalidArgumentError, "'w': a checkpoint holds no elements"),
        ([("w", "|O", (1,), bytes(8))], InvalidArgumentError, "pickled"),
    ],
)
def test_array_of_an_archive_that_no_tensor_is_is_an_error_that_names_it(tmp_path, members, error, match):
    write_archive(tmp_path / "weights.npz", *members)
    with pytest.raises(error, match=match) as caught:
        convert_checkpoint(tmp_path / "weights.npz", tmp_path / "back")
    assert caught.value.path == str(tmp_path / "weights.npz")
    assert not os.path.exists(tmp_path / "back.index")


@pytest.mark.parametrize("target", ["weights.safetensors", "other.npz", "back"])
def test_strings_of_a_fixed_width_become_strings_in_every_format(tmp_path, target):
    arrays = {"text": np.array([["é", "bc"]]), "swapped": np.array(["x"], ">U3"), "raw": np.array(b"a", "S2")}
    np.savez(tmp_path / "weights.npz", **arrays)
    convert_checkpoint(tmp_path / "weights.npz", tmp_path / target)
    convert_checkpoint(tmp_path / target, tmp_path / "last")
    with CheckpointReader(tmp_path / "last") as reader:
        found = {name: array.tolist() for name, array in reader.items()}
    assert found == {"text": [["é".encode(), b"bc"]], "swapped": [b"x"], "raw": b"a"}


def test_notes_of_an_archive_that_make_no_sense_are_an_error(prefix, tmp_path):
    for notes in (
        {"types": {"w": "bfloat16"}, "strings": {}},
        {"types": 3, "strings": {}},
        [],
        {"strings": {"s": [1]}},
        {"types": {"w": []}, "strings": {}},
        {"types": {"w": [["a"]]}, "strings": {}},
        {"types": {"w": {"names": 1}}, "strings": {}},
        {"types": {"w": "f4,("}, "strings": {}},
        {"types": {"w": 5}, "strings": {}},
        {"types": {"w": "variant"}, "strings": {}},
        {"types": {}, "strings": {"s": [-1]}},
    ):
        np.savez(tmp_path / "weights.npz", w=np.ones(3))
        with zipfile.ZipFile(tmp_path / "weights.npz", "a") as archive:
            archive.writestr("recordfs.json", json.dumps(notes))
        with pytest.raises(DataLossError, match="npz"):
            convert_checkpoint(tmp_path / "weights.npz", tmp_path / "back")
