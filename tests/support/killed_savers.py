"""Savers of checkpoints that are killed before each of their calls in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recordfs.checkpoint import CheckpointManager, latest_checkpoint, verify_checkpoint
from recordfs.testing.faulty import FaultyFileSystem

if TYPE_CHECKING:
    from recordfs.filesystem import FileSystem

__all__ = ["Killed", "assert_killed_savers_leave_whole_checkpoints"]


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
