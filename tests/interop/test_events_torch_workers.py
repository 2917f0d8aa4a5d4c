"""Workers of torch's DataLoader log scalars, however they are started and ended, with three SummaryWriters."""

import os
import subprocess
import textwrap

import pytest
from tools.peers import directory_with_only_recordfs

from recordfs.events import columns
from support.peers import require_peer

pytestmark = [pytest.mark.peer, pytest.mark.slow]

SETUP = {
    "recordfs": "from recordfs.events import SummaryWriter",
    "torch": "import recordfs.interop.torch as interop\ninterop.install()\n"
    "from torch.utils.tensorboard import SummaryWriter",
}

# A file, because spawned workers import the main module.
PROGRAM = """
import sys

import torch
from torch.utils.data import DataLoader, Dataset


class Numbers(Dataset):
    def __init__(self, writer):
        self.writer = writer

    def __len__(self):
        return 40

    def __getitem__(self, number):
        self.writer.add_scalar("item", float(number), number)
        return torch.tensor(number)


class Stack:
    def __init__(self, writer):
        self.writer = writer

    def __call__(self, numbers):
        self.writer.add_scalar("batch", len(numbers), int(numbers[0]))
        return torch.stack(numbers)


if __name__ == "__main__":
    directory, method, stays = sys.argv[1:]
    writer = SummaryWriter(directory)
    loader = DataLoader(
        Numbers(writer),
        batch_size=8,
        num_workers=2,
        collate_fn=Stack(writer),
        multiprocessing_context=method,
        persistent_workers=stays == "stays",
    )
    for epoch in range(2):
        for batch in loader:
            writer.add_scalar("loss", 1.0, int(batch[0]))
"""


# Each takes some seconds, most of them for importing torch: not every pair of the two.
@pytest.mark.parametrize(
    ("kind", "method", "stays"),
    [
        ("recordfs", "fork", "stays"),
        ("recordfs", "spawn", "stays"),
        ("torch", "fork", "stays"),
        ("torch", "forkserver", "ends"),
    ],
)
def test_what_workers_log_is_in_the_log_whole(tmp_path, kind, method, stays):
    program = tmp_path / "program.py"
    program.write_text(SETUP[kind] + textwrap.dedent(PROGRAM))
    python = require_peer("torch")
    done = subprocess.run(
        [python, str(program), str(tmp_path / "run"), method, stays],
        env={"PYTHONPATH": directory_with_only_recordfs(str(tmp_path)), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    steps = {tag: sorted(column.step.tolist()) for tag, column in columns(tmp_path / "run").items()}
    first = sorted([*range(0, 40, 8)] * 2)
    assert steps == {"item": sorted([*range(40)] * 2), "batch": first, "loss": first}
