"""Safetensors files, held against their package: what it writes we read, and what we write it reads."""

import json
import math
import os
import sys
import tempfile

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from recordfs.checkpoint import CheckpointReader, CheckpointWriter, convert_checkpoint, save_checkpoint
from recordfs.errors import (
    DataLossError,
    InvalidArgumentError,
    MissingDependencyError,
    ResourceExhaustedError,
    UnimplementedError,
)

SAME_CODE = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "C64": np.complex64,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
SMALL_WHOLE_NUMBERS = {
    "int4": ([-8, 7, 0], "I8"),
    "int2": ([-2, 1, 0], "I8"),
    "uint4": ([0, 15, 9], "U8"),
    "uint2": ([0, 3, 1], "U8"),
}


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def write_safetensors(path, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def header_of(path):
    """The header of a file, and where its data begin."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), 8 + length


def contents_of(prefix):
    with CheckpointReader(prefix) as reader:
        return reader.get_many()


def every_type():
    """A tensor of every type that the format has, called after it, a scalar, and one without elements."""
    tensors = {code: np.arange(6).reshape(2, 3).astype(dtype) for code, dtype in SAME_CODE.items()}
    return tensors | {"I64 scalar": np.array(7, np.int64), "F64 empty": np.zeros((0, 3))}


def assert_holds(prefix, tensors):
    found = contents_of(prefix)
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_package_reads_every_type_that_we_write_and_it_comes_back(tmp_path):
    tensors = every_type()
    prefix = save_checkpoint(tmp_path / "ckpt", tensors)
    convert_checkpoint(prefix, tmp_path / "weights.safetensors")
    data = (tmp_path / "weights.safetensors").read_bytes()
    found = dict(safetensors.deserialize(data))
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name]["dtype"] == name.partition(" ")[0]
        assert found[name]["shape"] == list(array.shape)
        assert bytes(found[name]["data"]) == array.tobytes()
    convert_checkpoint(tmp_path / "weights.safetensors", tmp_path / "back")
    assert_holds(tmp_path / "back", tensors)


def test_every_type_that_the_package_writes_is_read(tmp_path):
    tensors = every_type()
    names = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E4M3FNUZ": "float8_e4m3fnuz"}
    specs = {
        name: safetensors.TensorSpec(
            dtype=names.get(name, array.dtype.name),
            shape=array.shape,
            data_ptr=array.ctypes.data,
            data_len=array.nbytes,
        )
        for name, array in tensors.items()
    }
    safetensors.serialize_file(specs, tmp_path / "weights.safetensors", {"made by": "the package"})
    done = convert_checkpoint(tmp_path / "weights.safetensors", tmp_path / "back")
    assert (done.tensors, done.left_out) == (len(tensors), ("__metadata__",))
    assert_holds(tmp_path / "back", tensors)


def test_whole_numbers_of_fewer_than_eight_bits_are_the_same_numbers_in_a_file(tmp_path):
    tensors = {name: np.array(values, getattr(ml_dtypes, name)) for name, (values, _) in SMALL_WHOLE_NUMBERS.items()}
    convert_checkpoint(save_checkpoint(tmp_path / "ckpt", tensors), tmp_path / "weights.safetensors")
    found = safetensors.numpy.load_file(tmp_path / "weights.safetensors")
    assert {name: array.tolist() for name, array in found.items()} == {
        name: values for name, (values, _) in SMALL_WHOLE_NUMBERS.items()
    }
    convert_checkpoint(tmp_path / "weights.safetensors", tmp_path / "back")
    assert_holds(tmp_path / "back", tensors)


def test_number_that_the_noted_type_has_not_is_an_error(tmp_path):
    header = {"__metadata__": {"recordfs.type.w": "int4"}, "w": entry("I8", [2], 0, 2)}
    write_safetensors(tmp_path / "weights.safetensors", header, bytes([7, 8]))
    with pytest.raises(DataLossError, match="'w' is noted as int4"):
        convert_checkpoint(tmp_path / "weights.safetensors", tmp_path / "back")


def test_every_tensor_begins_at_a_multiple_of_its_elements_size(tmp_path):
    with CheckpointWriter(tmp_path / "ckpt") as writer:
        for number, dtype in enumerate(["u1", "f8", "u2", "f4", "u1", "c8", "?"]):
            writer.add(f"t{number}", np.ones(3, dtype))
        writer.add("words", b"text")
    convert_checkpoint(writer.prefix, tmp_path / "weights.safetensors")
    header, start = header_of(tmp_path / "weights.safetensors")
    sizes = {"U8": 1, "BOOL": 1, "U16": 2, "F32": 4, "C64": 8, "F64": 8}
    places = {name: found for name, found in header.items() if name != "__metadata__"}
    assert len(places) == 7
    for found in places.values():
        assert (start + found["data_offsets"][0]) % sizes[found["dtype"]] == 0


HOSTILE_HEADERS = {
    "a list": b"[]",
    "no JSON": b"{",
    "not UTF-8": b'{"\xff": 3}',
    "deep": b"[" * 100_000,
    "half a surrogate": b'{"\\ud800": {"dtype": "U8", "shape": [16], "data_offsets": [0, 16]}}',
    "an entry that is no object": {"w": 3},
    "an entry without offsets": {"w": {"dtype": "F32", "shape": [4]}},
    "past the end": {"w": entry("F32", [4], 0, 99)},
    "bytes that no tensor has": {"w": entry("F32", [3], 0, 12)},
    "a shape of another size": {"w": entry("F32", [3], 0, 16)},
    "a negative dimension": {"w": entry("F32", [-4], 0, 16)},
    "offsets that go back": {"w": entry("F32", [4], 16, 0)},
    "a shape beyond 64 bits": {"w": entry("F32", [1 << 62, 4], 0, 16)},
    "a gap": {"v": entry("U8", [4], 0, 4), "w": entry("U8", [8], 8, 16)},
    "an overlap": {"v": entry("U8", [12], 0, 12), "w": entry("U8", [8], 8, 16)},
    "a type that nobody knows": {"w": entry("F128", [1], 0, 16)},
    "metadata that are no object": {"__metadata__": 3, "w": entry("U8", [16], 0, 16)},
    "metadata that are no text": {"__metadata__": {"key": 3}, "w": entry("U8", [16], 0, 16)},
}


@pytest.mark.parametrize("header", HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS.keys())
def test_header_that_the_package_refuses_is_an_error(tmp_path, header):
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, header, bytes(16))
    with pytest.raises(safetensors.SafetensorError):
        safetensors.deserialize(path.read_bytes())
    with pytest.raises(DataLossError, match="not a valid safetensors file") as caught:
        convert_checkpoint(path, tmp_path / "back")
    assert caught.value.path == str(path)
    assert not os.path.exists(tmp_path / "back.index")


@pytest.mark.parametrize(
    "metadata",
    [
        {"recordfs.strings.s": "{}"},
        {"recordfs.strings.s": '{"shape": [2], "values": ["YQ=="]}'},
        {"recordfs.strings.s": '{"shape": [1], "values": ["?"]}'},
        {"recordfs.strings.s": "[" * 100_000},
        {"recordfs.strings.w": '{"shape": [], "values": ["YQ=="]}'},
        {"recordfs.type.w": "nonsense"},
    ],
    ids=lambda metadata: str(metadata)[:60],
)
def test_notes_of_ours_that_make_no_sense_are_an_error(tmp_path, metadata):
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, {"__metadata__": metadata, "w": entry("U8", [16], 0, 16)}, bytes(16))
    with pytest.raises(DataLossError, match="not a valid safetensors file"):
        convert_checkpoint(path, tmp_path / "back")


@pytest.mark.parametrize("shape", [[0, 1 << 62], [1] * 65], ids=["zero and huge", "65 dimensions"])
def test_shape_that_no_array_has_is_refused_by_name(tmp_path, shape):
    size = 4 * math.prod(shape)
    write_safetensors(tmp_path / "weights.safetensors", {"w": entry("F32", shape, 0, size)}, bytes(size))
    with pytest.raises(UnimplementedError, match="tensor 'w': NumPy has no array"):
        convert_checkpoint(tmp_path / "weights.safetensors", tmp_path / "back")


def test_header_larger_than_the_file_is_an_error_before_it_is_read(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    with pytest.raises(DataLossError, match="claims"):
        convert_checkpoint(tmp_path / "weights.safetensors", tmp_path / "back")


def test_type_that_checkpoints_lack_is_refused_by_name_unless_it_is_left_out(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, {"odd": entry("F8_E8M0", [8], 0, 8), "w": entry("U8", [8], 8, 16)}, bytes(range(16)))
    with pytest.raises(UnimplementedError, match="'odd' is of type F8_E8M0"):
        convert_checkpoint(path, tmp_path / "back")
    done = convert_checkpoint(path, tmp_path / "back", names={"odd": None})
    assert (done.tensors, done.left_out) == (1, ("odd",))
    assert contents_of(tmp_path / "back")["w"].tolist() == list(range(8, 16))


def test_type_that_the_format_lacks_is_refused_by_name_and_leaves_nothing(tmp_path):
    prefix = save_checkpoint(tmp_path / "ckpt", {"wide": np.zeros(2, np.complex128), "plain": np.ones(2)})
    with pytest.raises(InvalidArgumentError, match="wide"):
        convert_checkpoint(prefix, tmp_path / "weights.safetensors")
    assert not os.path.exists(tmp_path / "weights.safetensors")
    done = convert_checkpoint(prefix, tmp_path / "weights.safetensors", names={"wide": None})
    assert (done.tensors, done.left_out) == (1, ("wide",))


@pytest.mark.parametrize("with_strings", [False, True])
def test_name_that_the_format_keeps_for_itself_is_refused_and_leaves_nothing(tmp_path, with_strings):
    tensors = {"__metadata__": np.ones(2)} | ({"s": b"text"} if with_strings else {})
    prefix = save_checkpoint(tmp_path / "ckpt", tensors)
    with pytest.raises(InvalidArgumentError, match="__metadata__"):
        convert_checkpoint(prefix, tmp_path / "weights.safetensors")
    assert not os.path.exists(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("way", ["reading", "writing"])
def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch, way):
    prefix = save_checkpoint(tmp_path / "ckpt", {"w": 1})
    convert_checkpoint(prefix, tmp_path / "weights.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    source, target = (
        (tmp_path / "weights.safetensors", tmp_path / "b") if way == "reading" else (prefix, tmp_path / "b")
    )
    with pytest.raises(MissingDependencyError, match=r"recordfs\[safetensors\]"):
        convert_checkpoint(source, target, target_format="safetensors" if way == "writing" else None)
    assert sorted(os.listdir(tmp_path)) == ["ckpt.data-00000-of-00001", "ckpt.index", "weights.safetensors"]


@pytest.mark.skipif(sys.platform != "linux", reason="every write to /dev/full fails")
def test_without_room_for_the_header_the_error_tells_of_the_temporary_directory(tmp_path, monkeypatch):
    prefix = save_checkpoint(tmp_path / "ckpt", {"w": 1})
    real = tempfile.NamedTemporaryFile
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda **named: full(real(**named)))

    def full(file):
        with open("/dev/full", "wb") as device:
            os.dup2(device.fileno(), file.fileno())
        return file

    with pytest.raises(ResourceExhaustedError, match="No space left") as caught:
        convert_checkpoint(prefix, tmp_path / "weights.safetensors")
    assert caught.value.path == tempfile.gettempdir()
    assert not os.path.exists(tmp_path / "weights.safetensors")
