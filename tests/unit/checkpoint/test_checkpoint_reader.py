"""Reading: a mapping of names to arrays, parts of tensors, given arrays, mapped files."""

import os
import pickle

import numpy as np
import pytest

from recordfs import get_file_system
from recordfs.checkpoint import CheckpointReader, CheckpointWriter, TensorNotFoundError, save_checkpoint
from recordfs.errors import (
    ClosedFileError,
    DataLossError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    UnimplementedError,
)

LARGE = np.arange(600_000, dtype=np.float32).reshape(1000, 600)


@pytest.fixture(params=["local", "ram"])
def prefix(request, tmp_path):
    """A checkpoint of a large, a small, a string and an empty tensor, and one in slices."""
    path = str(tmp_path / "ckpt") if request.param == "local" else f"ram://checkpoints{tmp_path}/ckpt"
    with CheckpointWriter(path) as writer:
        writer.add("small", np.arange(6, dtype=np.int16).reshape(2, 3))
        writer.add("large", LARGE)
        writer.add("words", np.array([b"one", b"", b"three"], object))
        writer.add("none", np.zeros((3, 0), np.float64))
        writer.add_slice("cut", LARGE.shape, np.s_[:, :100], LARGE[:, :100])
        writer.add_slice("cut", LARGE.shape, np.s_[:, 100:], LARGE[:, 100:])
    return path


def test_reader_is_a_mapping_in_the_order_of_names(prefix):
    with CheckpointReader(prefix) as reader:
        assert list(reader) == ["cut", "large", "none", "small", "words"]
        assert len(reader) == 5
        assert "large" in reader
        assert "missing" not in reader
        assert reader.get("missing") is None
        assert reader.get("missing", 7) == 7
        assert dict(reader).keys() == set(reader)


