"""Which points of a curve to show when there are more than fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["choose_evenly", "choose_points"]


def choose_points(values: NDArray[Any], most: int) -> NDArray[np.int64]:
    """Return the indexes of at most ``most`` points of a curve, ascending.

    The curve is cut into buckets of equal length, and of each the first, the last, the smallest and the largest point
    are kept: a spike survives, however short. NaN is neither small nor large. The newest point is always there.
    """
    import numpy as np

    count = len(values)
    if count <= most:
        return np.arange(count)
    if most < 5:
        return choose_evenly(count, most)
    buckets = (most - 1) // 4
    width = -(-count // buckets)
    padded = np.full(buckets * width, np.nan)
    padded[:count] = values
    table = padded.reshape(buckets, width)
    begins = np.arange(buckets) * width
    lowest = begins + np.where(np.isnan(table), np.inf, table).argmin(axis=1)
    highest = begins + np.where(np.isnan(table), -np.inf, table).argmax(axis=1)
    chosen = np.concatenate([begins, begins + width - 1, lowest, highest])
    return np.unique(np.append(chosen[chosen < count], count - 1))


def choose_evenly(count: int, most: int) -> NDArray[np.int64]:
    """Return at most ``most`` of ``count`` indexes, ascending, evenly spread; the last is always there."""
    import numpy as np

    if most <= 0:
        return np.arange(0)
    if count <= most:
        return np.arange(count)
    if most == 1:
        return np.array([count - 1])
    return np.unique(np.linspace(0, count - 1, most).round().astype("int64"))
