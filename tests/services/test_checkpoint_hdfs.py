"""Checkpoints on a real HDFS: what is saved comes back, parts merge, and a killed saver leaves nothing broken."""

import gc

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointReader,
    CheckpointWriter,
    merge_parts,
    save_checkpoint,
)
from recordfs.errors import AlreadyExistsError
from support.killed_savers import (
    assert_killed_savers_leave_whole_checkpoints,
    assert_savers_killed_at_any_moment_leave_what_they_reported,
)

pytestmark = pytest.mark.service

TENSORS = {
    "large": np.arange(600_000, dtype=np.float32),
    "small": np.arange(3),
    "words": np.array([b"a", b"bc"], object),
}


@pytest.fixture(autouse=True)
def collected():
    """Let the writers of the killed go before the next test."""
    yield
    gc.collect()


def test_what_is_saved_comes_back_and_a_second_saver_is_refused(hdfs, hdfs_root):
    prefix = save_checkpoint(f"{hdfs_root}/run/ckpt-1", TENSORS, num_shards=2, file_system=hdfs)
    with CheckpointReader(prefix, file_system=hdfs) as reader:
        found = reader.get_many()
        assert (reader.get_slice("large", np.s_[::1000]) == TENSORS["large"][::1000]).all()
    assert (found["large"] == TENSORS["large"]).all()
    assert found["words"].tolist() == [b"a", b"bc"]
    with pytest.raises(AlreadyExistsError):
        save_checkpoint(prefix, TENSORS, file_system=hdfs)
    save_checkpoint(prefix, {"w": 1}, overwrite=True, file_system=hdfs)
    assert sorted(hdfs.get_children(f"{hdfs_root}/run")) == ["ckpt-1.data-00000-of-00001", "ckpt-1.index"]


def test_parts_become_one_checkpoint(hdfs, hdfs_root):
    for part in range(2):
        with CheckpointWriter(f"{hdfs_root}/ckpt", part=part, num_parts=2, file_system=hdfs) as writer:
            writer.add_slice("w", (4,), np.s_[2 * part : 2 * part + 2], [part, part])
    merge_parts(f"{hdfs_root}/ckpt", 2, file_system=hdfs)
    with CheckpointReader(f"{hdfs_root}/ckpt", file_system=hdfs) as reader:
        assert reader["w"].tolist() == [0, 0, 1, 1]
    assert len(hdfs.get_children(hdfs_root)) == 3


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_saver_killed_before_any_of_its_calls_leaves_the_old_or_the_new_checkpoint(hdfs, hdfs_root):
    assert_killed_savers_leave_whole_checkpoints(hdfs, hdfs_root)


def test_saver_killed_at_any_moment_leaves_every_checkpoint_that_it_reported(hdfs, hdfs_root):
    assert_savers_killed_at_any_moment_leave_what_they_reported(hdfs, f"{hdfs_root}/run", times=2)