def test_all_tensors_come_back_equal(prefix):
    with CheckpointReader(prefix) as reader:
        found = reader.get_many()
    assert (found["large"] == LARGE).all()
    assert (found["cut"] == LARGE).all()
    assert found["small"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["words"].tolist() == [b"one", b"", b"three"]
    assert found["none"].shape == (3, 0)
    assert all((array.flags.writeable and array.flags.owndata) or not array.size for array in found.values())


def test_missing_name_is_a_key_error_that_suggests_a_close_one(prefix):
    with CheckpointReader(prefix) as reader:
        for read in (reader.__getitem__, reader.entry, lambda name: reader.get_slice(name, np.s_[:])):
            with pytest.raises(TensorNotFoundError, match="did you mean 'large'") as caught:
                read("larg")
            assert isinstance(caught.value, KeyError)


def test_entries_tell_types_and_shapes_without_reading_data(prefix):
    file_system = get_file_system(prefix)
    for name in ("large", "cut"):
        with CheckpointReader(prefix) as reader:
            assert reader.entry(name).dtype == "float32"
            assert reader.entry(name).shape == LARGE.shape
            assert reader.entry(name).size == LARGE.nbytes
    file_system.delete_file(prefix + ".data-00000-of-00001")
    with CheckpointReader(prefix) as reader:
        assert [entry.name for entry in reader.entries()] == list(reader)
        assert reader.get_variable_to_shape_map()["small"] == [2, 3]
        assert reader.get_variable_to_dtype_map()["small"] == np.int16
        with pytest.raises(NotFoundError, match="data-00000-of-00001"):
            reader["small"]


@pytest.mark.parametrize("name", ["large", "cut"])
@pytest.mark.parametrize(
    "index",
    [
        np.s_[:],
        np.s_[3],
        np.s_[-1, -2],
        np.s_[10:20, 5:9],
        np.s_[::7, ::-3],
        np.s_[..., 2],
        np.s_[998:, 90:110],
        np.s_[5:5],
        np.s_[2000:],
        np.s_[400:2:-50],
        (),
    ],
)
def test_slices_are_what_numpy_gives_of_the_whole(prefix, name, index):
    with CheckpointReader(prefix) as reader:
        found = reader.get_slice(name, index)
    expected = LARGE[index]
    assert found.shape == expected.shape
    assert (found == expected).all()


def test_slice_reads_little_more_than_its_bytes(prefix):
    class Counting:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def read_ranges(self, ranges, **keywords):
            read.extend(length for _, length in ranges)
            return self.file.read_ranges(ranges, **keywords)

    read = []
    with CheckpointReader(prefix) as reader:
        files = reader._files
        files._files[0] = Counting(files.file(0))
        reader.get_slice("large", np.s_[10:12])
    assert sum(read) == 2 * 600 * 4


@pytest.mark.parametrize("index", [np.s_[0, 0, 0], np.s_[..., ...], "large", np.s_[None], np.s_[True], np.s_[0.5]])
def test_index_that_does_not_suit_is_refused(prefix, index):
    with CheckpointReader(prefix) as reader, pytest.raises(InvalidArgumentError, match="large"):
        reader.get_slice("large", index)


def test_number_outside_its_dimension_is_out_of_range(prefix):
    with CheckpointReader(prefix) as reader, pytest.raises(OutOfRangeError, match="1000"):
        reader.get_slice("large", 1000)


def test_strings_are_sliced_like_numbers(prefix):
    with CheckpointReader(prefix) as reader:
        assert reader.get_slice("words", np.s_[1:]).tolist() == [b"", b"three"]


def test_given_arrays_are_filled(prefix):
    with CheckpointReader(prefix) as reader:
        large, small = np.zeros_like(LARGE), np.zeros((2, 6), np.int16)[:, ::2]
        words, cut = np.empty(3, object), np.zeros((2, *LARGE.shape), np.float32)[1]
        out = {"large": large, "small": small, "words": words, "cut": cut}
        found = reader.get_many(["small", "large", "words", "cut"], out=out)
        assert all(found[name] is out[name] for name in out)
    assert (large == LARGE).all()
    assert (cut == LARGE).all()
    assert small.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert words.tolist() == [b"one", b"", b"three"]


@pytest.mark.parametrize("mapped", [False, True])
def test_given_array_of_what_is_not_read_is_refused(prefix, mapped):
    with CheckpointReader(prefix) as reader:
        with pytest.raises(InvalidArgumentError, match="'lagre'"):
            reader.get_many(out={"lagre": np.zeros_like(LARGE)}, mapped=mapped)
        with pytest.raises(InvalidArgumentError, match="'large'"):
            reader.get_many(["small"], out={"large": np.zeros_like(LARGE)}, mapped=mapped)


def test_one_name_where_several_are_asked_for_is_refused(prefix):
    with CheckpointReader(prefix) as reader:
        with pytest.raises(InvalidArgumentError, match="one name 'large'"):
            reader.get_many("large")
        with pytest.raises(InvalidArgumentError, match="one name 'large'"):
            list(reader.stream("large"))


def test_given_array_that_does_not_fit_is_refused(prefix):
    read_only = np.zeros_like(LARGE)
    read_only.flags.writeable = False
    with CheckpointReader(prefix) as reader:
        for wrong in (np.zeros(3, np.float32), np.zeros(LARGE.shape, np.float64), read_only):
            with pytest.raises(InvalidArgumentError, match="large"):
                reader.get_tensor("large", out=wrong)


def test_mapped_arrays_are_read_only_and_outlive_reader_and_file(tmp_path):
    prefix = save_checkpoint(tmp_path / "ckpt", {"odd": np.ones(5, np.uint8), "large": LARGE}, alignment=64)
    with CheckpointReader(prefix) as reader:
        found = reader.get_many(mapped=True)
    os.unlink(prefix + ".data-00000-of-00001")
    assert (found["large"] == LARGE).all()
    assert not found["large"].flags.owndata
    assert not any(array.flags.writeable for array in found.values())


def test_mapped_tensor_at_an_odd_offset_is_copied(tmp_path):
    prefix = save_checkpoint(tmp_path / "ckpt", {"odd": np.ones(5, np.uint8), "large": LARGE})
    with CheckpointReader(prefix) as reader:
        found = reader.get_tensor("large", mapped=True)
    assert found.flags.aligned
    assert (found == LARGE).all()


def test_wrong_byte_of_data_is_found_wherever_it_lies_and_the_rest_is_read(prefix):
    file_system = get_file_system(prefix)
    with CheckpointReader(prefix) as reader:
        stored = {name: reader.entry(name).slices[0] for name in reader}
    path = prefix + ".data-00000-of-00001"
    with file_system.new_random_access_file(path) as file:
        sound = file.read(0, file.size())
    for name, place in stored.items():
        for at in {place.offset, place.offset + place.size // 2, place.offset + place.size - 1} if place.size else ():
            broken = bytearray(sound)
            broken[at] ^= 1
            with file_system.new_writable_file(path) as file:
                file.append(broken)
            for mapped in (False, True):
                with CheckpointReader(prefix) as reader:
                    with pytest.raises(DataLossError, match=name) as caught:
                        reader.get_tensor(name, mapped=mapped)
                    assert caught.value.path == path
                    for other in set(stored) - {name}:
                        reader.get_tensor(other, mapped=mapped)


def test_checksums_can_be_left_out(prefix):
    file_system = get_file_system(prefix)
    path = prefix + ".data-00000-of-00001"
    with file_system.new_random_access_file(path) as file:
        broken = bytearray(file.read(0, file.size()))
    broken[0] ^= 1
    with file_system.new_writable_file(path) as file:
        file.append(broken)
    with CheckpointReader(prefix, verify_checksums=False) as reader:
        assert reader["small"][0, 0] == 1
        assert (reader["large"] == LARGE).all()


def test_every_cut_of_the_data_is_found(tmp_path):
    prefix = save_checkpoint(tmp_path / "ckpt", {"a": np.arange(5), "s": np.array([b"x", b"yz"], object)})
    path = prefix + ".data-00000-of-00001"
    size = os.path.getsize(path)
    for cut in range(size - 1, -1, -1):
        os.truncate(path, cut)
        for mapped in (False, True):
            with CheckpointReader(prefix) as reader, pytest.raises(DataLossError):
                reader.get_many(mapped=mapped)


def test_missing_checkpoint_is_not_found_and_says_which_file(tmp_path):
    with pytest.raises(NotFoundError, match=r"nowhere\.index"):
        CheckpointReader(tmp_path / "nowhere")


def test_single_file_that_is_a_table_is_named_as_the_older_format(tmp_path):
    (tmp_path / "old").write_bytes(b"x" * 100 + bytes.fromhex("57fb808b247547db"))
    with pytest.raises(UnimplementedError, match="V1"):
        CheckpointReader(tmp_path / "old")


def test_file_or_directory_in_place_of_a_prefix_is_not_found(tmp_path):
    (tmp_path / "notes").write_bytes(b"short")
    with pytest.raises(NotFoundError, match=r"notes\.index"):
        CheckpointReader(tmp_path / "notes")
    with pytest.raises(NotFoundError, match="directory"):
        CheckpointReader(tmp_path)


def test_path_of_one_of_the_files_means_the_checkpoint(prefix):
    for suffix in (".index", ".data-00000-of-00001"):
        with CheckpointReader(prefix + suffix) as reader:
            assert reader.prefix == prefix


def test_closed_reader_refuses_to_read(prefix):
    reader = CheckpointReader(prefix)
    reader.close()
    reader.close()
    with pytest.raises(ClosedFileError):
        reader["small"]


def test_reader_is_pickled_by_its_prefix(prefix):
    with CheckpointReader(prefix, verify_checksums=False) as reader, pickle.loads(pickle.dumps(reader)) as again:
        assert again.prefix == reader.prefix
        assert (again["large"] == LARGE).all()


def test_stream_gives_every_tensor_in_the_order_of_its_bytes(prefix):
    with CheckpointReader(prefix) as reader:
        names = [name for name, _ in reader.stream()]
        assert sorted(names) == list(reader)
        offsets = [reader.entry(name).slices[0].offset for name in names]
        assert offsets == sorted(offsets)


def test_names_that_are_no_utf8_can_be_read_and_written_again(tmp_path):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    prefix = save_checkpoint(tmp_path / "ckpt", {name: np.ones(3)})
    with CheckpointReader(prefix) as reader:
        assert list(reader) == [name]
        assert reader[name].tolist() == [1, 1, 1]


def test_file_that_was_shortened_under_its_mapping_is_an_error(tmp_path):
    """Touching what is gone would end the process."""
    prefix = save_checkpoint(tmp_path / "ckpt", {"a": np.ones(4), "large": np.arange(3_000_000)})
    with CheckpointReader(prefix) as reader:
        first = reader.get_tensor("a", mapped=True)
        os.truncate(f"{prefix}.data-00000-of-00001", 1 << 20)
        with pytest.raises(DataLossError, match="'large'"):
            reader.get_tensor("large", mapped=True)
        assert first.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("size", [1_048_576, 1_048_577, 2_000_000])
def test_large_arrays_can_be_written_and_outlive_everything(tmp_path, size):
    prefix = save_checkpoint(tmp_path / "ckpt", {"w": np.arange(size, dtype=np.float32)})
    with CheckpointReader(prefix) as reader:
        array = reader["w"]
        again = reader["w"]
    array += 1
    assert array.flags.c_contiguous
    assert (array[-1], again[-1]) == (size, size - 1)


def test_small_tensors_are_mapped_where_they_lie_well(tmp_path):
    tensors = {"byte": np.ones(1, np.uint8), "odd": np.arange(3.0), "pad": np.ones(7, np.uint8), "even": np.arange(5.0)}
    prefix = save_checkpoint(tmp_path / "ckpt", tensors)
    with CheckpointReader(prefix) as reader:
        arrays = reader.get_many(mapped=True)
    assert {name: array.tolist() for name, array in arrays.items()} == {n: a.tolist() for n, a in tensors.items()}
    assert not any(array.flags.writeable for array in arrays.values())
    assert {name for name, array in arrays.items() if array.flags.owndata} == {"odd"}


@pytest.mark.parametrize("verify_checksums", [True, False])
def test_small_tensors_of_a_file_that_was_cut_are_not_mapped(tmp_path, verify_checksums):
    prefix = save_checkpoint(tmp_path / "ckpt", {name: np.arange(100.0) for name in "abc"})
    os.truncate(f"{prefix}.data-00000-of-00001", 2000)
    with CheckpointReader(prefix, verify_checksums=verify_checksums) as reader:
        with pytest.raises(DataLossError, match="'c'"):
            reader.get_many(mapped=True)
        assert list(reader.get_many(["a", "b"], mapped=True)) == ["a", "b"]
