"""``gs://bucket/key``: Google Cloud Storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import MissingDependencyError

try:  # before the modules below: whichever of them comes first would say only what it needs itself
    import google.cloud.storage  # noqa: F401  # asked for here, used below
    import obstore  # noqa: F401
except ImportError as missing:
    raise MissingDependencyError(
        "gs:// needs google-cloud-storage and obstore: pip install 'recordfs[gcs]'"
    ) from missing

from recordfs.filesystems._object_store.backend import ObjectStoreBackend
from recordfs.filesystems.gcs.client import Clients
from recordfs.filesystems.gcs.obstore_client import make_obstore
from recordfs.filesystems.gcs.settings import Settings
from recordfs.filesystems.gcs.store import GCSStore

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.statistics import RequestCounter

__all__ = ["GCSFileSystem"]


class GCSFileSystem(ObjectStoreBackend):
    """Objects on Google Cloud Storage as files.

    See ObjectStoreFileSystem for what a directory is, and Settings for reaching the store.

    Args:
        allow_bucket_root: Let ``delete_recursively`` empty a whole bucket.
        settings: As the attributes of Settings, by name.
    """

    scheme = "gs"
    settings_class = Settings

    def __init__(self, *, allow_bucket_root: bool = False, **settings: Any) -> None:
        super().__init__(settings, allow_bucket_root=allow_bucket_root)

    def _connect(self, settings: Settings, counter: RequestCounter) -> Any:
        clients = Clients(settings, counter)
        return clients, GCSStore(clients), make_obstore
