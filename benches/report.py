"""What a run of the benchmarks shows: a table a row for people, JSON for programs."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benches.harness import AtLeast, Outcome, Result, Spread, Within
from benches.surveys import SurveyResult, survey_as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIME_UNITS = ((1e-6, 1e9, "ns"), (1e-3, 1e6, "us"), (1.0, 1e3, "ms"), (float("inf"), 1.0, "s"))


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    import recordfs

    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "recordfs": getattr(recordfs, "__version__", "unknown"),
    }


def as_markdown(result: Result) -> str:
    """One row's heading, workload, table of contestants, and what was required."""
    row = result.row
    ours = row.contestants[0].name
    lines = [f"### {row.title}", "", f"{row.workload}.", ""]
    figure = row.unit or f"one {row.item}"
    lines += [f"| contestant | {figure}, median | least to greatest | recordfs is |", "|---|---|---|---|"]
    for contestant in row.contestants:
        if contestant.name in result.missing:
            lines.append(f"| {contestant.name} | not measured | {result.missing[contestant.name]} | |")
            continue
        against = ""
        if contestant.name != ours and row.unit is None:
            ratio = result.ratio(contestant.name, ours)
            against = f"{ratio.median:.2f}x as fast ({ratio.least:.2f} to {ratio.greatest:.2f})"
        spread = Spread.of(result.samples[contestant.name])
        median, least, greatest = (_figure(result, value) for value in (spread.median, spread.least, spread.greatest))
        lines.append(f"| {contestant.name} | {median} | {least} to {greatest} | {against} |")
    return "\n".join([*lines, "", *(describe(outcome) for outcome in result.outcomes)])


def describe(outcome: Outcome) -> str:
    """One line: what was required, what was seen, whether that is enough."""
    if outcome.figure is None:
        return f"- required {outcome.requirement}: NOT MEASURED"
    times = "x" if isinstance(outcome.requirement, AtLeast | Within) else ""
    figure = outcome.figure
    seen = f"{figure.median:.2f}{times} ({figure.least:.2f} to {figure.greatest:.2f})"
    return f"- required {outcome.requirement}: {'reached' if outcome.reached else 'MISSED'}, {seen}"


def as_json(results: Sequence[Result | SurveyResult], settings: dict[str, Any]) -> dict[str, Any]:
    """The whole run: machine, settings, for each row every sample and outcome, and the surveys."""
    rows = [_row_as_json(result) for result in results if isinstance(result, Result)]
    surveys = [survey_as_json(result) for result in results if isinstance(result, SurveyResult)]
    return {"machine": machine(), "settings": settings, "rows": rows, "surveys": surveys}


def _row_as_json(result: Result) -> dict[str, Any]:
    row = result.row
    return {
        "title": row.title,
        "workload": row.workload,
        "items": row.items,
        "item": row.item,
        "unit": row.unit or "seconds for all items",
        "samples": result.samples,
        "missing": result.missing,
        "requirements": [
            {
                "required": str(outcome.requirement),
                "seen": None if outcome.figure is None else asdict(outcome.figure),
                "reached": outcome.reached,
            }
            for outcome in result.outcomes
        ],
    }


def _figure(result: Result, value: float) -> str:
    if result.row.unit is not None:
        return f"{value:.1f}"
    seconds = value / result.row.items
    for limit, factor, unit in _TIME_UNITS:
        if seconds < limit:
            return f"{seconds * factor:,.{0 if seconds * factor >= 100 else 1}f} {unit}"
    raise AssertionError("the last unit has no limit")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
