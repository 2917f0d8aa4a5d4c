"""The writer: what it makes, when it is seen, what it replaces, and what is there when something fails."""

import os
import threading

import numpy as np
import pytest

from recordfs import get_file_system
from recordfs.checkpoint import (
    CheckpointReader,
    CheckpointWriter,
    checkpoint_exists,
    save_checkpoint,
)
from recordfs.errors import (
    AlreadyExistsError,
    ClosedFileError,
    InvalidArgumentError,
)
from support.checkpoint_directories import names_in, values_of


def test_saving_returns_the_prefix_and_makes_the_directory(directory):
    prefix = save_checkpoint(f"{directory}/a/b/ckpt-1", {"w": np.ones(3)})
    assert prefix == f"{directory}/a/b/ckpt-1"
    assert names_in(f"{directory}/a/b") == ["ckpt-1.data-00000-of-00001", "ckpt-1.index"]


def test_existing_prefix_is_refused_and_left_as_it_was(directory):
    save_checkpoint(f"{directory}/ckpt", {"w": np.ones(3)})
    with pytest.raises(AlreadyExistsError, match="overwrite"):
        save_checkpoint(f"{directory}/ckpt", {"w": np.zeros(3)})
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader["w"].tolist() == [1, 1, 1]


def test_overwriting_replaces_all_files(directory):
    save_checkpoint(f"{directory}/ckpt", {"w": np.ones(3), "v": np.ones(3)}, num_shards=2)
    save_checkpoint(f"{directory}/ckpt", {"w": np.zeros(3)}, overwrite=True)
    assert names_in(directory) == ["ckpt.data-00000-of-00001", "ckpt.index"]
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert {name: array.tolist() for name, array in reader.items()} == {"w": [0, 0, 0]}


def test_checkpoint_without_tensors_can_be_read(directory):
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", {})) as reader:
        assert reader.get_many() == {}


def test_exception_in_the_block_leaves_nothing(directory):
    get_file_system(directory).recursively_create_dir(directory)

    def save_and_fail():
        with CheckpointWriter(f"{directory}/ckpt") as writer:
            writer.add("w", np.ones(1_000_000))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save_and_fail()
    assert names_in(directory) == []


def test_nothing_is_visible_before_close(directory):
    writer = CheckpointWriter(f"{directory}/ckpt")
    writer.add("w", np.ones(1_000_000))
    assert not checkpoint_exists(f"{directory}/ckpt")
    writer.close()
    writer.close()
    assert checkpoint_exists(f"{directory}/ckpt")
    with pytest.raises(ClosedFileError):
        writer.add("v", 1)


def test_data_that_a_killed_writer_left_are_replaced(directory):
    file_system = get_file_system(directory)
    file_system.recursively_create_dir(directory)
    with file_system.new_writable_file(f"{directory}/ckpt.data-00000-of-00001") as file:
        file.append(b"left over")
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", {"w": np.ones(3)})) as reader:
        assert reader["w"].tolist() == [1, 1, 1]


def test_second_of_two_savers_of_one_prefix_fails_and_harms_nothing(directory):
    first, second = CheckpointWriter(f"{directory}/ckpt"), CheckpointWriter(f"{directory}/ckpt")
    first.add("w", np.ones(3))
    second.add("w", np.zeros(3))
    first.close()
    with pytest.raises(AlreadyExistsError):
        second.close()
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader["w"].tolist() == [1, 1, 1]
    assert names_in(directory) == ["ckpt.data-00000-of-00001", "ckpt.index"]


def test_tensors_are_spread_over_several_data_files(directory):
    tensors = {f"t{number}": np.full(1000 * (number + 1), number) for number in range(8)}
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", tensors, num_shards=3)) as reader:
        assert reader.num_shards == 3
        sizes = [0, 0, 0]
        for entry in reader.entries():
            sizes[entry.slices[0].shard] += entry.size
        assert max(sizes) < 2 * min(sizes)
        for name, array in reader.get_many().items():
            assert (array == tensors[name]).all()


