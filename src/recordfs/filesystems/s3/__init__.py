"""``s3://bucket/key``: Amazon S3 and the stores that speak its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError, MissingDependencyError

try:  # before the modules below: whichever of them comes first would say only what it needs itself
    import boto3  # noqa: F401  # asked for here, used below
    import obstore  # noqa: F401
except ImportError as missing:
    raise MissingDependencyError("s3:// needs boto3 and obstore: pip install 'recordfs[s3]'") from missing

from recordfs.filesystems._object_store.backend import CAPABILITIES, ObjectStoreBackend
from recordfs.filesystems.s3.client import Clients
from recordfs.filesystems.s3.multipart_upload import SMALLEST_PART
from recordfs.filesystems.s3.obstore_client import make_obstore
from recordfs.filesystems.s3.settings import Settings
from recordfs.filesystems.s3.store import S3Store

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.statistics import RequestCounter

__all__ = ["S3FileSystem"]


class S3FileSystem(ObjectStoreBackend):
    """Objects on S3 as files. See ObjectStoreFileSystem for what a directory is, and Settings for reaching the store.

    Args:
        allow_bucket_root: Let ``delete_recursively`` empty a whole bucket.
        part_size: Bytes of one part of a long write, at least 5 MiB. A writer holds up to 25 MiB of parts that are on
            their way, and one that fills; two on their way where parts are larger, or where all writers together have
            256 MiB on theirs.
        settings: As the attributes of Settings, by name.
    """

    scheme = "s3"
    settings_class = Settings
    full_capabilities = CAPABILITIES._replace(flush_resends=SMALLEST_PART)

    def __init__(self, *, allow_bucket_root: bool = False, part_size: int = SMALLEST_PART, **settings: Any) -> None:
        if part_size < SMALLEST_PART:
            raise InvalidArgumentError(f"part_size has to be at least {SMALLEST_PART}, found {part_size}")
        self._part_size = part_size
        super().__init__(settings, allow_bucket_root=allow_bucket_root)

    def _connect(self, settings: Settings, counter: RequestCounter) -> Any:
        clients = Clients(settings, counter)
        return clients, S3Store(clients, self._part_size), make_obstore
