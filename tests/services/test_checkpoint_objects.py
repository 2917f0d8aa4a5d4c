"""Checkpoints in buckets: what part of a tensor costs, savers that die, several writers, damage."""

import gc

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointManager,
    CheckpointReader,
    CheckpointWriter,
    checkpoint_exists,
    checkpoints_iterator,
    convert_checkpoint,
    merge_checkpoints,
    merge_parts,
    save_checkpoint,
    verify_checkpoint,
)
from recordfs.errors import AlreadyExistsError, DataLossError
from support.killed_savers import (
    assert_killed_savers_leave_whole_checkpoints,
    assert_savers_killed_at_any_moment_leave_what_they_reported,
)

pytestmark = pytest.mark.service

MIB = 1 << 20
LARGE = np.arange(3 * MIB, dtype=np.float32).reshape(3072, 1024)
TENSORS = {"large": LARGE, "small": np.arange(3), "words": np.array([b"a", b"bc"], object)}


def assert_holds(prefix, step, system):
    with CheckpointReader(prefix, file_system=system) as reader:
        found = reader.get_many()
    assert (found["large"] == LARGE + step).all()
    assert found["small"].tolist() == [0, 1, 2]
    assert found["words"].tolist() == [b"a", b"bc"]


def test_what_is_saved_comes_back_and_is_the_same_as_on_a_disk(object_place, tmp_path):
    system, prefix = object_place.file_system, f"{object_place.root}/ckpt-1"
    save_checkpoint(prefix, TENSORS, num_shards=2, file_system=system)
    save_checkpoint(tmp_path / "ckpt-1", TENSORS, num_shards=2)
    for suffix in (".index", ".data-00000-of-00002", ".data-00001-of-00002"):
        assert object_place.get(prefix + suffix) == (tmp_path / f"ckpt-1{suffix}").read_bytes()
    assert_holds(prefix, 0, system)
    assert verify_checkpoint(prefix, file_system=system).sound
    with pytest.raises(AlreadyExistsError):
        save_checkpoint(prefix, TENSORS, file_system=system)
    with CheckpointReader(prefix, file_system=system) as reader:
        assert (reader.get_tensor("large", mapped=True) == LARGE).all()
        assert (reader.get_slice("large", np.s_[::500, 3]) == LARGE[::500, 3]).all()


def test_part_of_a_tensor_takes_four_requests_and_little_more_than_its_bytes(object_place):
    system, prefix = object_place.file_system, f"{object_place.root}/ckpt-1"
    save_checkpoint(prefix, TENSORS, file_system=system)
    index_size = system.get_file_size(f"{prefix}.index")
    before = object_place.proxy.traffic()
    with CheckpointReader(prefix, file_system=system) as reader:
        assert (reader.get_slice("large", 2000) == LARGE[2000]).all()
    after = object_place.proxy.traffic()
    assert after.requests - before.requests <= 4
    assert after.received - before.received <= index_size + 300_000


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_saver_killed_before_any_of_its_calls_leaves_the_old_or_the_new_checkpoint(object_place):
    tensors = {**TENSORS, "large": LARGE[:30]}
    assert_killed_savers_leave_whole_checkpoints(object_place.file_system, object_place.root, tensors)


@pytest.mark.parametrize("object_place", ["versitygw", "fake-gcs-server"], indirect=True)
def test_saver_killed_at_any_moment_leaves_every_checkpoint_that_it_reported(object_place):
    assert_savers_killed_at_any_moment_leave_what_they_reported(
        object_place.file_system, object_place.root, times=2, options=object_place.options
    )


@pytest.fixture(autouse=True)
def collected():
    """Let the writers of the killed go before the next test."""
    yield
    gc.collect()


@pytest.mark.parametrize("there", ["nothing", "data of a killed saver", "a checkpoint"])
def test_second_of_two_savers_of_one_prefix_fails_and_harms_nothing(object_place, there):
    system, prefix = object_place.file_system, f"{object_place.root}/ckpt"
    if there != "nothing":
        save_checkpoint(prefix, {"w": np.full(3, 2)}, file_system=system)
    if there == "data of a killed saver":
        system.delete_file(f"{prefix}.index")
    overwrite = there == "a checkpoint"
    first, second = (CheckpointWriter(prefix, overwrite=overwrite, file_system=system) for _ in range(2))
    first.add("w", np.ones(3))
    second.add("w", np.zeros(3))
    first.close()
    with pytest.raises(AlreadyExistsError):
        second.close()
    with CheckpointReader(prefix, file_system=system) as reader:
        assert reader["w"].tolist() == [1, 1, 1]


def test_several_writers_make_one_checkpoint_and_merging_moves_no_tensor(object_place):
    system, root = object_place.file_system, object_place.root
    for part in range(3):
        with CheckpointWriter(f"{root}/ckpt", part=part, num_parts=3, file_system=system) as writer:
            writer.add_slice("large", LARGE.shape, np.s_[part * 1024 : (part + 1) * 1024], LARGE[part * 1024 :][:1024])
    before = object_place.proxy.traffic()
    merge_parts(f"{root}/ckpt", 3, file_system=system)
    save_checkpoint(f"{root}/other", {"w": np.ones(3)}, file_system=system)
    merge_checkpoints([f"{root}/ckpt", f"{root}/other"], f"{root}/all", file_system=system)
    after = object_place.proxy.traffic()
    assert after.received - before.received < MIB
    assert after.sent - before.sent < MIB
    with CheckpointReader(f"{root}/all", file_system=system) as reader:
        assert (reader["large"] == LARGE).all()
        assert reader["w"].tolist() == [1, 1, 1]
    assert not checkpoint_exists(f"{root}/ckpt", file_system=system)


def test_damage_in_a_bucket_is_found_and_named(object_place):
    system, prefix = object_place.file_system, f"{object_place.root}/ckpt"
    save_checkpoint(prefix, TENSORS, file_system=system)
    path = f"{prefix}.data-00000-of-00001"
    data = bytearray(object_place.get(path))
    data[MIB] ^= 1
    object_place.put(path, bytes(data))
    with CheckpointReader(prefix, file_system=system) as reader:
        with pytest.raises(DataLossError, match="large"):
            reader["large"]
        assert reader["small"].tolist() == [0, 1, 2]
    assert [tensor.name for tensor in verify_checkpoint(prefix, file_system=system).broken] == ["large"]


def test_conversion_goes_from_store_to_store(object_place, tmp_path):
    system, root = object_place.file_system, object_place.root
    save_checkpoint(f"{root}/ckpt", TENSORS, file_system=system)
    for name in ("weights.safetensors", "weights.npz"):
        convert_checkpoint(f"{root}/ckpt", f"{root}/{name}", file_system=system, target_file_system=system)
        convert_checkpoint(
            f"{root}/{name}", tmp_path / name.partition(".")[2], file_system=system, target_format="checkpoint"
        )
        with CheckpointReader(tmp_path / name.partition(".")[2]) as reader:
            assert (reader["large"] == LARGE).all()
            assert reader["words"].tolist() == [b"a", b"bc"]


def test_new_checkpoints_are_waited_for(object_place):
    system, root = object_place.file_system, object_place.root
    assert list(checkpoints_iterator(root, timeout=0, file_system=system)) == []
    with CheckpointManager(root, file_system=system) as manager:
        for step in (1, 2):
            prefix = manager.save_async({"w": step}, step).result()
            assert list(checkpoints_iterator(root, timeout=0, file_system=system)) == [prefix]
