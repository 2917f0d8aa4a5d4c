"""``recordfs cp``: copy files and directories, between any two filesystems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import expand
from recordfs.cli.parallel import add_jobs
from recordfs.cli.status import OK
from recordfs.cli.transfer import CopyPlan, copy_planned, plan_copy, targets_of
from recordfs.errors import RecordFSError

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Copy files, and with -r directories, on one filesystem or from one to another. The target is the new
name; if it is a directory, ends with a slash, or there are several sources, it takes them under
their own names. Missing parents are made. Existing files are replaced unless -n is given; each
appears whole or not at all where the store can do that. Links to directories are not followed.
"""

EXAMPLES = """\
recordfs cp train.tfrecord s3://bucket/data/
recordfs cp -r gs://bucket/run-17 /data/run-17
recordfs cp 's3://a/part-*' gs://b/parts/ -o s3.endpoint_url=http://localhost:9000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "source", nargs="+", help="a file, directory or pattern")
    add_paths(parser, "target", help="the new name, or the directory to copy into")
    parser.add_argument("-r", "--recursive", action="store_true", help="copy directories and everything in them")
    add_jobs(parser)
    parser.add_argument("-n", "--no-overwrite", action="store_true", help="an existing target is an error")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Find out what to copy, then copy it, going on after a failure."""
    sources = [path for argument in arguments.source for path in expand(argument)]
    targets = targets_of(sources, arguments.target)
    status = OK
    plan = CopyPlan.empty()
    for source, target in zip(sources, targets, strict=True):
        try:
            plan_copy(source, target, plan, recursive=arguments.recursive)
        except RecordFSError as error:
            status = max(status, console.failure(error))
    return max(status, copy_planned(plan, console, overwrite=not arguments.no_overwrite, jobs=arguments.jobs))
