"""``gs://bucket/key``: Google Cloud Storage."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from recordfs.errors import MissingDependencyError

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
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.gcs.client import Clients
from recordfs.filesystems.gcs.obstore_client import make_obstore
from recordfs.filesystems.gcs.settings import Settings
from recordfs.filesystems.gcs.store import GCSStore

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.statistics import OperationStatistics

__all__ = ["GCSFileSystem"]

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
