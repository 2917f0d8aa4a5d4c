"""The version of an object that a reader reads, and how it goes over to a longer one without mixing two.

When the object has changed, its reader looks again: if its own writer (or another, after the same last bytes) only made
it longer, that is *growth* and reading goes on; anything else is AbortedError.

Growth that only the last bytes tell of holds for what was handed out so far, and for nothing that was fetched ahead. It
therefore begins a new *epoch*, and what was fetched in an earlier one is fetched again.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from recordfs.errors import AbortedError, NotFoundError
from recordfs.filesystems._object_store.commits import OPENING_METADATA, WRITER_METADATA
from recordfs.filesystems._object_store.read_ahead import Fetched
from recordfs.filesystems._object_store.threads import call_interruptibly
from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.range_fetcher import RangeFetcher

__all__ = ["LOOKS", "PinnedVersion"]

REMEMBERED = 64 << 10
"""How many bytes before a position are kept to tell growth from replacement where the writer is not known."""

LOOKS = 10
"""How often an object is looked at that changes again each time before its bytes can be compared."""


class PinnedVersion:
    """The version of one reader. Any number of threads.

    Args:
        name: The full path, for errors.
        fetcher: To look at the object again, and to fetch the bytes that tell growth.
        bucket: The bucket's name.
        found: The object at open.
        follows_growth: Go on with a longer version that begins with the same bytes; else every other is AbortedError.

    Attributes:
        info: The version as it is pinned by now.
        epoch: How often growth was told by the last bytes.
    """

    def __init__(
        self, name: str, fetcher: RangeFetcher, bucket: str, found: ObjectInfo, *, follows_growth: bool
    ) -> None:
        self._name = name
        self._fetcher = fetcher
        self._bucket = bucket
        self._key = found.key
        self.info = found
        self.epoch = 0
        self._follows_growth = follows_growth
        self._own_lock = PerProcess(threading.Lock)
        self._remembered: tuple[int, bytes] = (0, b"")

    @property
    def _lock(self) -> threading.Lock:
        return self._own_lock.get()

    def newest_size(self) -> int:
        """Look at the object, which may have grown; AbortedError if it was replaced by another."""
        return self._look_again().size if self._follows_growth else self.info.size

    def fetch(self, fetch: Callable[[str, str, int, int, str], list[Buffer]], start: int, end: int) -> Fetched:
        """Fetch one range of this version, or of one that grew out of it.

        Args:
            fetch: Takes bucket, key, start, end and tag; AbortedError or NotFoundError if the object is another by now.
            start: In the object.
            end: In the object.
        """
        while True:
            epoch = self.epoch  # before the version: bytes that are taken for too old are only fetched again
            pinned = self.info
            try:
                return Fetched(fetch(self._bucket, self._key, start, end, pinned.tag), epoch)
            except (AbortedError, NotFoundError):
                if self._look_again().tag == pinned.tag:
                    raise

    def accept(self, pieces: list[memoryview], end: int, epoch: int) -> bool:
        """Remember the last of the bytes that are to be handed out; False if they are of an earlier epoch."""
        with self._lock:
            if epoch != self.epoch:
                return False
            for piece in pieces[-2:-1]:  # the last one may be short
                self._remember(end - len(pieces[-1]), piece)
            self._remember(end, pieces[-1])
            return True

    def remember(self, end: int, read: memoryview) -> None:
        """Keep the last bytes that were read, which end at a position, to know the object by."""
        with self._lock:
            self._remember(end, read)

    def _remember(self, end: int, read: memoryview) -> None:
        """As ``remember``; with the bytes right before them if they are few. Needs the lock."""
        with read[-REMEMBERED:] as tail:
            start, known = self._remembered
            if start + len(known) == end - len(read) and len(tail) < REMEMBERED:
                known = known[len(tail) - REMEMBERED :]
            else:
                known = b""
            self._remembered = (end - len(known) - len(tail), known + tail)

    def changes_again_and_again(self) -> AbortedError:
        """Return the error for an object that no read gets hold of."""
        return AbortedError("the object changed again and again while it was read", path=self._name)

    def _look_again(self, looks: int = LOOKS) -> ObjectInfo:
        """Look at the object; pin it again if it grew.

        Raises:
            AbortedError: It was replaced, or is gone.
        """
        # Taken before looking: another thread may look later, and pin a version that this look has not seen yet.
        pinned = self.info
        try:
            found = self._fetcher.describe(self._bucket, self._key)
        except NotFoundError as error:
            raise AbortedError("the object was deleted while it was read", path=self._name) from error
        # The size as well: versitygw looks at size and ETag one after the other, and may tell one of each version.
        if (found.tag, found.size) == (pinned.tag, pinned.size):
            return pinned
        if not self._follows_growth:
            raise self._replaced(pinned, found)
        if _is_longer_for_sure(pinned, found):
            with self._lock:
                if self.info.size <= found.size:
                    self.info = found
            return found
        grown = self._grown(pinned, found)
        if grown is not None:
            return grown
        if looks == 1:
            raise AbortedError("the object changed again and again while it was looked at", path=self._name)
        return self._look_again(looks - 1)

    def _grown(self, pinned: ObjectInfo, found: ObjectInfo) -> ObjectInfo | None:
        """Pin a changed object that goes on after the same last bytes; None if it or what was read changed meanwhile.

        Raises:
            AbortedError: It was replaced.
        """
        with self._lock:
            self.epoch += 1  # nothing that is on its way is handed out while what was handed out is compared
            remembered = self._remembered
        try:
            is_growth = self._is_growth(pinned, found, remembered)
        except (AbortedError, NotFoundError):
            return None
        if not is_growth:
            raise self._replaced(pinned, found)
        with self._lock:
            if self.info is not pinned:
                return found if self.info.tag == found.tag else None
            if self._remembered is not remembered:
                return None
            self.epoch += 1
            self.info = found
        return found

    def _replaced(self, pinned: ObjectInfo, found: ObjectInfo) -> AbortedError:
        return AbortedError(
            f"the object was replaced while it was read: expected version {pinned.tag} of {pinned.size} bytes, "
            f"found {found.tag} of {found.size}; open it again to read the new one",
            path=self._name,
        )

    def _is_growth(self, pinned: ObjectInfo, found: ObjectInfo, remembered: tuple[int, bytes]) -> bool:
        """Tell whether a changed object is the pinned one made longer, by the bytes that were handed out last."""
        if found.size < pinned.size or pinned.metadata.get(WRITER_METADATA) != found.metadata.get(WRITER_METADATA):
            return False
        start, known = remembered
        # Some writers upload all of it at each flush, also when nothing is new. The checksums tell; without them, who
        # has read from the beginning on or remembers enough.
        if found.size == pinned.size and pinned.checksum and found.checksum:
            return found.checksum == pinned.checksum
        if found.size == pinned.size and start > 0 and len(known) < REMEMBERED:
            return False
        if not known:
            return True  # nothing has been read that the new bytes could be mixed with
        end = start + len(known)
        content = call_interruptibly(self._fetcher.fetch, self._bucket, self._key, start, end, found.tag)
        with memoryview(content) as now:
            return now == known


def _is_longer_for_sure(pinned: ObjectInfo, found: ObjectInfo) -> bool:
    """Tell whether one opening of one writer made both versions: it only ever adds.

    Who appends takes over the writer's id. Where two do, and the one that lost puts its bytes over the other's, only
    the third value, which every opening makes, tells that these are other bytes.
    """
    same = all(pinned.metadata.get(name) == found.metadata.get(name) for name in (WRITER_METADATA, OPENING_METADATA))
    return same and WRITER_METADATA in pinned.metadata and found.size >= pinned.size
