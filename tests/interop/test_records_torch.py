"""A DataLoader's workers read each record once, forked and spawned, or are told that they do not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recordfs import RecordWriter
from support.peers import peer_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.peers import PeerProcess

pytestmark = pytest.mark.peer

DOCS = Path(__file__).parents[2] / "docs"

RECORDS = [b"%03d" % number for number in range(100)]


def text_blocks(page: Path) -> list[str]:
    """Return what a page shows and no other test runs."""
    return re.findall(r"^```text\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


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


def test_the_class_of_the_docs_reads_a_batch_of_many_files_with_one_call_a_file(
    torch: PeerProcess, files: dict[str, str]
) -> None:
    (example,) = (block for block in text_blocks(DOCS / "records.md") if "class Files(" in block)
    found = torch.call(
        """
        import torch
        from recordfs import RecordFile, gfile
        from torch.utils.data import DataLoader

        calls = []
        class Counted(RecordFile):
            def __getitems__(self, numbers):
                calls.append(len(numbers))
                return super().__getitems__(numbers)

        variables = {"torch": torch, "DataLoader": DataLoader, "gfile": gfile, "RecordFile": Counted}
        exec(example.partition("files = ")[0], variables)
        dataset = variables["Files"]([Counted(part) for part in sorted(gfile.glob(pattern))])
        in_order = [record for batch in DataLoader(dataset, batch_size=50, collate_fn=list) for record in batch]
        shuffled = DataLoader(dataset, batch_size=50, shuffle=True, num_workers=2, collate_fn=list)
        result = [in_order, calls, sorted(record for batch in shuffled for record in batch)]
        """,
        example=example,
        pattern=files["many files"],
    )
    assert found == [RECORDS, [20, 20, 10, 0, 0, 0, 0, 10, 20, 20], RECORDS]


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
