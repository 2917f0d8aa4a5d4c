"""``recordfs verify``: is every record whole, and if not, where and how is a file broken?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.cli.arguments import add_compression, add_paths, compression_of
from recordfs.cli.expansion import expand_record_files, total_length
from recordfs.cli.formatting import format_count, format_size
from recordfs.cli.parallel import add_jobs, do_in_parallel
from recordfs.cli.status import FAILED
from recordfs.cli.unfinished import UNFINISHED
from recordfs.errors import RecordFSError
from recordfs.records.repair import HEADER_SIZE
from recordfs.records.verify import VerifyReport, verify_file
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Read record files from end to end and check every length and every checksum. Says how many records
and bytes are sound, and for a broken file where each break begins, where the next sound record is,
and what is wrong. Compression is recognised; offsets then count uncompressed bytes. The exit status
is 1 if any file is broken or missing. With -q only what is broken is shown.
"""

EXAMPLES = """\
recordfs verify train.tfrecord
recordfs verify 's3://bucket/train/*.tfrecord'
recordfs verify --json data/*.tfrecord | jq -r 'select(.sound | not) | .path'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a record file or pattern")
    parser.add_argument("--no-checksums", action="store_true", help="check lengths only, not the records' data")
    add_compression(parser)
    add_jobs(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object for each file, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Check the files, going on after one that is broken."""
    paths, status = expand_record_files(arguments.path, console)
    reports: list[VerifyReport] = []

    def verify(path: str) -> VerifyReport:
        return verify_file(
            path,
            compression=compression_of(arguments),
            verify_checksums=not arguments.no_checksums,
            progress=progress.offsets(path),
        )

    def show(path: str, outcome: VerifyReport | RecordFSError) -> None:
        nonlocal status
        if isinstance(outcome, RecordFSError):
            console.failure(outcome)
            status = max(status, FAILED)
            return
        reports.append(outcome)
        if arguments.json:
            console.print_json(_as_object(outcome))
        elif not (console.quiet and outcome.sound):
            _print_report(outcome, console)

    with console.progress("verifying", total=total_length(paths, console)) as progress:
        do_in_parallel(verify, paths, arguments.jobs, progress, show)
    if len(reports) > 1 and not arguments.json and not console.quiet:
        _print_total(reports, len(paths) - len(reports), console)
    return status if all(report.sound for report in reports) else max(status, FAILED)


def _print_report(report: VerifyReport, console: Console) -> None:
    """Print a line for a sound file, and one more for each thing that is wrong."""
    verdict = "ok" if report.sound else "BROKEN"
    stored = f", {report.compression}, {format_size(report.file_size)} stored" if report.compression else ""
    console.print(
        f"{report.path}: {verdict}, {format_count(report.records, 'record')}, "
        f"{format_size(report.payload_bytes)} of data{stored}",
        alarm="" if report.sound else "BROKEN",
    )
    for lost in report.lost:
        follows = "the end of the file" if lost.end == report.stream_size else "the next sound record"
        console.print(
            f"  at byte {lost.offset}: {lost.error.message}; "
            f"{format_count(lost.end - lost.offset, 'byte')} lost up to {follows} at byte {lost.end}"
        )
    if report.lost_ranges > len(report.lost):
        console.print(f"  and {report.lost_ranges - len(report.lost)} more")
    if report.truncated_tail:
        console.print(f"  the file ends inside a record: its writer is at work or died{_advice(report)}")
    if report.unfinished_stream:
        console.print(f"  {UNFINISHED}")


def _advice(report: VerifyReport) -> str:
    """Return what to do with a record that is not whole, as far as `recordfs repair` would do it."""
    if report.compression or not get_file_system(report.path).capabilities(report.path).truncate:
        return "; it cannot be cut there, only copied up to the break"
    if report.file_size < HEADER_SIZE:
        return ", or it is no record file; `recordfs repair --force` empties it"
    return "; `recordfs repair` cuts that off"


def _print_total(reports: list[VerifyReport], unread: int, console: Console) -> None:
    """Print what several files come to, and how many more could not be read."""
    broken = sum(not report.sound for report in reports)
    lost = sum(report.lost_bytes for report in reports)
    verdict = f"{broken} BROKEN, {format_count(lost, 'byte')} lost" if broken else "all ok"
    if unread:
        verdict += f", {unread} more NOT READ"
    console.print(
        f"{format_count(len(reports), 'file')}: {verdict}, "
        f"{format_count(sum(report.records for report in reports), 'record')}, "
        f"{format_size(sum(report.payload_bytes for report in reports))} of data",
        alarm="NOT READ" if unread else "BROKEN" if broken else "",
    )


def _as_object(report: VerifyReport) -> dict[str, Any]:
    """Return a report as JSON has it."""
    fields = report._asdict()
    fields["lost"] = [
        {"offset": lost.offset, "end": lost.end, "error": type(lost.error).__name__, "message": lost.error.message}
        for lost in report.lost
    ]
    return {"path": report.path, "sound": report.sound, **fields}
