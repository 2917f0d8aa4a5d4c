"""How two checkpoints differ: in names, types, shapes and values, and by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.reader import CheckpointReader
from recordfs.errors import MissingDependencyError, UnimplementedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from recordfs.checkpoint.array_reader import Array
    from recordfs.checkpoint.entries import TensorEntry
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["TensorDifference", "compare_checkpoints"]

Kind = Literal["first only", "second only", "type", "shape", "values", "unreadable"]

_PIECE = 1 << 20
"""Elements that are compared at once, so that the numbers made for it stay few."""


class TensorDifference(NamedTuple):
    """A tensor that differs between two checkpoints.

    Attributes:
        name: Its name.
        kind: What differs: ``"first only"``, ``"second only"``, ``"type"``, ``"shape"`` or ``"values"``;
            ``"unreadable"`` for what cannot be compared, such as variants that are not the same bytes.
        first: Type and shape in the first, such as ``"float32 [2, 3]"``; empty if it is not there.
        second: The same in the second.
        elements: How many elements differ.
        largest: The largest absolute difference of two numbers; None for strings, infinite where one is not finite.
        relative: The largest difference in relation to the larger of the two numbers; None as above.
    """

    name: str
    kind: Kind
    first: str = ""
    second: str = ""
    elements: int = 0
    largest: float | None = None
    relative: float | None = None


def compare_checkpoints(
    first: PathInput,
    second: PathInput,
    *,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    second_file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
    second_options: Mapping[str, Any] | None = None,
) -> Iterator[TensorDifference]:
    """Yield each tensor in which two checkpoints differ, in the order of names, with memory for two at a time.

    Numbers are alike if their bytes are, zeros of both signs too, and two that are not numbers (NaN).

    Args:
        first: A checkpoint.
        second: Another.
        progress: Called with a number of bytes of the first whenever so many more have been compared.
        file_system: Serves the first.
        second_file_system: Serves the second.
        options: For the filesystem of the first.
        second_options: For the filesystem of the second.

    Raises:
        NotFoundError: One of the two is not there.
        DataLossError: One of the two is damaged.
    """
    with (
        CheckpointReader(first, file_system=file_system, options=options) as left,
        CheckpointReader(second, file_system=second_file_system, options=second_options) as right,
    ):
        for name in sorted({*left, *right}):
            if name not in right:
                yield TensorDifference(name, "first only", first=_describe(left.entry(name)))
            elif name not in left:
                yield TensorDifference(name, "second only", second=_describe(right.entry(name)))
            else:
                difference = _compare(name, left, right)
                if difference is not None:
                    yield difference
            if progress is not None and name in left:
                progress(left.entry(name).size)


def _describe(entry: TensorEntry) -> str:
    return f"{entry.dtype} {list(entry.shape)}"


def _compare(name: str, left: CheckpointReader, right: CheckpointReader) -> TensorDifference | None:
    a, b = left.entry(name), right.entry(name)
    texts = _describe(a), _describe(b)
    if a.type != b.type:
        return TensorDifference(name, "type", *texts)
    if a.shape != b.shape:
        return TensorDifference(name, "shape", *texts)
    try:
        elements, largest, relative = _compare_values(left[name], right[name])
    except (UnimplementedError, MissingDependencyError):
        same = [stored[4:] for stored in a.slices] == [stored[4:] for stored in b.slices]  # size and checksum
        return None if same else TensorDifference(name, "unreadable", *texts)
    return TensorDifference(name, "values", *texts, elements, largest, relative) if elements else None


def _compare_values(first: Array, second: Array) -> tuple[int, float | None, float | None]:
    """Return how many elements differ, and by how much at most, absolutely and relatively."""
    if first.dtype == object:
        pairs = zip(first.reshape(-1).tolist(), second.reshape(-1).tolist(), strict=True)
        return sum(a != b for a, b in pairs), None, None
    count, largest, relative = 0, 0.0, 0.0
    a_flat, b_flat = first.reshape(-1), second.reshape(-1)
    for start in range(0, a_flat.size, _PIECE):
        a, b = a_flat[start : start + _PIECE], b_flat[start : start + _PIECE]
        if a.tobytes() == b.tobytes():
            continue
        with np.errstate(all="ignore"):
            differing = (a != b) & ~((a != a) & (b != b))
            found = int(np.count_nonzero(differing))
            if not found:
                continue
            count += found
            x, y = _wide(a[differing]), _wide(b[differing])
            by = np.abs(x - y)
            # What is not finite, or no number, differs from anything else without bound.
            by = np.where(np.isnan(by), np.inf, by)
            largest = max(largest, float(by.max()))
            scale = np.maximum(np.abs(x), np.abs(y))
            relative = max(relative, float(np.where(np.isfinite(by), by / scale, np.inf).max()))
    return count, largest, relative


def _wide(array: Array) -> Array:
    """Return numbers of a type in which differences do not overflow."""
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.longdouble)
