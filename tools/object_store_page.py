"""Puts what the benchmarks of object stores found into docs/object-store-benchmarks.md, between its two markers.

.venv/bin/python -m benches s3 gcs flushes faults --json figures.json
.venv/bin/python -m tools.object_store_page figures.json
"""

import argparse
import json
import os
import re
import statistics
import sys
from typing import Any

from tools.readme_figures import figure

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "object-store-benchmarks.md")
BEGIN = "<!-- figures:begin -->\n"
END = "<!-- figures:end -->"
_TIMES = "seconds for all items"


def main() -> int:
    """Rewrite the tables of the rows that were run; the others, and everything outside the markers, stay."""
    parser = argparse.ArgumentParser(description="Puts figures into docs/object-store-benchmarks.md.")
    parser.add_argument("run", nargs="+", help="what `python -m benches --json FILE` wrote; several runs are joined")
    arguments = parser.parse_args()
    runs = []
    for path in arguments.run:
        with open(path, encoding="utf-8") as file:
            runs.append(json.load(file))
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(f"{text[:begin]}\n{section(runs, text[begin:end])}\n{text[end:]}")
    return 0


def section(runs: list[dict[str, Any]], before: str = "") -> str:
    """Return the section: where it was measured, every row, every survey, and those of ``before`` that were not run."""
    machine = runs[0]["machine"]
    head = (
        f"{machine['cores']} cores of {machine['processor']}, {machine['system']}, Python {machine['python']}. Medians,"
        " and in brackets the least and the greatest ratio of a round. *Asked* is what the project set itself."
    )
    blocks = {title_of(block): block for block in re.split(r"^(?=### )", before, flags=re.MULTILINE)[1:]}
    for run in runs:
        made = [*map(row_block, run["rows"]), *map(survey_block, run["surveys"])]
        blocks.update({title_of(block): block for block in made})
    return "\n\n".join([head, *(block.strip() for block in blocks.values())]) + "\n"


def title_of(block: str) -> str:
    """Return the title of a row's or a survey's block."""
    return block.partition("\n")[0]


def row_block(row: dict[str, Any]) -> str:
    """Return a row as a table of contestants."""
    timed = row["unit"] == _TIMES
    ours = next(iter(row["samples"].values()), [])
    head = f"one {row['item']}" if timed else row["unit"]
    lines = [f"### {row['title']}", "", f"{row['workload']}.", "", f"| | {head} | recordfs is |", "|---|---|---|"]
    for name, samples in row["samples"].items():
        median = statistics.median(samples)
        shown = figure(median / row["items"]) if timed else f"{median:.1f}"
        against = ""
        if timed and samples is not ours:
            ratios = [their / our for our, their in zip(ours, samples, strict=True)]
            against = f"{statistics.median(ratios):.2f}x as fast ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"| {name} | {shown} | {against} |")
    return "\n".join([*lines, *verdicts(row)])


def survey_block(survey: dict[str, Any]) -> str:
    """Return a survey as a table with a column for each contestant, which fits a page best."""
    names = list(survey["cells"])
    lines = [f"### {survey['title']}", "", f"{survey['workload']}.", "", f"| | {' | '.join(names)} |"]
    lines.append(f"|---|{'---|' * len(names)}")
    for column in survey["columns"]:
        cells = (survey["cells"][name][column] for name in names)
        lines.append(f"| {column} | {' | '.join(shown(cell) for cell in cells)} |")
    return "\n".join([*lines, *verdicts(survey)])


def shown(cell: float | str) -> str:
    """Return a cell as people read it."""
    return cell if isinstance(cell, str) else f"{cell:,.{0 if cell >= 1000 or cell == int(cell) else 1}f}"


def verdicts(row: dict[str, Any]) -> list[str]:
    """Return a line for what was asked, if anything was, and for who was not there."""
    told = [
        f"{requirement['required']} ({'reached' if requirement['reached'] else 'missed'})"
        for requirement in row["requirements"]
    ]
    lines = ["", f"Asked: {'; '.join(told)}."] if told else []
    return lines + [line for name, why in row["missing"].items() for line in ("", f"{name} was not there: {why}.")]


if __name__ == "__main__":
    sys.exit(main())
