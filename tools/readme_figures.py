"""Puts the figures of a benchmark run into README.md, between its two markers.

.venv/bin/python -m benches --json figures.json
.venv/bin/python tools/readme_figures.py figures.json
"""

import argparse
import json
import os
import statistics
import sys
from typing import Any

README = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "README.md")
BEGIN = "<!-- benches:begin"
END = "<!-- benches:end -->"
PEER = "TensorFlow"
_TIMES = "seconds for all items"


def main() -> int:
    """Rewrite the section; everything outside the markers stays."""
    parser = argparse.ArgumentParser(description="Puts the figures of a benchmark run into README.md.")
    parser.add_argument("run", nargs="+", help="what `python -m benches --json FILE` wrote; several runs are joined")
    arguments = parser.parse_args()
    runs = []
    for path in arguments.run:
        with open(path, encoding="utf-8") as file:
            runs.append(json.load(file))
    with open(README, encoding="utf-8") as file:
        text = file.read()
    begin, end = text.index(BEGIN), text.index(END)
    first_line = text[begin : text.index("\n", begin) + 1]
    with open(README, "w", encoding="utf-8") as file:
        file.write(f"{text[:begin]}{first_line}\n{section(runs)}\n{text[end:]}")
    return 0


def section(runs: list[dict[str, Any]]) -> str:
    """Return the section: where it was measured, and a line for each row that TensorFlow took part in."""
    machine, settings = runs[0]["machine"], runs[0]["settings"]
    lines = [
        f"Medians of {settings['rounds']} rounds, the contestants taking turns, on {machine['cores']} cores of "
        f"{machine['processor']}, {machine['system']}, Python {machine['python']}, files in memory-backed storage. "
        "In brackets the least and the greatest ratio of a round.",
        "",
        f"| work | recordfs | {PEER} | recordfs is |",
        "|---|---|---|---|",
    ]
    for run in runs:
        lines += [line_for(row) for row in run["rows"] if row["unit"] == _TIMES and PEER in row["samples"]]
    return "\n".join(lines) + "\n"


def line_for(row: dict[str, Any]) -> str:
    """Return one line of the table."""
    ours, theirs = next(iter(row["samples"].values())), row["samples"][PEER]
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    ours_each, theirs_each = (statistics.median(samples) / row["items"] for samples in (ours, theirs))
    factor = f"{statistics.median(ratios):.1f}x as fast ({min(ratios):.1f} to {max(ratios):.1f})"
    return f"| {row['title']}, one {row['item']} | {figure(ours_each)} | {figure(theirs_each)} | {factor} |"


def figure(seconds: float) -> str:
    """Return a time in a readable unit."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if seconds < limit:
            value = seconds * factor
            return f"{value:,.{0 if value >= 100 else 1}f} {unit}"
    return f"{seconds:.2f} s"


if __name__ == "__main__":
    sys.exit(main())
