"""Writing: tensors of several rectangles."""

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointReader,
    CheckpointWriter,
    save_checkpoint,
)
from recordfs.errors import (
    InvalidArgumentError,
)


def test_slices_in_any_order_make_one_tensor(directory):
    whole = np.arange(24).reshape(4, 6)
    parts = [np.s_[2:, :3], np.s_[:2], np.s_[2:, 3:]]
    with CheckpointWriter(f"{directory}/ckpt", num_shards=2) as writer:
        for part in parts:
            writer.add_slice("w", whole.shape, part if isinstance(part, tuple) else [part], whole[part])
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert list(reader) == ["w"]
        assert (reader["w"] == whole).all()


@pytest.mark.parametrize(
    ("part", "array"),
    [
        (np.s_[0:5, :], np.ones((5, 6))),
        (np.s_[0:2:1, ::2], np.ones((2, 3))),
        (np.s_[0:2], np.ones((2, 5))),
        (np.s_[0:2, :, :], np.ones((2, 6, 1))),
        (np.s_[-1:, :], np.ones((1, 6))),
        (np.s_[0], np.ones((1, 6))),
        (np.s_[0, :], np.ones((1, 6))),
    ],
)
def test_slice_that_does_not_fit_is_refused(directory, part, array):
    with CheckpointWriter(f"{directory}/ckpt") as writer, pytest.raises(InvalidArgumentError, match="w"):
        writer.add_slice("w", (4, 6), part, array)


@pytest.mark.parametrize(
    "rectangles",
    [[(0, 2)], [(0, 3), (1, 4)], [(0, 2), (1, 3)], [(2, 2)], [(0, 2), (3, 4)]],
    ids=["gap", "overlap", "overlap and gap", "nothing", "hole"],
)
def test_slices_that_do_not_cover_their_tensor_publish_nothing(directory, rectangles):
    save_checkpoint(f"{directory}/ckpt", {"old": 1})
    writer = CheckpointWriter(f"{directory}/ckpt", overwrite=True)
    writer.add("w", 1)
    for start, stop in rectangles:
        writer.add_slice("sliced", (4,), np.s_[start:stop], np.ones(stop - start))
    with pytest.raises(InvalidArgumentError, match='"sliced": its slices have to cover it') as caught:
        writer.close()
    assert caught.value.path == f"{directory}/ckpt"
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert list(reader) == ["old"]
