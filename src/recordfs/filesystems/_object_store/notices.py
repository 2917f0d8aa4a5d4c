"""Warnings that are worth saying once: what a bucket lacks, or what writing to it costs."""

from __future__ import annotations

import warnings

__all__ = ["Notices"]


class Notices:
    """What one filesystem has already said about its buckets. Safe to use from any thread, and after a fork."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def once(self, bucket: str, subject: str, message: str) -> None:
        """Warn, unless this filesystem has warned about this subject in this bucket before.

        Args:
            bucket: The bucket's name.
            subject: What tells this warning from others about the bucket; not shown.
            message: The whole text: what was found, what follows from it, what to do.

        Raises:
            UserWarning: Where the program turns warnings into errors. The next call is silent then, too.
        """
        if (bucket, subject) in self._said:
            return
        self._said.add((bucket, subject))
        # The caller of the library is some unknown number of frames up; the message names the bucket instead.
        warnings.warn(message, UserWarning, stacklevel=2)
