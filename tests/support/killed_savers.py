"""Savers of checkpoints that are killed: before each of their calls in turn, and by SIGKILL at any moment."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from recordfs.checkpoint import (
    CheckpointManager,
    CheckpointReader,
    latest_checkpoint,
    remove_leftovers,
    verify_checkpoint,
)
from recordfs.testing.faulty import FaultyFileSystem

if TYPE_CHECKING:
    from recordfs.filesystem import FileSystem

__all__ = [
    "Killed",
    "assert_killed_savers_leave_whole_checkpoints",
    "assert_savers_killed_at_any_moment_leave_what_they_reported",
]


class Killed(BaseException):
    """The process ends here: whatever it tries after this does not happen either."""


def assert_killed_savers_leave_whole_checkpoints(
    file_system: FileSystem, root: str, tensors: dict[str, Any] | None = None
) -> None:
    """Kill the saver of a second checkpoint before each of its calls: the old or the new one is there, and whole.

    Args:
        file_system: What is saved to.
        root: An empty directory.
        tensors: What is saved beside the step.
    """

    def save(directory: str, step: int, used: FileSystem) -> None:
        CheckpointManager(directory, max_to_keep=1, file_system=used).save({**(tensors or {}), "step": step}, step)

    counting = FaultyFileSystem(file_system)
    save(f"{root}/counted", 1, file_system)
    save(f"{root}/counted", 2, counting)
    outcomes = set()
    for number in range(1, len(counting.calls) + 1):
        directory = f"{root}/{number}"
        save(directory, 1, file_system)
        faulty = FaultyFileSystem(file_system)
        faulty.fail(nth=number, times=1_000_000, error=Killed())
        with pytest.raises(Killed):
            save(directory, 2, faulty)
        faulty.crash()  # else its writers, which nobody can close, would be kept until the end
        newest = latest_checkpoint(directory, file_system=file_system)
        assert newest is not None
        outcomes.add(int(newest.rpartition("-")[2]))
        # Every index that is there leads to a whole checkpoint, whether the state file names it or not.
        for name in file_system.get_children(directory):
            if name.endswith(".index"):
                assert verify_checkpoint(f"{directory}/{name}", file_system=file_system).sound
    save(directory, 3, file_system)
    assert latest_checkpoint(directory, file_system=file_system) == f"{directory}/ckpt-3"
    assert outcomes == {1, 2}


_SAVER = """
import json
import sys
import numpy as np
from recordfs import get_file_system
from recordfs.checkpoint import CheckpointManager
directory, first, options = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
manager = CheckpointManager(directory, max_to_keep=2, file_system=get_file_system(directory, options=options))
print("ready", flush=True)
for step in range(first, first + 100_000):
    manager.save({"large": np.full(200_000, step), "small": step}, step)
    print(step, flush=True)
"""


def assert_savers_killed_at_any_moment_leave_what_they_reported(
    file_system: FileSystem, directory: str, *, times: int, options: dict[str, Any] | None = None
) -> None:
    """Kill processes that save by SIGKILL at random moments: what they reported is there, and all that is, is whole.

    Args:
        file_system: Reaches the directory here.
        directory: An empty directory.
        times: How many processes are killed, one after the other.
        options: With which the processes reach it.
    """
    moments = random.Random(15)
    command = [sys.executable, "-c", _SAVER, directory]
    first = 0
    for _ in range(times):
        process = subprocess.Popen([*command, str(first), json.dumps(options)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for _ in range(moments.randrange(4)):
            process.stdout.readline()
        # What is asserted holds whenever the signal comes.
        try:
            process.wait(moments.random() * 0.02)
        except subprocess.TimeoutExpired:
            process.kill()
        reported = [int(line) for line in process.communicate()[0].split()]
        newest = latest_checkpoint(directory, file_system=file_system)
        names = file_system.get_children(directory) if file_system.file_exists(directory) else []
        if newest is None:
            assert not reported
        else:
            assert int(newest.rpartition("-")[2]) >= max(reported, default=0)
        for name in names:
            if name.endswith(".index"):
                with CheckpointReader(f"{directory}/{name}", file_system=file_system) as reader:
                    tensors = reader.get_many()
                assert (tensors["large"] == tensors["small"]).all()
        # The next saver goes on with a step of which nothing is there, as a run does that counts on.
        steps = [int(name.split("-")[1].split(".")[0]) for name in names if name.startswith("ckpt-")]
        first = max(steps, default=0) + 1
    assert newest is not None
    remove_leftovers(directory, older_than_seconds=-1, file_system=file_system)
    names = file_system.get_children(directory)
    with_index = {name.removesuffix(".index") for name in names if name.endswith(".index")}
    assert {name.split(".data-")[0] for name in names if ".data-" in name} == with_index
