"""Files that are damaged, or made to harm: an error that says what is wrong, never a crash, a hang or wrong data."""

import math
import tracemalloc

import numpy as np
import pytest

from recordfs._core import masked_crc32c
from recordfs.checkpoint import CheckpointReader, CheckpointWriter, verify_checkpoint
from recordfs.errors import DataLossError, RecordFSError, UnimplementedError
from support.checkpoint_files import fields_of, message_of, read_table, table_of

TENSORS = {
    "numbers": np.arange(5, dtype=np.float32),
    "words": np.array([b"one", b"", b"three"], object),
    "scalar": np.array(7, np.int64),
}

# The metaindex block and its trailer, and of the footer all but the handle of the index block (3 bytes here) and the
# magic: TensorFlow does not look at these either.
INERT = 8 + 5 + 40 - 3


@pytest.fixture
def prefix(tmp_path):
    with CheckpointWriter(tmp_path / "ckpt") as writer:
        for name, array in TENSORS.items():
            writer.add(name, array)
        writer.add_slice("cut", (4, 2), np.s_[:1], [[1, 2]])
        writer.add_slice("cut", (4, 2), np.s_[1:], [[3, 4], [5, 6], [7, 8]])
    return writer.prefix


def read_all(prefix):
    with CheckpointReader(prefix) as reader:
        return {name: array.tolist() for name, array in reader.get_many().items()}


def read_or_fail(prefix):
    """Return all tensors, or None and the path of the error."""
    try:
        return read_all(prefix), prefix
    except RecordFSError as error:
        return None, error.path


def test_every_flipped_byte_is_an_error_or_changes_nothing(prefix):
    sound = read_all(prefix)
    inert = 0
    for suffix in (".index", ".data-00000-of-00001"):
        with open(prefix + suffix, "rb") as file:
            data = file.read()
        for at in range(len(data)):
            broken = bytearray(data)
            broken[at] ^= 0x55
            with open(prefix + suffix, "wb") as file:
                file.write(broken)
            found, path = read_or_fail(prefix)
            inert += found is not None
            assert found in (None, sound), (suffix, at)
            assert path.startswith(prefix)
        with open(prefix + suffix, "wb") as file:
            file.write(data)
    assert inert == INERT


def test_every_cut_of_the_index_is_an_error(prefix):
    with open(f"{prefix}.index", "rb") as file:
        data = file.read()
    for cut in range(len(data)):
        with open(f"{prefix}.index", "wb") as file:
            file.write(data[:cut])
        with pytest.raises(DataLossError, match="index"):
            CheckpointReader(prefix)


def rewrite(prefix, change):
    """Change the index's messages, with sound checksums around them."""
    with open(f"{prefix}.index", "rb") as file:
        records = read_table(file.read())
    with open(f"{prefix}.index", "wb") as file:
        file.write(table_of([(key, change(key, value)) for key, value in records]))


def with_field(name, number, kind, value):
    """Return what replaces one field of the entry of a tensor."""

    def change(key, message):
        if key != name:
            return message
        return message_of([field for field in fields_of(message) if field[0] != number] + [(number, kind, value)])

    return change


def shape_of(*dims):
    return message_of([(2, 2, message_of([(1, 0, dim)])) for dim in dims])


HUGE = 1 << 62


@pytest.mark.parametrize(
    ("number", "kind", "value"),
    [
        pytest.param(2, 2, shape_of(HUGE), id="a dimension that no memory holds"),
        pytest.param(2, 2, shape_of(1 << 32, 1 << 32), id="dimensions whose product overflows"),
        pytest.param(2, 2, shape_of(-5), id="a negative dimension"),
        pytest.param(2, 2, shape_of(*[1] * 300, 5), id="more dimensions than there are"),
        pytest.param(2, 2, message_of([(3, 0, 1)]), id="a shape that nobody knows"),
        pytest.param(3, 0, 1, id="a data file that there is not"),
        pytest.param(3, 0, -1, id="a negative data file"),
        pytest.param(4, 0, -4, id="a negative offset"),
        pytest.param(4, 0, HUGE, id="an offset beyond the file"),
        pytest.param(5, 0, -20, id="a negative size"),
        pytest.param(5, 0, HUGE, id="a size beyond the file"),
        pytest.param(6, 5, 1, id="another checksum"),
        pytest.param(7, 2, b"\x0a\x04\x08\x00\x10\x05", id="a slice without an entry"),
        pytest.param(7, 2, b"\x0a\x04\x08\x01\x10\x05", id="a slice beyond the shape"),
        pytest.param(1, 2, b"", id="a type that is no number"),
        pytest.param(1, 0, 2, id="a type of another size"),
    ],
)
def test_entry_that_makes_no_sense_is_an_error_that_names_its_tensor(prefix, number, kind, value):
    rewrite(prefix, with_field(b"numbers", number, kind, value))
    tracemalloc.start()
    try:
        with CheckpointReader(prefix) as reader:
            for read in (
                lambda: reader["numbers"],
                lambda: reader.get_tensor("numbers", mapped=True),
                lambda: reader.get_many(),
            ):
                with pytest.raises((DataLossError, UnimplementedError), match="numbers"):
                    read()
            assert reader["scalar"] == 7
            assert reader["cut"].tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert "numbers" in [tensor.name for tensor in verify_checkpoint(prefix).broken]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (b"numbers", (0, HUGE)),
        (b"numbers", (HUGE, 0)),
        (b"numbers", (0,) * 65),
        (b"numbers", (1,) * 65),
        (b"numbers", (1,) * 254),
        (b"words", (0, HUGE)),
        (b"words", (0,) * 65),
    ],
    ids=lambda value: f"{len(value)} dimensions" if isinstance(value, tuple) else value.decode(),
)
def test_shape_that_no_array_has_is_refused_by_name_and_the_rest_is_read(prefix, name, shape):
    with CheckpointReader(prefix) as reader:
        stored = reader.entry(name.decode()).slices[0]
    size = math.prod(shape) * 4
    with open(f"{prefix}.data-00000-of-00001", "rb") as file:
        crc = masked_crc32c(file.read()[stored.offset :][:size])
    change = {2: (2, 2, shape_of(*shape)), 5: (5, 0, size), 6: (6, 5, crc)}
    rewrite(
        prefix,
        lambda key, message: (
            message_of([field for field in fields_of(message) if field[0] not in change] + list(change.values()))
            if key == name
            else message
        ),
    )
    with CheckpointReader(prefix) as reader:
        for read in (
            lambda: reader[name.decode()],
            lambda: reader.get_tensor(name.decode(), mapped=True),
            lambda: reader.get_many(),
            lambda: reader.get_many(mapped=True),
            lambda: reader.get_slice(name.decode(), ...),
        ):
            with pytest.raises(UnimplementedError, match=f"tensor '{name.decode()}': NumPy has no array"):
                read()
        assert reader.entry(name.decode()).shape == shape
        assert reader["scalar"] == 7
    assert verify_checkpoint(prefix).sound


