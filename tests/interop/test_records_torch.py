"""A DataLoader's workers read each record once, forked and spawned, or are told that they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from recordfs import RecordWriter
from support.peers import peer_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.peers import PeerProcess

pytestmark = pytest.mark.peer

RECORDS = [b"%03d" % number for number in range(100)]


@pytest.fixture(scope="module")
def torch() -> Iterator[PeerProcess]:
    with peer_process("torch", recordfs=True) as torch:
        yield torch


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    with RecordWriter(tmp_path / "one") as writer:
        writer.write_batch(RECORDS)
    for part in range(5):
        with RecordWriter(tmp_path / f"part-{part}") as writer:
            writer.write_batch(RECORDS[20 * part : 20 * part + 20])
    return {"one file": str(tmp_path / "one"), "many files": str(tmp_path / "part-*")}


# Spawned workers import PyTorch anew, which takes seconds: once is enough.
@pytest.mark.parametrize(
    ("which", "method", "epochs"), [("one file", "fork", 2), ("many files", "fork", 2), ("many files", "spawn", 1)]
)
def test_workers_read_each_record_once_in_every_epoch(
    torch: PeerProcess, files: dict[str, str], which: str, method: str, epochs: int
) -> None:
    found = torch.call(
        """
            from recordfs import RecordReader
            from torch.utils.data import DataLoader
            from torch.utils.data.datapipes.iter import IterableWrapper

            # A dataset that spawned workers can import; it iterates over the reader that it was given.
            dataset = IterableWrapper(RecordReader(path, shard="auto"), deepcopy=False)
            loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=method)
            result = [sorted(loader) for _ in range(epochs)]
            """,
        path=files[which],
        method=method,
        epochs=epochs,
    )
    assert found == [RECORDS] * epochs


def test_a_record_file_is_a_dataset_whose_batches_workers_read_at_once(
    torch: PeerProcess, files: dict[str, str]
) -> None:
    found = torch.call(
        """
        from recordfs import RecordFile
        from torch.utils.data import ConcatDataset, DataLoader

        asked = []
        class Asked(RecordFile):
            def __getitems__(self, numbers):
                asked.append(len(numbers))
                return super().__getitems__(numbers)

        whole = DataLoader(Asked(path), batch_size=32, shuffle=True, collate_fn=list)
        shuffled = [record for batch in whole for record in batch]
        parts = ConcatDataset([RecordFile(part) for part in sorted(__import__("glob").glob(pattern))])
        loader = DataLoader(parts, batch_size=16, num_workers=2, collate_fn=list)
        result = [sorted(shuffled), asked, [record for batch in loader for record in batch]]
        """,
        path=files["one file"],
        pattern=files["many files"],
    )
    assert found == [RECORDS, [32, 32, 32, 4], RECORDS]


def test_workers_that_all_read_everything_say_so(torch: PeerProcess, files: dict[str, str]) -> None:
    found, warned = torch.call(
        """
            import warnings
            from recordfs import RecordReader
            from torch.utils.data import DataLoader, IterableDataset

            class Records(IterableDataset):
                def __iter__(self):
                    with warnings.catch_warnings(record=True) as caught:
                        warnings.simplefilter("always")
                        records = list(RecordReader(path))
                    yield from records
                    yield from (str(warning.message).encode() for warning in caught)

            given = sorted(DataLoader(Records(), batch_size=None, num_workers=2))
            result = [[one for one in given if len(one) == 3], [one.decode() for one in given if len(one) > 3]]
            """,
        path=files["one file"],
    )
    assert found == sorted(RECORDS * 2)
    [warning] = warned
    assert 'shard="auto"' in warning
