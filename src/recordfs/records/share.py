"""Which share of the records a process reads, where several processes read the same sources.

A training job has ranks (processes of ``torch.distributed``), each with workers (processes of a DataLoader). Nothing of
PyTorch is imported here: a process that is one of several has imported it.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any, Literal, NamedTuple

from recordfs.errors import InvalidArgumentError
from recordfs.per_process import OwningProcess
from recordfs.redaction import redact
from recordfs.whole_numbers import whole_number

__all__ = ["WHOLE", "ShardArgument", "Share", "check_shard", "current_rank", "current_worker", "warn_of_others"]

ShardArgument = Literal["auto"] | tuple[int, int] | None


class Share(NamedTuple):
    """One share among several, counted from 0."""

    number: int
    total: int


WHOLE = Share(0, 1)
"""Everything."""


def check_shard(shard: Any) -> Share | Literal["auto"] | None:
    """Return what a caller gave as ``shard``, if it is sound.

    Raises:
        InvalidArgumentError: It is neither None nor ``"auto"`` nor two numbers ``(index, count)`` with
            ``0 <= index < count``.
    """
    if shard is None or shard == "auto":
        return shard  # type: ignore[no-any-return]
    try:
        number, total = shard
        share = Share(whole_number(number, "index"), whole_number(total, "count"))
    except (TypeError, ValueError):  # no two numbers, or a negative one
        share = None
    if share is None or share.number >= share.total:
        raise InvalidArgumentError(
            f'shard is "auto", or (index, count) with 0 <= index < count, as (0, 4) to (3, 4); found {shard!r}'
        )
    return share


def current_worker() -> Share:
    """Return which worker of a PyTorch DataLoader this process is; ``(0, 1)`` if it is none."""
    data = sys.modules.get("torch.utils.data")
    information = None if data is None else data.get_worker_info()
    return WHOLE if information is None else Share(information.id, information.num_workers)


def current_rank(*, ask_environment: bool) -> Share:
    """Return which rank of ``torch.distributed`` this process is, or belongs to; ``(0, 1)`` if there are no others.

    Args:
        ask_environment: Whether ``RANK`` and ``WORLD_SIZE``, which ``torchrun`` sets, count where nothing was
            initialised, as in the workers of a rank.

    Raises:
        InvalidArgumentError: The two variables are set and no such numbers.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return Share(distributed.get_rank(), distributed.get_world_size())
    if not ask_environment or "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return WHOLE
    rank, size = os.environ["RANK"], os.environ["WORLD_SIZE"]
    if not rank.isdecimal() or not size.isdecimal() or not int(rank) < int(size):
        raise InvalidArgumentError(
            f"RANK and WORLD_SIZE have to be numbers, the first the smaller one; found {rank!r} and {size!r}. "
            "Pass shard=(index, count), or set them as torchrun does"
        )
    return Share(int(rank), int(size))


def warn_of_others(share: Share, path: str) -> None:
    """Say, in the first of several processes and once there, that each of them reads everything."""
    global _warned
    if share.total == 1 or share.number != 0 or (_warned is not None and _warned.is_current):
        return
    _warned = OwningProcess()
    warnings.warn(
        f"{redact(path)}: {share.total} processes (workers of a DataLoader, or ranks) read all records each, so that "
        f'every record comes {share.total} times. RecordReader(..., shard="auto") gives each its share; shard=(0, 1) '
        "says that this is meant",
        RuntimeWarning,
        stacklevel=3,
    )


_warned: OwningProcess | None = None
"""The process that has said so; a forked one says so again."""
