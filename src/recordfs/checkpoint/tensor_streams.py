"""Files of tensors, whatever their format, read and written tensor by tensor: the base of conversion."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, NamedTuple

from recordfs.open_files.letting_go import ClosesOnExit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.checkpoint.array_reader import Array
    from recordfs.checkpoint.tensor_types import TensorType

__all__ = ["TensorSink", "TensorSource", "TensorSpec"]


class TensorSpec(NamedTuple):
    """What is known of a tensor before it is read.

    Attributes:
        name: Its name.
        type: The type of its elements.
        shape: Its dimensions.
    """

    name: str
    type: TensorType
    shape: tuple[int, ...]


class TensorSource(ClosesOnExit, abc.ABC):
    """A file of tensors to read."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is in the file and not among its tensors, because something else takes its place."""
        return ()

    @abc.abstractmethod
    def specs(self) -> list[TensorSpec]:
        """Return all tensors, in the order in which they are best read."""

    @abc.abstractmethod
    def read(self, name: str) -> Array:
        """Read one tensor; strings as an object array of bytes."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the file. Idempotent."""


class TensorSink(abc.ABC):
    """A file of tensors to write: ``begin``, then ``add`` for each of its tensors in that order, then ``close``."""

    def arranged(self, specs: Sequence[TensorSpec]) -> list[TensorSpec]:
        """Return the tensors in the order in which this format has them; the given one by default."""
        return list(specs)

    @abc.abstractmethod
    def begin(self, specs: Sequence[TensorSpec]) -> None:
        """Take note of what will come, and write what stands before it.

        Raises:
            InvalidArgumentError: The format cannot hold one of them, and the message names it.
        """

    @abc.abstractmethod
    def add(self, spec: TensorSpec, array: Array) -> None:
        """Write one tensor."""

    @abc.abstractmethod
    def close(self) -> None:
        """Publish the file."""

    @abc.abstractmethod
    def discard(self) -> None:
        """Let go of the file, and of what was written where that can vanish."""
