"""``recordfs spool resume``: events that dead processes left on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.formatting import format_count, format_size
from recordfs.cli.status import OK
from recordfs.events import resume_spools
from recordfs.events.spool import spool_directory

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Upload the event files that dead writers left on the local disk. A writer of events with
policy="spool" keeps each file there until the store has it. Files of living writers are left
alone. The spools are in $RECORDFS_SPOOL_DIR, else in recordfs/spool in your directory for state.
"""

EXAMPLES = """\
recordfs spool resume
recordfs spool resume --directory /mnt/scratch/spool --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--directory", metavar="PATH", help="where the spools are")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each spool, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Upload every spool, going on after one that cannot be."""
    status, done = OK, 0
    for spool in resume_spools(arguments.directory):
        if spool.error is not None:
            status = max(status, console.failure(spool.error))
        done += spool.error is None
        if arguments.json:
            error = None if spool.error is None else str(spool.error)
            console.print_json(spool._asdict() | {"error": error})
        elif spool.error is None and not console.quiet:
            console.print(f"{spool.target}: {format_size(spool.uploaded_bytes)} uploaded")
    if not arguments.json:
        console.remark(f"{format_count(done, 'spool')} uploaded from {arguments.directory or spool_directory()}")
    return status
