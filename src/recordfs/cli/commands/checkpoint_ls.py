"""``recordfs checkpoint ls``: which checkpoints are there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import for_each_path
from recordfs.cli.formatting import format_size, format_time
from recordfs.cli.status import FAILED
from recordfs.errors import InvalidArgumentError, NotFoundError, RecordFSError
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.checkpoint.inventory import FoundCheckpoint
    from recordfs.checkpoint.state import CheckpointState
    from recordfs.cli.console import Console
    from recordfs.filesystem import FileSystem

DESCRIPTION = """\
List the checkpoints of directories, oldest first: prefix, size of all files, number of data files, time
of the index (UTC), and what the state file says: newest, kept, or nothing. Reads every index, and marks a
checkpoint whose index is damaged or whose data file is missing or truncated. Also lists data files without
an index, which a running or a killed writer left. A file that only has the name of an index is not listed.
The exit status is 1 if a checkpoint is broken.
"""

EXAMPLES = """\
recordfs checkpoint ls run/
recordfs checkpoint ls --json s3://bucket/run | jq -r 'select(.state == "newest") | .prefix'
"""

_SOUND = ("whole", "no index", "later version")
_COLUMNS = ("checkpoint", ">size", ">files", "modified", "state")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="*", default=["."], help="a directory or pattern (default: .)")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each checkpoint, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """List the checkpoints of each directory."""
    from recordfs.checkpoint.inventory import find_checkpoints

    broken = False

    def show(directory: str) -> None:
        nonlocal broken
        file_system = get_file_system(directory)
        try:
            found = find_checkpoints(directory, file_system=file_system)
        except NotFoundError as error:
            if file_system.file_exists(f"{directory}.index"):
                raise InvalidArgumentError(
                    "this is a checkpoint, not a directory: `recordfs checkpoint show` lists its tensors",
                    path=directory,
                ) from error
            raise
        state, fault = _read_state(file_system, directory)
        if fault is not None:  # the checkpoints are there all the same
            console.failure(fault)
            broken = True
        rows = []
        for one in found.checkpoints:
            text = _state_of(one, state)
            broken |= one.condition not in _SOUND
            if one.error is not None:
                console.failure(one.error)
            if arguments.json:
                console.print_json(_as_object(one, text))
            size = format_size(one.size) if console.stdout_is_terminal else str(one.size)
            rows.append((one.prefix, size, str(one.data_files), format_time(one.mtime_nsec), text))
        if not arguments.json:
            console.print_table(_COLUMNS, rows)
            if not rows:
                console.remark(f"no checkpoints in {directory}")
        for path in found.misnamed:
            console.remark(f"{path} is not the index of a checkpoint")

    status = for_each_path(arguments.path, console, show)
    return max(status, FAILED if broken else 0)


def _read_state(file_system: FileSystem, directory: str) -> tuple[CheckpointState, RecordFSError | None]:
    """Return what the state file tells, and what is wrong with it."""
    from recordfs.checkpoint.state import CheckpointState, read_state

    try:
        return read_state(directory, file_system=file_system) or CheckpointState(""), None
    except RecordFSError as error:
        return CheckpointState(""), error


def _as_object(one: FoundCheckpoint, state: str) -> dict[str, object]:
    return {
        "prefix": one.prefix,
        "size": one.size,
        "data_files": one.data_files,
        "num_shards": one.num_shards,
        "mtime_nsec": one.mtime_nsec,
        "has_index": one.has_index,
        "whole": one.condition == "whole",
        "state": state,
    }


def _state_of(one: FoundCheckpoint, state: CheckpointState) -> str:
    """Return what is to be said of a prefix; in capitals if it is broken."""
    if one.condition != "whole":
        return one.condition if one.condition in _SOUND else one.condition.upper()
    if one.prefix == state.model_checkpoint_path:
        return "newest"
    return "kept" if one.prefix in state.all_model_checkpoint_paths else ""
