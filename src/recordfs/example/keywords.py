"""The keywords that functions here pass on to readers and writers of records, and answer for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput
    from recordfs.records.share import ShardArgument
    from recordfs.records.sources import Position

__all__ = ["ReaderKeywords", "WriterKeywords", "check_keywords"]


class ReaderKeywords(TypedDict, total=False):
    """The keywords of ``RecordReader``."""

    compression: str | int | None
    verify_checksums: bool
    start: Position | tuple[str, int] | int | None
    follow: bool
    follow_timeout: float | None
    on_replaced: Literal["raise", "restart"]
    on_error: Literal["raise", "skip", "stop"]
    shard: ShardArgument
    max_record_size: int
    file_system: FileSystem | None
    options: Mapping[str, Any] | None


class WriterKeywords(TypedDict, total=False):
    """The keywords of ``RecordWriter``."""

    compression: str | int | None
    compression_level: int
    append: bool
    exclusive: bool
    repair_tail: bool
    atomic: bool
    index: bool | PathInput
    require_flush: bool
    file_system: FileSystem | None
    options: Mapping[str, Any] | None


def check_keywords(function: str, given: Mapping[str, object], known: type) -> None:
    """Refuse a keyword that nobody knows in the name of the function that was called.

    Raises:
        TypeError: There is one.
    """
    for name in given:
        if name not in known.__annotations__:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
