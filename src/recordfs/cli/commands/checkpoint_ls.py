"""``recordfs checkpoint ls``: which checkpoints are there?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import for_each_path
from recordfs.cli.formatting import format_size, format_time
from recordfs.paths import join
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from recordfs.checkpoint.state import CheckpointState
    from recordfs.cli.console import Console
    from recordfs.filesystem import DirectoryEntry

DESCRIPTION = """\
List the checkpoints of directories, oldest first: prefix, size of all files, number of data files, time
of the index (UTC), and what the state file says: newest, kept, or nothing. A checkpoint of which a data
file is missing is marked, and so are data files without an index, which a writer at work or a killed one
left. The exit status is 1 if a data file is missing.
"""

EXAMPLES = """\
recordfs checkpoint ls run/
recordfs checkpoint ls --json s3://bucket/run | jq -r 'select(.state == "newest") | .prefix'
"""

_COLUMNS = ("checkpoint", ">size", ">files", "modified", "state")


class _Found(NamedTuple):
    """A prefix and its files."""

    prefix: str
    size: int
    shards: frozenset[int]
    num_shards: int | None
    mtime_nsec: int
    has_index: bool

    @property
    def is_whole(self) -> bool:
        return self.has_index and (self.num_shards is not None and len(self.shards) == self.num_shards)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="*", default=["."], help="a directory or pattern (default: .)")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each checkpoint, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """List the checkpoints of each directory."""
    from recordfs.checkpoint.state import CheckpointState, read_state  # needs NumPy nowhere, but has neighbours that do

    broken = False

    def show(directory: str) -> None:
        nonlocal broken
        file_system = get_file_system(directory)
        found = _find(directory, file_system.list_directory(directory))
        state = read_state(directory, file_system=file_system) or CheckpointState("")
        rows = []
        for one in found:
            text = _state_of(one, state)
            broken |= one.has_index and not one.is_whole
            if arguments.json:
                console.print_json(
                    {
                        "prefix": one.prefix,
                        "size": one.size,
                        "data_files": len(one.shards),
                        "num_shards": one.num_shards,
                        "mtime_nsec": one.mtime_nsec,
                        "has_index": one.has_index,
                        "whole": one.is_whole,
                        "state": text,
                    }
                )
            rows.append((one.prefix, _size(one.size, console), str(len(one.shards)), format_time(one.mtime_nsec), text))
        if not arguments.json:
            console.print_table(_COLUMNS, rows)
            if not found:
                console.remark(f"no checkpoints in {directory}")

    status = for_each_path(arguments.path, console, show)
    return max(status, int(broken))


def _size(size: int, console: Console) -> str:
    return format_size(size) if console.stdout_is_terminal else str(size)


def _find(directory: str, entries: Iterable[DirectoryEntry]) -> list[_Found]:
    """Return the prefixes of a directory, in the order of their times."""
    from recordfs.checkpoint.file_names import parse_file_name

    file_system = get_file_system(directory)
    found: dict[str, _Found] = {}
    for entry in entries:
        parsed = None if entry.is_directory else parse_file_name(entry.name)
        if parsed is None:
            continue
        path = join(directory, entry.name)
        length, mtime = entry.length, entry.mtime_nsec
        if length is None or mtime is None:
            statistics = file_system.stat(path)
            length, mtime = statistics.length, statistics.mtime_nsec
        prefix = join(directory, parsed.prefix)
        one = found.get(prefix) or _Found(prefix, 0, frozenset(), None, 0, False)
        one = one._replace(size=one.size + max(length, 0))
        if parsed.shard is None:
            one = one._replace(has_index=True, mtime_nsec=mtime)
        else:
            one = one._replace(shards=one.shards | {parsed.shard}, num_shards=parsed.num_shards)
            if not one.has_index:
                one = one._replace(mtime_nsec=max(one.mtime_nsec, mtime))
        found[prefix] = one
    return sorted(found.values(), key=lambda one: (one.mtime_nsec, one.prefix))


def _state_of(one: _Found, state: CheckpointState) -> str:
    """Return what is to be said of a prefix."""
    if not one.has_index:
        return "no index"
    if not one.is_whole:
        return "DATA MISSING"
    if one.prefix == state.model_checkpoint_path:
        return "newest"
    return "kept" if one.prefix in state.all_model_checkpoint_paths else ""
