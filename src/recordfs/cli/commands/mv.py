"""``recordfs mv``: move files and directories, between any two filesystems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import expand
from recordfs.cli.parallel import add_jobs
from recordfs.cli.status import OK
from recordfs.cli.transfer import CopyPlan, copy_planned, delete_copied, make_parent, plan_copy, targets_of
from recordfs.errors import AlreadyExistsError, RecordFSError, UnimplementedError
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Move files and directories. On one filesystem they are renamed. From one filesystem to another, and
where a store cannot rename, they are copied, and the source is deleted only when all of it has
arrived. Where the target is a directory, ends with a slash, or there are several sources, it takes
them under their own names. Missing parents are made.
"""

EXAMPLES = """\
recordfs mv part-0.tmp part-0.tfrecord
recordfs mv /scratch/run-17 s3://bucket/runs/
recordfs mv -n 's3://bucket/staging/*' s3://bucket/data/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "source", nargs="+", help="a file, directory or pattern")
    add_paths(parser, "target", help="the new name, or the directory to move into")
    add_jobs(parser)
    parser.add_argument("-n", "--no-overwrite", action="store_true", help="an existing target is an error")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Move what the arguments mean, going on after a failure."""
    sources = [path for argument in arguments.source for path in expand(argument)]
    targets = targets_of(sources, arguments.target)
    overwrite = not arguments.no_overwrite
    status = OK
    moved = 0
    for source, target in zip(sources, targets, strict=True):
        try:
            outcome = _move(source, target, console, overwrite=overwrite, jobs=arguments.jobs)
        except RecordFSError as error:
            outcome = console.failure(error)
        moved += outcome == OK
        status = max(status, outcome)
    console.remark(f"moved {moved} of {len(sources)}")
    return status


def _move(source: str, target: str, console: Console, *, overwrite: bool, jobs: int) -> int:
    """Rename if one filesystem serves both and can; else copy, and delete what has been copied."""
    source_system, target_system = get_file_system(source), get_file_system(target)
    if source_system is target_system:
        try:
            make_parent(target)
            source_system.rename_file(source, target, overwrite=overwrite)
        except UnimplementedError:
            pass  # a store without this kind of rename, or two disks behind one filesystem
        else:
            return OK
        if source_system.canonical_path(source) == source_system.canonical_path(target):
            source_system.stat(source)
            return OK  # onto itself, as a rename takes it; a copy of it would be deleted with it
    plan = CopyPlan.empty()
    plan_copy(source, target, plan, recursive=True)
    if not overwrite and target_system.file_exists(target):
        raise AlreadyExistsError("the target exists, and --no-overwrite was given", path=target)
    status = copy_planned(plan, console, overwrite=overwrite, jobs=jobs)
    if status != OK:
        console.error(f"{source}: not deleted, because not all of it could be copied")
        return status
    return delete_copied(plan, console, jobs=jobs)
