"""``recordfs checkpoint prune``: delete old checkpoints, and what killed writers left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths, at_least, number_at_least
from recordfs.cli.formatting import format_count
from recordfs.errors import InvalidArgumentError
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console
    from recordfs.filesystem import FileSystem

DESCRIPTION = """\
Delete what a directory of checkpoints no longer needs. With --keep N all whole checkpoints go but the N
newest, by the time of their index. What unfinished saves left always goes, once its last change is so old
that no writer can be at work on it. The checkpoint that the state file calls the newest is never deleted,
and the state file never names a deleted one. An index is deleted before its data. Broken checkpoints stay,
and do not count; `ls` shows them.
"""

EXAMPLES = """\
recordfs checkpoint prune --dry-run run/
recordfs checkpoint prune --keep 5 s3://bucket/run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "directory", help="a directory of checkpoints")
    parser.add_argument("--keep", type=at_least(1), metavar="N", help="keep the N newest checkpoints (default: all)")
    parser.add_argument(
        "--older-than",
        type=number_at_least(0),
        default=24.0,
        metavar="HOURS",
        help="delete what an unfinished save left if it is older than this (default: 24)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and delete nothing")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each thing deleted, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Delete, and say what."""
    from recordfs.checkpoint.deletion import delete_checkpoint, find_leftovers, remove_leftovers

    if not arguments.older_than >= 0:
        raise InvalidArgumentError(f"--older-than takes hours, at least 0, found {arguments.older_than}")
    directory, seconds = arguments.directory, arguments.older_than * 3600
    file_system = get_file_system(directory)
    doomed = _old_checkpoints(file_system, directory, arguments.keep) if arguments.keep else []

    def show(kind: str, path: str) -> None:
        if arguments.json:
            console.print_json({"kind": kind, "path": path, "deleted": not arguments.dry_run})
        elif not console.quiet:
            console.print(f"{'would delete' if arguments.dry_run else 'deleted'} {kind} {path}")

    if not arguments.dry_run:
        _forget(file_system, directory, doomed)
    for prefix in doomed:
        if not arguments.dry_run:
            delete_checkpoint(prefix, file_system=file_system)
        show("checkpoint", prefix)
    clean = find_leftovers if arguments.dry_run else remove_leftovers
    leftovers = clean(directory, older_than_seconds=seconds, file_system=file_system)
    for leftover in leftovers:
        show("leftover", leftover.path)
    if not arguments.json:
        console.remark(f"{format_count(len(doomed), 'checkpoint')}, {format_count(len(leftovers), 'leftover')}")
    return 0


def _old_checkpoints(file_system: FileSystem, directory: str, keep: int) -> list[str]:
    """Return the prefixes of all whole checkpoints but the newest, oldest first."""
    from recordfs.checkpoint.inventory import find_checkpoints
    from recordfs.checkpoint.state import read_state

    state = read_state(directory, file_system=file_system)
    newest = "" if state is None else state.model_checkpoint_path
    whole = [
        one.prefix
        for one in find_checkpoints(directory, file_system=file_system).checkpoints
        if one.condition == "whole"
    ]
    return sorted(whole, key=lambda prefix: prefix == newest)[:-keep]


def _forget(file_system: FileSystem, directory: str, doomed: list[str]) -> None:
    """Take prefixes out of the state file before they are deleted."""
    from recordfs.checkpoint.state import read_state, write_state

    state = read_state(directory, file_system=file_system)
    if state is None or not set(state.all_model_checkpoint_paths) & set(doomed):
        return
    times = state.all_model_checkpoint_timestamps
    places = [place for place, path in enumerate(state.all_model_checkpoint_paths) if path not in doomed]
    kept = state._replace(
        all_model_checkpoint_paths=tuple(state.all_model_checkpoint_paths[place] for place in places),
        all_model_checkpoint_timestamps=tuple(times[place] for place in places) if times else (),
    )
    write_state(directory, kept, file_system=file_system)
