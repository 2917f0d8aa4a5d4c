"""A curve as text, for a terminal: Braille characters, each of two points in width and four in height."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["draw_curve"]

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of a Braille character by column and row, from the top: Unicode, chapter 21."""


def draw_curve(steps: Sequence[float], values: Sequence[float], width: int, height: int) -> list[str]:
    """Return the lines of a picture of a curve, with the largest and smallest value and the first and last step.

    Points are joined by lines in the order of their steps; of those that share a column all are drawn, from the
    smallest to the largest, so that spikes are seen. Values that are not finite are left out.

    Args:
        steps: The horizontal places; as many as values.
        values: The vertical places.
        width: In characters, labels included.
        height: In lines, the line of steps included.
    """
    points = [(step, value) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
    if not points:
        return ["no finite value"]
    low, high = min(value for _, value in points), max(value for _, value in points)
    first, last = min(step for step, _ in points), max(step for step, _ in points)
    labels = [f"{high:.6g}", f"{low:.6g}"]
    margin = max(len(label) for label in labels) + 1
    columns, rows = max(2, 2 * (width - margin)), max(4, 4 * (height - 1))
    places = [
        (
            round((step - first) / ((last - first) or 1) * (columns - 1)),
            round((high - value) / ((high - low) or 1) * (rows - 1)),
        )
        for step, value in sorted(points)
    ]
    spans: dict[int, tuple[int, int]] = {}
    for (x0, y0), (x1, y1) in zip(places[:1] + places, places, strict=False):
        for x in range(x0, x1 + 1):
            y = y1 if x0 == x1 else y0 + round((y1 - y0) * (x - x0) / (x1 - x0))
            top, bottom = spans.get(x, (y, y))
            spans[x] = min(top, y), max(bottom, y)
    cells = [[0] * (columns // 2) for _ in range(rows // 4)]
    for x, (top, bottom) in spans.items():
        for y in range(top, bottom + 1):
            cells[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
    lines = ["".join(chr(0x2800 + cell) for cell in line) for line in cells]
    heads = [labels[0], *[""] * (len(lines) - 2), labels[1]] if len(lines) > 1 else [labels[0]]
    drawn = [f"{head:>{margin - 1}} {line}" for head, line in zip(heads, lines, strict=True)]
    begin, end = f"{first:g}", f"{last:g}"
    gap = max(1, columns // 2 - len(begin) - len(end))
    return [*drawn, f"{'':>{margin}}{begin}{' ' * gap}{end}"]
