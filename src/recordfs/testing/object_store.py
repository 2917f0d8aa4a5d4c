"""An object store in memory that misbehaves by a seed, as the real ones do: the same seed, the same faults.

It loses answers, carries requests out after it was given up on, refuses, and tears calls by an interrupt, so that a
protocol over it runs through thousands of schedules in seconds::

    file_system = SeededObjectFileSystem(SeededObjectStore(seed=7, faults=Faults(lost=0.1, late=0.1)))
    with file_system.new_writable_file("seeded://bucket/key") as file:
        ...

Objects are small here, unless said otherwise: a part has 16 bytes. ``SeededObjectStore.versions`` is everything that
ever stood under a key, in order, so that a test can say what nobody may have seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.filesystem import Capabilities
from recordfs.filesystems._object_store.file_system import ObjectStoreFileSystem
from recordfs.testing.seeded_requests import NO_FAULTS, Faults
from recordfs.testing.seeded_store import SeededObjectStore, Version
from recordfs.testing.seeded_uploads import SeededPieces, SeededUpload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.filesystems._object_store.range_fetcher import RangeFetcher

__all__ = [
    "NO_FAULTS",
    "Faults",
    "SeededObjectFileSystem",
    "SeededObjectStore",
    "SeededPieces",
    "SeededUpload",
    "Version",
]


class _Fetcher:
    """Fetches ranges by the store's own request."""

    can_stream = False

    def __init__(self, store: SeededObjectStore) -> None:
        self._store = store
        self.fetch = store.get_range
        self.describe = store.head

    def fetch_chunks(self, bucket: str, key: str, start: int, end: int, tag: str) -> list[bytes]:
        return [self._store.get_range(bucket, key, start, end, tag)]

    def fetch_into(self, bucket: str, key: str, start: int, view: memoryview, tag: str) -> None:
        view[:] = self._store.get_range(bucket, key, start, start + len(view), tag)

    def fetch_many(self, bucket: str, key: str, ranges: Sequence[tuple[int, int]], tag: str) -> None:
        return None


class SeededObjectFileSystem(ObjectStoreFileSystem):
    """The filesystem over a seeded store: what ``s3://`` and ``gs://`` share, over nothing but memory.

    Args:
        store: The store; one without faults where none is given.
        options: As ObjectStoreFileSystem.
    """

    def __init__(self, store: SeededObjectStore | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.store = store or SeededObjectStore()
        self._seeded_fetcher: Any = _Fetcher(self.store)

    @property
    def _store(self) -> SeededObjectStore:
        return self.store

    @property
    def _fetcher(self) -> RangeFetcher:
        fetcher: RangeFetcher = self._seeded_fetcher
        return fetcher

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the store, which is one of this process."""
        return type(self), (self.store,)

    def capabilities(self, path: str) -> Capabilities:
        """See FileSystem."""
        return Capabilities(
            truncate=False,
            atomic_rename=False,
            directories="implicit",
            server_side_copy=True,
            memory_region=False,
            detects_replacement=True,
            verbatim_names=True,
        )
