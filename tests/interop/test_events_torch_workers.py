"""Workers of torch's DataLoader log scalars, however they are started and ended, with three SummaryWriters."""

import os
import signal
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
import multiprocessing
import signal
import sys
import time

import torch
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperWritableFile
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


class SlowFile(WrapperWritableFile):
    def _close(self):
        if multiprocessing.parent_process() is not None:
            time.sleep(1)
        super()._close()


class SlowStore(WrapperFileSystem):
    def new_writable_file(self, path, **keywords):
        return SlowFile(super().new_writable_file(path, **keywords))


if __name__ == "__main__":
    directory, method, stays = sys.argv[1:]
    if stays == "stays":
        # The main process has a use for SIGTERM of its own, as Lightning has; forked workers inherit it.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    # Workers that take their time to end are still at it when their parent, which ends too, sends SIGTERM.
    writer = SummaryWriter(directory, **({"file_system": SlowStore(PosixFileSystem())} if stays == "waits" else {}))
    loader = DataLoader(
        Numbers(writer),
        batch_size=8,
        num_workers=2,
        collate_fn=Stack(writer),
        multiprocessing_context=method,
        persistent_workers=stays != "ends",
    )
    for epoch in range(2):
        for batch in loader:
            writer.add_scalar("loss", 1.0, int(batch[0]))
    if stays == "waits":
        print("ready", flush=True)
        next(iter(loader))
        time.sleep(60)
"""


FIRST = sorted([*range(0, 40, 8)] * 2)
TWO_EPOCHS = {"item": sorted([*range(40)] * 2), "batch": FIRST, "loss": FIRST}


def program_of(directory, kind, method, stays):
    """Return the command that runs the program with the peer's torch, and its environment."""
    program = directory / "program.py"
    program.write_text(SETUP[kind] + textwrap.dedent(PROGRAM))
    environment = {"PYTHONPATH": directory_with_only_recordfs(str(directory)), "PATH": os.environ["PATH"]}
    return [require_peer("torch"), str(program), str(directory / "run"), method, stays], environment


def steps_of(directory):
    return {tag: sorted(column.step.tolist()) for tag, column in columns(directory / "run").items()}


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
    command, environment = program_of(tmp_path, kind, method, stays)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert steps_of(tmp_path) == TWO_EPOCHS


def test_ctrl_c_ends_workers_that_logged_without_a_complaint(tmp_path):
    command, environment = program_of(tmp_path, "recordfs", "fork", "waits")
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT
    assert "killed by signal" not in said
    steps = steps_of(tmp_path)
    assert {tag: sorted(set(found)) for tag, found in steps.items()} == {
        tag: sorted(set(TWO_EPOCHS[tag])) for tag in steps
    }
    assert all(len(steps[tag]) >= len(TWO_EPOCHS[tag]) for tag in TWO_EPOCHS)
