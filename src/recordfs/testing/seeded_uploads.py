"""How writers of a seeded store stage and publish: in parts, as on S3, or in pieces, as on Google Cloud Storage."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, TypeVar

from recordfs.filesystems._object_store.composed_upload import ComposedObjectUpload
from recordfs.filesystems._object_store.multipart import MultipartObjectUpload
from recordfs.filesystems._object_store.object_maker import ObjectMaker, Source
from recordfs.filesystems._object_store.objects import ObjectInfo
from recordfs.filesystems._object_store.parts import CopySource, PartLimits, UploadInParts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recordfs.filesystems._object_store.commits import Commit, Origin
    from recordfs.filesystems._object_store.opening import Known, Location, Opening
    from recordfs.testing.seeded_store import SeededObjectStore

__all__ = ["PART_SIZE", "SeededParts", "SeededPieces", "SeededUpload"]

Result = TypeVar("Result")

PART_SIZE = 16
"""Bytes of a part, all but the last of an object."""


class _AtOnce(Executor):
    """Calls what it is given at once, so that requests come in one order. An interrupt comes out of ``submit``."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Call a function."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (raised by whoever asks for the result, as from a thread)
            future.set_exception(error)
        return future


class SeededParts(UploadInParts):
    """An upload that is under way; see UploadInParts."""

    limits = PartLimits(smallest=PART_SIZE, largest=1 << 30, filled=3, most=100)

    def __init__(self, store: SeededObjectStore, target: Location, metadata: dict[str, str]) -> None:
        super().__init__(store, target, store.begin_upload(target.bucket, target.key, metadata))
        self._store = store

    def send(self, number: int, *buffers: bytes | bytearray) -> int:
        """See UploadInParts."""
        return self._store.send_part(self.identifier, number, b"".join(buffers))

    def copy_range(self, number: int, source: CopySource, start: int, end: int) -> int | None:
        """See UploadInParts."""
        return self._store.copy_part(self.identifier, number, source, start, end)

    def complete(self, parts: dict[int, int], *, size: int, crc: int | None = None, replaces: str | None = None) -> str:
        """See UploadInParts."""
        return self._store.complete(self._bucket, self._key, self.identifier, parts, replaces)

    def abort(self) -> None:
        """See UploadInParts."""
        self._store.abort_upload(self.identifier)


class SeededUpload(MultipartObjectUpload[SeededParts]):
    """Stages parts in an upload that a commit completes, as on S3; see ObjectUpload."""

    def __init__(self, store: SeededObjectStore, opening: Opening, known: Known) -> None:
        super().__init__(store, opening, part_size=store.part_size, copied_from=store.most_kept + 1, make_pool=_AtOnce)
        self._store = store
        self._metadata = known.metadata

    def _begin(self, origin: Origin) -> SeededParts:
        return SeededParts(self._store, self._target, {**self._metadata, **origin.token})

    def _begin_temporary(self, target: Location) -> SeededParts:
        return SeededParts(self._store, target, {})

    def _put(self, commit: Commit, replaces: str | None) -> str:
        metadata = {**self._metadata, **commit.origin.token}
        return self._store.put(self._bucket, self._key, b"".join(commit.rest), metadata, replaces).tag

    def _keeps_conditions(self, *, is_put: bool) -> bool | None:
        return self._store.keeps_conditions


class SeededPieces(ComposedObjectUpload):
    """Stages temporary objects that a commit composes, as on Google Cloud Storage; see ObjectUpload."""

    def __init__(self, store: SeededObjectStore, opening: Opening, known: Known) -> None:
        maker = _SeededMaker(store, opening.location.bucket, opening.location.path)
        super().__init__(store, maker, opening, known, part_size=store.part_size, make_pool=_AtOnce)
        self.part_size, self.most_kept = store.part_size, store.most_kept


class _SeededMaker(ObjectMaker):
    """Makes objects by one request each."""

    _store: SeededObjectStore

    def insert(self, key: str, known: Known, buffers: Sequence[bytes | bytearray], *, replaces: str | None) -> str:
        data = b"".join(buffers)
        made = self._store.put(self._bucket, key, data, known.metadata, replaces)
        return self._tag_of_made(made, ObjectInfo(key, len(data), 0, "", known.metadata))

    def compose(
        self, key: str, known: Known, sources: list[Source], *, size: int, crc: int | None, replaces: str | None
    ) -> str:
        made = self._store.compose(self._bucket, key, sources, known.metadata, replaces)
        return self._tag_of_made(made, ObjectInfo(key, size, 0, "", known.metadata))
