"""Sending a commit on its condition, also where the store does not keep conditions, or the credentials cannot look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import AbortedError, NotFoundError, PermissionDeniedError
from recordfs.filesystems._object_store.commits import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystems._object_store.commits import Commit
    from recordfs.filesystems._object_store.objects import ObjectInfo

__all__ = ["Conditions"]


class Conditions:
    """The conditions of one writer's commits. For one thread.

    Args:
        look: Returns the object as it is now, or raises NotFoundError.
        is_write_only: The credentials could not look at the object when it was opened.
        path: For errors.
    """

    def __init__(self, look: Callable[[], ObjectInfo], *, is_write_only: bool, path: str) -> None:
        self._look = look
        self._path = path
        self.is_write_only = is_write_only
        self._can_match = True  # until credentials turn out to have no right to

    def send(self, commit: Commit, are_kept: Callable[[], bool | None], send: Callable[[str | None], str]) -> str:
        """Send a commit on its condition, and return its tag.

        Where the store does not keep conditions, or that could not be found out, the object is looked at first; what
        somebody writes between the look and the commit is replaced unseen then.

        Args:
            commit: What is sent.
            are_kept: Tells whether the store keeps a condition on this request; None where nobody knows.
            send: Sends it on a condition, as of ``Commit.replaces``.

        Raises:
            AbortedError: The condition does not hold.
        """
        replaces = commit.replaces
        if replaces is None or (replaces != NOTHING and not self._can_match):
            return send(None)
        kept = are_kept()
        if not kept:
            self._compare(replaces or None)
        if kept is False:
            return send(None)
        try:
            return send(replaces)
        except PermissionDeniedError:
            if not self.is_write_only or replaces == NOTHING:
                raise
        self._can_match = False  # matching a version needs the right to read, and that is not there
        return send(None)

    def _compare(self, expected: str | None) -> None:
        """Look whether the object is another version than the expected one.

        Raises:
            AbortedError: It is.
        """
        try:
            now: str | None = self._look().tag
        except NotFoundError:
            now = None
        except PermissionDeniedError:
            if self.is_write_only:
                return
            raise
        if now != expected:
            raise AbortedError(f"expected {expected or 'no object'}, found {now or 'no object'}", path=self._path)

    def refuse_copying(self, size: int, right: str) -> None:
        """Raise if the store could not copy the committed object, because the credentials cannot read it.

        Args:
            size: From which size on a commit is a copy.
            right: The store's name for the right that is missing.

        Raises:
            PermissionDeniedError: The credentials can only write, and the object has become too large to be put again
                as a whole. ``close`` publishes what is kept.
        """
        if not self.is_write_only:
            return
        try:
            self._look()
        except NotFoundError:
            return
        except PermissionDeniedError as error:
            raise PermissionDeniedError(
                f"a flush of more than {size} bytes copies the object on the server, which needs the right to read it "
                f"({right}). The bytes are kept, and published when the writer is closed",
                path=self._path,
            ) from error
        self.is_write_only = False
