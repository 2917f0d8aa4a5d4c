"""Checkpoints on a real HDFS: what is saved comes back, parts merge, and a killed saver leaves nothing broken."""

import gc

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointManager,
    CheckpointReader,
    CheckpointWriter,
    latest_checkpoint,
    merge_parts,
    save_checkpoint,
    verify_checkpoint,
)
from recordfs.errors import AlreadyExistsError
from recordfs.testing.faulty import FaultyFileSystem

pytestmark = pytest.mark.service

TENSORS = {
    "large": np.arange(600_000, dtype=np.float32),
    "small": np.arange(3),
    "words": np.array([b"a", b"bc"], object),
}


class Killed(BaseException):
    """The process ends here: whatever it tries after this does not happen either."""


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
    def save(directory, step, used):
        CheckpointManager(directory, max_to_keep=1, file_system=used).save({"w": np.full(9, step)}, step)

    counting = FaultyFileSystem(hdfs)
    save(f"{hdfs_root}/counted", 1, hdfs)
    save(f"{hdfs_root}/counted", 2, counting)
    outcomes = set()
    for number in range(1, len(counting.calls) + 1):
        directory = f"{hdfs_root}/{number}"
        save(directory, 1, hdfs)
        faulty = FaultyFileSystem(hdfs)
        faulty.fail(nth=number, times=1_000_000, error=Killed())
        with pytest.raises(Killed):
            save(directory, 2, faulty)
        faulty.crash()  # else its writers, which nobody can close, would be kept until the end
        newest = latest_checkpoint(directory, file_system=hdfs)
        outcomes.add(int(newest.rpartition("-")[2]))
        assert verify_checkpoint(newest, file_system=hdfs).sound
    save(directory, 3, hdfs)
    assert latest_checkpoint(directory, file_system=hdfs) == f"{directory}/ckpt-3"
    assert outcomes == {1, 2}
