"""Several writers of one checkpoint, and the merge of their parts."""

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointReader,
    CheckpointWriter,
    checkpoint_exists,
    merge_parts,
    save_checkpoint,
)
from recordfs.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
)
from support.checkpoint_directories import names_in, values_of


def test_parts_become_one_and_leave_nothing_else(directory):
    for part in (2, 0, 1):
        with CheckpointWriter(f"{directory}/ckpt", part=part, num_parts=3) as writer:
            if part != 1:
                writer.add(f"own{part}", np.full(3, part))
                writer.add_slice("shared", (4,), np.s_[part : part + 2], [part, part])
        assert not checkpoint_exists(f"{directory}/ckpt")
    merge_parts(f"{directory}/ckpt", 3)
    assert names_in(directory) == [f"ckpt.data-0000{part}-of-00003" for part in range(3)] + ["ckpt.index"]
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader["shared"].tolist() == [0, 0, 2, 2]
        assert reader["own2"].tolist() == [2, 2, 2]


def test_merging_before_a_part_is_there_says_which(directory):
    with CheckpointWriter(f"{directory}/ckpt", part=0, num_parts=2) as writer:
        writer.add("w", 1)
    with pytest.raises(FailedPreconditionError, match="part 1 of 2"):
        merge_parts(f"{directory}/ckpt", 2)
    assert not checkpoint_exists(f"{directory}/ckpt")


def test_parts_with_a_tensor_of_the_same_name_are_refused(directory):
    for part in range(2):
        with CheckpointWriter(f"{directory}/ckpt", part=part, num_parts=2) as writer:
            writer.add("w", part)
    with pytest.raises(InvalidArgumentError, match='"w"'):
        merge_parts(f"{directory}/ckpt", 2)
    assert not checkpoint_exists(f"{directory}/ckpt")


def test_merge_of_parts_that_replaces_leaves_no_data_of_what_was_there(directory):
    for part in range(2):
        with CheckpointWriter(f"{directory}/all", part=part, num_parts=2) as writer:
            writer.add(f"new{part}", part)
    save_checkpoint(f"{directory}/all", {"old": np.ones(100)}, num_shards=3)
    merge_parts(f"{directory}/all", 2, overwrite=True)
    assert names_in(directory) == ["all.data-00000-of-00002", "all.data-00001-of-00002", "all.index"]
    assert values_of(f"{directory}/all") == {"new0": 0, "new1": 1}


def test_writer_of_a_part_that_overwrites_leaves_no_old_index_with_its_data(directory):
    save_checkpoint(f"{directory}/ckpt", {"old": np.zeros(3), "older": np.ones(3)}, num_shards=3)
    for part in range(2):
        with CheckpointWriter(f"{directory}/ckpt", part=part, num_parts=2, overwrite=True) as writer:
            assert checkpoint_exists(f"{directory}/ckpt") == (part == 0)
            writer.add(f"w{part}", part)
        assert not checkpoint_exists(f"{directory}/ckpt")
    merge_parts(f"{directory}/ckpt", 2)
    assert names_in(directory) == [*(f"ckpt.data-0000{part}-of-00002" for part in range(2)), "ckpt.index"]
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert {name: array.item() for name, array in reader.items()} == {"w0": 0, "w1": 1}


def test_parts_whose_slices_do_not_cover_their_tensor_are_not_merged(directory):
    for part in range(2):
        with CheckpointWriter(f"{directory}/ckpt", part=part, num_parts=2) as writer:
            writer.add(f"w{part}", 1)
            writer.add_slice("sliced", (4,), np.s_[part : part + 2], [1, 2])
    before = names_in(directory)
    with pytest.raises(InvalidArgumentError, match="overlap"):
        merge_parts(f"{directory}/ckpt", 2)
    assert names_in(directory) == before
    assert not checkpoint_exists(f"{directory}/ckpt")
