"""``recordfs checkpoint verify``: is every tensor whole?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.formatting import format_count, format_size
from recordfs.cli.status import FAILED, OK
from recordfs.errors import RecordFSError
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.checkpoint import CheckpointReport
    from recordfs.cli.console import Console

DESCRIPTION = """\
Read every tensor of checkpoints and compare all checksums. Names each tensor that is broken and says how:
damaged bytes and where they lie, a data file that is missing or too short, an entry of the index that makes
no sense. A directory means its newest checkpoint. The exit status is 1 if anything is broken or missing.
"""

EXAMPLES = """\
recordfs checkpoint verify run/ckpt-100
recordfs checkpoint verify --json s3://bucket/run | jq '.broken[].name'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "checkpoint", nargs="+", help="a prefix, or a directory with a state file")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each checkpoint, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Check the checkpoints, going on after one that is broken."""
    from recordfs.checkpoint import verify_checkpoint  # brings NumPy
    from recordfs.checkpoint.tf_names import prefix_from

    status = OK
    for path in arguments.checkpoint:
        try:
            with console.progress("verifying") as progress:
                prefix = prefix_from(path, file_system=get_file_system(path))
                report = verify_checkpoint(prefix, progress=progress.advance)
        except RecordFSError as error:
            status = max(status, console.failure(error))
            continue
        if arguments.json:
            console.print_json(_as_object(report))
        else:
            _print_report(report, console)
        status = max(status, OK if report.sound else FAILED)
    return status


def _print_report(report: CheckpointReport, console: Console) -> None:
    verdict = "ok" if report.sound else "BROKEN"
    console.print(
        f"{report.prefix}: {verdict}, {format_count(report.tensors, 'tensor')}, {format_size(report.size)} in "
        f"{format_count(report.num_shards, 'data file')}"
    )
    for tensor in report.broken:
        console.print(f"  {tensor.name}: {tensor.error}")


def _as_object(report: CheckpointReport) -> dict[str, object]:
    broken = [
        {
            "name": name,
            "error": type(error).__name__,
            "message": error.message,
            "path": error.path,
            "offset": error.offset,
        }
        for name, error in report.broken
    ]
    return {**report._asdict(), "sound": report.sound, "broken": broken}
