"""What the commands for event files share: going over runs, telling of losses, printing events."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from recordfs.cli.record_lines import preview
from recordfs.cli.status import FAILED, OK
from recordfs.errors import NotFoundError, RecordFSError
from recordfs.events import EventLog

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from recordfs.cli.console import Console
    from recordfs.events import ColumnsReport, Event
    from recordfs.records.report import Loss

__all__ = ["add_purge", "open_log", "over_runs", "show_event", "tell_losses", "tell_report"]

LOSSES_SHOWN = 10
"""Losses of a run that are told one by one; of the others the number is."""


def add_purge(parser: argparse.ArgumentParser) -> None:
    """Add ``--purge``."""
    parser.add_argument(
        "--purge",
        choices=["tensorboard", "fast", "none"],
        default="none",
        help="leave out points that a restart made void: as TensorBoard's Python loader does, as its fast mode does, "
        "or none (default)",
    )


def over_runs(paths: Iterable[str], console: Console, work: Callable[[EventLog, str], int]) -> int:
    """Do something with every run, going on after one that fails; return the worst exit status."""
    status = OK
    for path in paths:
        try:
            log = open_log(path, console)
            if not log.runs:
                raise NotFoundError("there is no event file here or below", path=path)
        except RecordFSError as error:
            status = max(status, console.failure(error))
            continue
        for one in log.runs:
            try:
                status = max(status, work(log, one))
            except RecordFSError as error:
                status = max(status, console.failure(error))
    return status


def open_log(path: str, console: Console) -> EventLog:
    """Open a log directory, and tell what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log = EventLog(path)
    for warning in caught:
        console.error(str(warning.message))
    return log


def tell_losses(losses: Iterable[Loss], count: int, truncated: Iterable[str], console: Console) -> int:
    """Tell of bytes that gave no event; return the exit status that this means."""
    shown = list(losses)[:LOSSES_SHOWN]
    for loss in shown:
        console.error(f"{loss.path}: at byte {loss.offset}: {loss.reason}")
    if count > len(shown):
        console.error(f"and {count - len(shown)} more places that gave no event")
    for path in truncated:
        console.remark(f"{path} ends inside a record: its writer is at work, or died")
    return FAILED if count else OK


def tell_report(report: ColumnsReport, console: Console) -> int:
    """Tell of what was lost while columns were read; return the exit status that this means."""
    for path in report.deleted:
        console.remark(f"{path} was deleted before it was read")
    return tell_losses(report.losses, report.loss_count, report.truncated, console)


def show_event(event: Event, one: str, arguments: argparse.Namespace, console: Console) -> bool:
    """Print a line for each value of an event that is wanted; return whether there was one."""
    lines = [(value.tag, value.kind, value.content) for value in event.summary]
    if event.kind != "summary":
        lines = [("", event.kind or "nothing", event.content)]
    wanted = [line for line in lines if arguments.tag is None or line[0] in arguments.tag]
    for tag, kind, content in wanted:
        if arguments.json:
            console.print_json(
                {"run": one, "step": event.step, "wall_time": event.wall_time, "tag": tag, "kind": kind}
                | {"value": content if isinstance(content, (int, float, str)) else None}
                | {"bytes": len(content) if isinstance(content, bytes) else None}
            )
        else:
            console.print_row((one, str(event.step), f"{event.wall_time:.6f}", tag, kind, _shown(content)))
    return bool(wanted)


def _shown(content: object) -> str:
    if isinstance(content, float):
        return f"{content:.7g}"
    if isinstance(content, bytes):
        return f"{len(content)} bytes: {preview(content, 40)}"
    return "" if content is None else str(content)
