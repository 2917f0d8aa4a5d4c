"""``recordfs events export``: scalars as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.event_runs import add_purge, open_log, tell_report
from recordfs.cli.formatting import format_count
from recordfs.cli.status import OK
from recordfs.errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from recordfs.cli.console import Console
    from recordfs.events import Columns

DESCRIPTION = """\
Write the scalars of runs as one table with the columns run, tag, step, wall_time and value: CSV,
JSON lines or Parquet (needs pyarrow). Damaged records, and records that are not events, are skipped
and reported on standard error; the exit status is 1 then.
"""

EXAMPLES = """\
recordfs events export logs scalars.parquet
recordfs events export --tag loss s3://bucket/logs gs://bucket/loss.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", help="a log directory or an event file")
    add_paths(parser, "target", help="the file to write, on any filesystem")
    parser.add_argument(
        "--to",
        dest="target_format",
        choices=["csv", "jsonl", "parquet"],
        help="the format (default: by the target's name)",
    )
    parser.add_argument("--tag", action="append", metavar="TAG", help="only this tag; may be given again")
    add_purge(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object with the number of rows")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the table."""
    from recordfs.events.tables import export_columns, format_of

    format_of(arguments.target, arguments.target_format)
    log = open_log(arguments.path, console)
    if not log.runs:
        raise NotFoundError("there is no event file here or below", path=arguments.path)
    status = OK

    def runs() -> Iterator[tuple[str, Columns]]:
        nonlocal status
        for one in log.runs:
            found = log.columns(one, arguments.tag, purge=arguments.purge)
            status = max(status, tell_report(found.report, console))
            yield one, found

    count = export_columns(runs(), arguments.target, target_format=arguments.target_format)
    if not count and arguments.tag:
        raise InvalidArgumentError(f"no run has scalars with these tags: {', '.join(arguments.tag)}", path=log.logdir)
    if arguments.json:
        console.print_json({"target": arguments.target, "rows": count})
    elif not console.quiet:
        console.print(f"exported {format_count(count, 'point')} of {format_count(len(log.runs), 'run')}")
    return status