def test_alignment_places_every_tensor_at_a_multiple(directory):
    tensors = {f"t{number}": np.ones(number, np.uint8) for number in range(1, 70, 13)}
    tensors["words"] = np.array([b"abc", b""], object)
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", tensors, alignment=64)) as reader:
        assert {entry.slices[0].offset % 64 for entry in reader.entries()} == {0}
        assert reader.get_many().keys() == tensors.keys()


def test_name_is_refused_twice_and_when_empty_and_the_writer_goes_on(directory):
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        writer.add("w", 1)
        for name in ("w", ""):
            with pytest.raises(InvalidArgumentError):
                writer.add(name, 2)
        writer.add("v", 3)
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert {name: array.item() for name, array in reader.items()} == {"w": 1, "v": 3}


@pytest.mark.parametrize(
    "prefix", ["", ".", "dir/..", "dir/", "star*", "q?", "[x]", "back\\slash", "ckpt.index", "ckpt.data-00000-of-00001"]
)
def test_prefix_that_could_not_be_found_again_is_refused(directory, prefix):
    with pytest.raises(InvalidArgumentError):
        CheckpointWriter(f"{directory}/{prefix}")


def test_many_at_once_are_stored_as_one_by_one(directory):
    rng = np.random.default_rng(1)
    kinds = ["?", "i1", "u2", "<f4", ">f4", "f8", "c16", "f2"]
    tensors = {f"t{n}": rng.integers(0, 2, n % 7).astype(kinds[n % 8]) for n in range(20_000)}
    tensors |= {"scalar": np.float32(1), "number": 7, "words": np.array([b"a", b"bc"], object)}
    tensors |= {"large": np.arange(100_000), "turned": np.arange(6).reshape(2, 3).T, "none": np.empty((0, 3))}
    tensors |= {f"u{n}": np.full(n % 5, n) for n in range(5000)}
    with CheckpointWriter(f"{directory}/one") as writer:
        for name, array in tensors.items():
            writer.add(name, array)
    with CheckpointWriter(f"{directory}/many") as writer:
        writer.add_many(tensors)
    file_system = get_file_system(directory)
    for suffix in (".index", ".data-00000-of-00001"):
        files = [file_system.new_random_access_file(f"{directory}/{name}{suffix}") for name in ("one", "many")]
        assert files[0].read(0, 1 << 24) == files[1].read(0, 1 << 24)
        for file in files:
            file.close()


def test_many_at_once_with_a_name_that_is_taken_add_nothing_of_their_batch(directory):
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        writer.add("b", 1.0)
        with pytest.raises(InvalidArgumentError, match='"b"'):
            writer.add_many({name: np.zeros(3) for name in "abc"})
        writer.add_many({name: np.ones(3) for name in "ac"})
    assert values_of(f"{directory}/ckpt") == {"a": [1, 1, 1], "b": 1, "c": [1, 1, 1]}


def test_writer_is_shared_by_threads(directory):
    with CheckpointWriter(f"{directory}/ckpt", num_shards=2) as writer:

        def add(thread):
            for number in range(50):
                writer.add(f"{thread}/{number}", np.full(1000, thread * number))

        threads = [threading.Thread(target=add, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert len(reader) == 200
        for name, array in reader.get_many().items():
            thread, number = map(int, name.split("/"))
            assert (array == thread * number).all()


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"num_shards": 1.0}, TypeError),
        ({"num_shards": True}, TypeError),
        ({"alignment": 0}, InvalidArgumentError),
        ({"part": 0}, InvalidArgumentError),
    ],
)
def test_numbers_that_are_no_whole_ones_are_refused(directory, keywords, error):
    with pytest.raises(error):
        CheckpointWriter(f"{directory}/ckpt", **keywords)
    with CheckpointWriter(f"{directory}/ckpt", num_shards=np.int64(2)) as writer:
        writer.add("w", 1)
    assert CheckpointReader(f"{directory}/ckpt").num_shards == 2


def test_relative_prefix_without_a_directory_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert save_checkpoint("ckpt", {"w": 1}) == "ckpt"
    save_checkpoint("ckpt", {"w": 2}, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["ckpt.data-00000-of-00001", "ckpt.index"]
