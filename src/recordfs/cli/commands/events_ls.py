"""``recordfs events ls``: runs and tags, with the last point of each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from recordfs.cli.arguments import add_paths
from recordfs.cli.event_runs import over_runs, tell_report

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console
    from recordfs.events import EventLog
    from recordfs.events.index import TagEntry

DESCRIPTION = """\
List the runs below log directories and their tags: kind, number of points, and the last one's step,
value and time (UTC). A run is a directory with an event file. Files with an index of recordfs are
not read whole. Damaged records, and records that are not events, are skipped and reported on
standard error; the exit status is 1 then.
"""

EXAMPLES = """\
recordfs events ls logs
recordfs events ls s3://bucket/experiments --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a log directory or an event file")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each tag, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print a line for each tag of each run."""
    rows: list[tuple[str, ...]] = []

    def work(log: EventLog, one: str) -> int:
        summary = log.summary(one)
        for tag in summary.tags:
            if arguments.json:
                console.print_json(_tag_object(log.logdir, one, tag))
            else:
                rows.append(_tag_cells(one, tag))
        if not summary.tags and not arguments.json:
            rows.append((one, "", "", "0", "", "", ""))
        return tell_report(summary.report, console)

    status = over_runs(arguments.path, console, work)
    if rows:
        console.print_table(("run", "tag", "kind", ">points", ">last step", ">last value", "last time"), rows)
    return status


def _tag_cells(one: str, tag: TagEntry) -> tuple[str, ...]:
    value = f"{tag.last_value:.6g}" if tag.is_scalar else ""
    when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(tag.last_wall_time)) if 0 < tag.last_wall_time < 1e11 else ""
    return one, tag.tag, _kind_of(tag), str(tag.point_count), str(tag.last_step), value, when


def _kind_of(tag: TagEntry) -> str:
    if tag.is_scalar:
        return "scalar"
    return tag.metadata.plugin_name if tag.metadata is not None and tag.metadata.plugin_name else tag.kind


def _tag_object(logdir: str, one: str, tag: TagEntry) -> dict[str, Any]:
    return {
        "logdir": logdir,
        "run": one,
        "tag": tag.tag,
        "kind": _kind_of(tag),
        "points": tag.point_count,
        "last_step": tag.last_step,
        "last_value": tag.last_value if tag.is_scalar else None,
        "last_wall_time": tag.last_wall_time,
        "max_step": tag.max_step,
    }
