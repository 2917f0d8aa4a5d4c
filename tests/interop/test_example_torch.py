"""PyTorch takes columns as they are: the same memory, no warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from recordfs.example import encode_example
from recordfs.records.writer import RecordWriter
from support.peers import peer_process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer


def test_pytorch_shares_the_columns_memory(tmp_path: Path) -> None:
    path = str(tmp_path / "train.tfrecord")
    with RecordWriter(path) as writer:
        for i in range(100):
            writer.write(
                encode_example({"label": i, "vector": np.full(4, i / 2, np.float32), "tokens": np.arange(i % 3)})
            )
    with peer_process("torch", recordfs=True) as torch:
        result = torch.call(
            """
            import warnings
            import numpy as np
            import torch
            from recordfs.example import FixedLenFeature, RaggedFeature, read_examples
            from torch.utils.data import DataLoader, IterableDataset

            warnings.simplefilter("error")
            features = {
                "label": FixedLenFeature([], np.int64),
                "vector": FixedLenFeature([4], np.float32),
                "tokens": RaggedFeature(np.int64, row_splits_dtype=np.int64),
            }
            batch = next(iter(read_examples(path, features, batch_size=100)))
            labels, vectors = torch.from_numpy(batch["label"]), torch.from_numpy(batch["vector"])
            same_memory = vectors.data_ptr() == batch["vector"].ctypes.data
            vectors[3] = 7
            seen = batch["vector"][3].tolist()
            values, splits = torch.from_numpy(batch["tokens"].values), torch.from_numpy(batch["tokens"].row_splits)
            lengths = torch.diff(splits)[:4].tolist()
            del batch  # the tensors keep the memory

            class Examples(IterableDataset):
                def __iter__(self):
                    for columns in read_examples(path, features, batch_size=30, shard="auto"):
                        yield torch.from_numpy(columns["vector"]), torch.from_numpy(columns["label"])

            warnings.simplefilter("default")
            loaded = [label.sum().item() for _, label in DataLoader(Examples(), batch_size=None)]
            shared = [label.sum().item() for _, label in DataLoader(Examples(), batch_size=None, num_workers=2)]
            sums = [sum(loaded), len(loaded), sum(shared)]
            result = [same_memory, seen, labels.sum().item(), int(values.sum()), lengths, *sums]
            """,
            path=path,
        )
    assert result == [True, [7, 7, 7, 7], 4950, 33, [0, 1, 2, 0], 4950, 4, 4950]