@pytest.mark.parametrize(
    "slices",
    [
        pytest.param([(0, 1)], id="a hole"),
        pytest.param([(0, 1), (0, 1), (1, 3)], id="one twice"),
    ],
)
def test_slices_that_do_not_cover_their_tensor_once_are_an_error(prefix, slices):
    def extent(start, length):
        return (1, 2, message_of([(1, 0, start), (2, 0, length)]))

    messages = [message_of([extent(*one), (1, 2, b"")]) for one in slices]

    def change(key, message):
        if key != b"cut":
            return message
        return message_of([field for field in fields_of(message) if field[0] != 7] + [(7, 2, one) for one in messages])

    rewrite(prefix, change)
    with CheckpointReader(prefix) as reader:
        with pytest.raises(DataLossError, match="cut"):
            reader["cut"]
        assert reader["scalar"] == 7


def test_slices_that_share_their_bytes_cannot_make_a_tensor_larger_than_its_file(tmp_path):
    # Each slice leads to the same megabyte, so that a small file would make a tensor of any size.
    rows = 200
    with CheckpointWriter(tmp_path / "ckpt") as writer:
        for row in range(rows):
            writer.add_slice("all", (rows, 1 << 18), np.s_[row : row + 1], np.zeros((1, 1 << 18), np.float32))
    prefix = writer.prefix
    rewrite(
        prefix,
        lambda key, message: (
            message_of([field for field in fields_of(message) if field[0] != 4]) if key[:1] == b"\0" else message
        ),
    )
    with open(f"{prefix}.data-00000-of-00001", "r+b") as file:
        file.truncate(1 << 20)
    with CheckpointReader(prefix) as reader, pytest.raises(DataLossError, match="slices come to"):
        reader["all"]


@pytest.mark.parametrize("count", [0, 2, 4, HUGE])
def test_string_tensor_with_another_number_of_elements_is_an_error(prefix, count):
    rewrite(prefix, with_field(b"words", 2, 2, shape_of(count)))
    with CheckpointReader(prefix) as reader, pytest.raises(DataLossError, match="words"):
        reader["words"]


def test_header_of_a_later_version_is_refused(prefix):
    version = message_of([(1, 0, 2), (2, 0, 2)])
    rewrite(prefix, lambda key, message: message_of([(1, 0, 1), (3, 2, version)]) if key == b"" else message)
    with pytest.raises(UnimplementedError, match="version 2"):
        CheckpointReader(prefix)


def test_type_of_a_later_version_is_refused_by_name_and_the_rest_is_read(prefix):
    rewrite(prefix, with_field(b"numbers", 1, 0, 77))
    with CheckpointReader(prefix) as reader:
        with pytest.raises(UnimplementedError, match="number 77"):
            reader["numbers"]
        assert reader.entry("numbers").dtype == "number 77"
        assert reader["scalar"] == 7
    assert verify_checkpoint(prefix).sound


def test_verification_names_every_broken_tensor_and_only_these(prefix):
    assert verify_checkpoint(prefix).sound
    with CheckpointReader(prefix) as reader:
        places = {name: reader.entry(name).slices[-1].offset for name in ("words", "cut")}
    with open(f"{prefix}.data-00000-of-00001", "r+b") as file:
        for offset in places.values():
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ 1]))
    report = verify_checkpoint(prefix)
    assert [tensor.name for tensor in report.broken] == ["cut", "words"]
    assert (report.tensors, report.num_shards) == (4, 1)


def test_variants_are_verified_without_being_understood(tmp_path):
    import os
    import shutil

    golden = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "checkpoints")
    for name in os.listdir(golden):
        if name.startswith("variant"):
            shutil.copy(os.path.join(golden, name), tmp_path)
    prefix = str(tmp_path / "variant")
    assert verify_checkpoint(prefix).sound
    with CheckpointReader(prefix) as reader:
        (variant,) = [entry for entry in reader.entries() if entry.dtype == "variant"]
    stored = variant.slices[0]
    with open(f"{prefix}.data-00000-of-00001", "rb") as file:
        sound = file.read()
    for at in range(stored.offset, stored.offset + stored.size, 7):
        broken = bytearray(sound)
        broken[at] ^= 1
        with open(f"{prefix}.data-00000-of-00001", "wb") as file:
            file.write(broken)
        assert [tensor.name for tensor in verify_checkpoint(prefix).broken] == [variant.name]
