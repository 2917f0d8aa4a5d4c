"""Numbers as people read them: sizes, rates, times, plurals."""

import time

__all__ = ["format_count", "format_duration", "format_rate", "format_size", "format_time"]


def format_size(length: int) -> str:
    """Return a size with three or four digits and a binary unit: ``17 B``, ``1.50 KiB``, ``12.3 MiB``."""
    if length < 1024:
        return f"{length} B"
    size = length / 1024
    units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    while size >= 1023.5 and len(units) > 1:
        size /= 1024
        del units[0]
    digits = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{size:.{digits}f} {units[0]}"


def format_rate(length: int, seconds: float) -> str:
    """Return bytes a second in a readable unit, or ``-`` where no time has passed."""
    return f"{format_size(round(length / seconds))}/s" if seconds > 0 else "-"


def format_count(count: int, noun: str) -> str:
    """Return ``1 record`` or ``12,345 records``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """Return a duration in seconds, milliseconds below one."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def format_time(mtime_nsec: int | None) -> str:
    """Return a time of modification in UTC, ``-`` where the store keeps none."""
    if not mtime_nsec:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(mtime_nsec // 1_000_000_000))
