"""Which points of a run count after a job started again, by the rules of TensorBoard's two loaders.

Source: ``_MaybePurgeOrphanedData`` in ``tensorboard/backend/event_processing/plugin_event_accumulator.py``, and
``StageReservoir::offer`` in ``tensorboard/data/server/reservoir.rs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from recordfs.errors import InvalidArgumentError
from recordfs.events.optional import require_numpy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.events.points import Points, Start

__all__ = ["Purge", "check_purge", "purge_points"]

Purge: TypeAlias = Literal["tensorboard", "fast", "none"]
"""``"tensorboard"``: as its Python loader: every start of the job but the first removes the points that were written
before it at its step or later. ``"fast"``: as its data server (``--load_fast``): a point removes those of its tag that
were written before it at its step or later. ``"none"``: every point that was written counts.

In a run whose files do not say their version, which no current writer makes, TensorBoard's Python loader looks for
steps that become smaller instead of for starts; that rule is not followed here."""


def check_purge(purge: str) -> None:
    """Raise InvalidArgumentError unless this is one of the three rules."""
    if purge not in ("tensorboard", "fast", "none"):
        raise InvalidArgumentError(f'purge has to be "tensorboard", "fast" or "none", found {purge!r}')


def purge_points(points: Points, starts: Sequence[Start], purge: Purge) -> Points:
    """Return the points of a tag that count.

    Args:
        points: All of them, in the order in which they were written.
        starts: Where the job started, in the same order.
        purge: The rule.
    """
    if purge == "none" or not len(points.step):
        return points
    np = require_numpy("columns of event files")
    if purge == "fast":
        later = np.minimum.accumulate(points.step[::-1])[::-1]
        kept = np.ones(len(points.step), bool)
        kept[:-1] = points.step[:-1] < later[1:]
    else:
        kept = np.ones(len(points.step), bool)
        for start in starts[1:]:
            kept &= (points.order >= start.order) | (points.step < start.step)
    return points if kept.all() else points.take(kept)
