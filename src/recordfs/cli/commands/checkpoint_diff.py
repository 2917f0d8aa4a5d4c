"""``recordfs checkpoint diff``: in what do two checkpoints differ?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths, number_at_least
from recordfs.cli.formatting import format_count
from recordfs.cli.status import FAILED, OK
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.checkpoint import TensorDifference
    from recordfs.cli.console import Console

DESCRIPTION = """\
Compare two checkpoints. Lists the tensors that only one of them has, and those that differ in type, shape or
values; of the last how many elements differ, and the largest absolute and relative difference. A directory
means its newest checkpoint. The exit status is 0 if there is no difference and 1 if there is one.
"""

EXAMPLES = """\
recordfs checkpoint diff run/ckpt-100 run/ckpt-200
recordfs checkpoint diff --tolerance 1e-6 mine/ s3://bucket/theirs/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "first", help="a prefix, or a directory with a state file")
    add_paths(parser, "second", help="the other prefix or directory")
    parser.add_argument(
        "--tolerance",
        type=number_at_least(0),
        default=0.0,
        metavar="X",
        help="treat a tensor's numbers as equal if none differs by more than X (default: 0)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for each difference, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print a line for each tensor that differs."""
    from recordfs.checkpoint import compare_checkpoints  # brings NumPy
    from recordfs.checkpoint.tf_names import prefix_from

    first, second = (
        prefix_from(path, file_system=get_file_system(path)) for path in (arguments.first, arguments.second)
    )
    rows = []
    with console.progress("comparing") as progress:
        for found in compare_checkpoints(first, second, progress=progress.advance):
            if found.kind == "values" and found.largest is not None and found.largest <= arguments.tolerance:
                continue
            rows.append(_cells(found))
            if arguments.json:
                console.print_json(_finite(found))
    if not arguments.json:
        console.print_table(("tensor", "difference", ">elements", ">largest", ">relative"), rows)
        console.remark(format_count(len(rows), "difference"))
    return FAILED if rows else OK


def _cells(found: TensorDifference) -> tuple[str, ...]:
    what = found.kind if found.kind in ("values", "unreadable") else f"{found.first or '-'} | {found.second or '-'}"
    if found.kind != "values":
        return (found.name, what, "", "", "")
    numbers = ["" if value is None else f"{value:.3g}" for value in (found.largest, found.relative)]
    return (found.name, what, str(found.elements), *numbers)


def _finite(found: TensorDifference) -> dict[str, object]:
    """Return a difference as JSON has it, which knows no infinite numbers."""
    values = found._asdict()
    for name in ("largest", "relative"):
        if values[name] == float("inf"):
            values[name] = "inf"
    return values
