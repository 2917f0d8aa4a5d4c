"""``gs://bucket/key``: Google Cloud Storage."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import AbortedError, MissingDependencyError, NotFoundError

try:  # before the modules below: whichever of them comes first would say only what it needs itself
    import google.cloud.storage  # noqa: F401  # asked for here, used below
    import obstore  # noqa: F401
except ImportError as missing:
    raise MissingDependencyError(
        "gs:// needs google-cloud-storage and obstore: pip install 'recordfs[gcs]'"
    ) from missing

from recordfs.filesystem import Capabilities
from recordfs.filesystems._object_store.fetching import RangeFetcher
from recordfs.filesystems._object_store.file_system import ObjectStoreFileSystem
from recordfs.filesystems._object_store.notices import Notices
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.gcs.client import Clients
from recordfs.filesystems.gcs.obstore_client import make_obstore
from recordfs.filesystems.gcs.settings import Settings
from recordfs.filesystems.gcs.store import GCSStore, crc32c_of
from recordfs.filesystems.gcs.writer import LARGEST_UPLOADED_AGAIN, GCSWriter, kept_properties

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.file_system import Location
    from recordfs.filesystems._object_store.statistics import OperationStatistics
    from recordfs.filesystems._object_store.store import ObjectInfo

__all__ = ["GCSFileSystem"]

PART_SIZE = 4 << 20
"""Bytes of one part of a long write; a writer holds up to four."""

_CAPABILITIES = Capabilities(
    verbatim_names=True,
    versions=True,
    truncate=False,
    atomic_rename=False,
    directories="implicit",
    server_side_copy=True,
    memory_region=False,
    detects_replacement=True,
)


class _Known(NamedTuple):
    """What a writer has to know of an object that it appends to; see GCSWriter."""

    head: bytes
    crc: int | None
    metadata: dict[str, str]
    properties: dict[str, Any]


class GCSFileSystem(ObjectStoreFileSystem):
    """Objects on Google Cloud Storage as files.

    See ObjectStoreFileSystem for what a directory is, and Settings for reaching the store.

    Args:
        allow_bucket_root: Let ``delete_recursively`` empty a whole bucket.
        settings: As the attributes of Settings, by name.
    """

    def __init__(self, *, allow_bucket_root: bool = False, **settings: Any) -> None:
        unknown = set(settings) - set(Settings._fields)
        super().__init__(allow_bucket_root=allow_bucket_root, **{name: settings[name] for name in unknown})
        self._counter = RequestCounter()
        self._notices = Notices()
        self._clients = Clients(Settings(**settings).checked(), self._counter)
        self._gcs_store = GCSStore(self._clients)
        self._range_fetcher = RangeFetcher(self._gcs_store, partial(make_obstore, self._clients), self._counter, "gs")

    @classmethod
    def option_names(cls) -> list[str]:
        """Return the names of the options, those of Settings among them."""
        return [*super().option_names(), *Settings._fields]

    @property
    def _store(self) -> GCSStore:
        return self._gcs_store

    @property
    def _fetcher(self) -> RangeFetcher:
        return self._range_fetcher

    def capabilities(self, path: str) -> Capabilities:
        """See FileSystem."""
        return _CAPABILITIES

    def statistics(self) -> dict[str, OperationStatistics]:
        """Return what this filesystem has asked of the store in this process, by the JSON API's operation names."""
        return self._counter.snapshot()

    def describe(self) -> dict[str, str]:
        """Return endpoint, project and source of credentials, for people to read; no secrets."""
        return self._clients.describe()

    def close(self) -> None:
        """Close this process's connections. Idempotent; what is used afterwards opens others."""
        self._clients.close()

    def _writer(
        self,
        location: Location,
        found: ObjectInfo | None,
        *,
        append: bool = False,
        exclusive: bool = False,
        atomic: bool = False,
    ) -> GCSWriter:
        """Return a writer, with what it has to know of an object that it appends to."""
        return self._make_writer(location, found, append=append, exclusive=exclusive, atomic=atomic)

    def _blind_writer(self, location: Location, *, exclusive: bool, atomic: bool) -> GCSWriter:
        """Return a writer for credentials that cannot look at the object."""
        self._notices.once(
            location.bucket,
            "blind",
            f"{location.path} could not be looked at with these credentials: the first commit replaces whatever is "
            f"there, a lost answer cannot be told from a failure, and more than {PART_SIZE >> 20} MiB or a second "
            "flush may be refused. Grant storage.objects.get, as the role Storage Object User has it",
        )
        return self._make_writer(location, None, append=False, exclusive=exclusive, atomic=atomic, blind=True)

    def _make_writer(
        self,
        location: Location,
        found: ObjectInfo | None,
        *,
        append: bool,
        exclusive: bool,
        atomic: bool,
        blind: bool = False,
    ) -> GCSWriter:
        known = _Known(b"", None, {}, {}) if not append or found is None else self._look_at(location, found)
        return GCSWriter(
            self._gcs_store,
            self._clients,
            location.bucket,
            location.key,
            head=known.head,
            metadata=known.metadata,
            properties=known.properties,
            name=location.path,
            found=found,
            append=append,
            crc=known.crc,
            exclusive=exclusive,
            atomic=atomic,
            conditional=True,
            part_size=PART_SIZE,
            blind=blind,
        )

    def _look_at(self, location: Location, found: ObjectInfo) -> _Known:
        """Return what a writer has to know of an object that it appends to."""
        head = b""
        try:
            blob = self._gcs_store.look(location.bucket, location.key, int(found.tag))
            if 0 < found.size <= LARGEST_UPLOADED_AGAIN:
                head = self._gcs_store.get_range(location.bucket, location.key, 0, found.size, found.tag)
        except NotFoundError as error:
            raise AbortedError("the object changed while it was opened", path=location.path) from error
        return _Known(head, crc32c_of(blob), dict(blob.metadata or {}), kept_properties(blob))
