"""``s3://bucket/key``: Amazon S3 and the stores that speak its protocol."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError, MissingDependencyError

try:  # before the modules below: whichever of them comes first would say only what it needs itself
    import boto3  # noqa: F401  # asked for here, used below
    import obstore  # noqa: F401
except ImportError as missing:
    raise MissingDependencyError("s3:// needs boto3 and obstore: pip install 'recordfs[s3]'") from missing

from recordfs.filesystem import Capabilities
from recordfs.filesystems._object_store.fetching import RangeFetcher
from recordfs.filesystems._object_store.file_system import ObjectStoreFileSystem
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.s3.client import Clients
from recordfs.filesystems.s3.multipart_upload import SMALLEST_PART
from recordfs.filesystems.s3.obstore_client import make_obstore
from recordfs.filesystems.s3.settings import Settings
from recordfs.filesystems.s3.store import S3Store
from recordfs.paths import parse_path

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.statistics import OperationStatistics

__all__ = ["S3FileSystem"]

_CAPABILITIES = Capabilities(
    verbatim_names=True,
    versions=True,
    truncate=False,
    atomic_rename=False,
    directories="implicit",
    server_side_copy=True,
    memory_region=False,
    detects_replacement=True,
    flush_resends=SMALLEST_PART,
)


class S3FileSystem(ObjectStoreFileSystem):
    """Objects on S3 as files. See ObjectStoreFileSystem for what a directory is, and Settings for reaching the store.

    Args:
        allow_bucket_root: Let ``delete_recursively`` empty a whole bucket.
        part_size: Bytes of one part of a long write, at least 5 MiB; a writer holds up to three.
        settings: As the attributes of Settings, by name.
    """

    def __init__(self, *, allow_bucket_root: bool = False, part_size: int = SMALLEST_PART, **settings: Any) -> None:
        unknown = set(settings) - set(Settings._fields)
        super().__init__(allow_bucket_root=allow_bucket_root, **{name: settings[name] for name in unknown})
        if part_size < SMALLEST_PART:
            raise InvalidArgumentError(f"part_size has to be at least {SMALLEST_PART}, found {part_size}")
        self._counter = RequestCounter()
        self._clients = Clients(Settings(**settings).checked(), self._counter)
        self._s3_store = S3Store(self._clients, part_size)
        self._range_fetcher = RangeFetcher(self._s3_store, partial(make_obstore, self._clients), self._counter, "s3")

    @classmethod
    def option_names(cls) -> list[str]:
        """Return the names of the options, those of Settings among them."""
        return [*super().option_names(), *Settings._fields]

    @property
    def _store(self) -> S3Store:
        return self._s3_store

    @property
    def _fetcher(self) -> RangeFetcher:
        return self._range_fetcher

    def capabilities(self, path: str) -> Capabilities:
        """See FileSystem. What a store lacks is known only once something has needed it."""
        if self._s3_store.has_no_conditions(parse_path(path).authority):
            return _CAPABILITIES._replace(exclusive_create=False)
        return _CAPABILITIES

    def statistics(self) -> dict[str, OperationStatistics]:
        """Return what this filesystem has asked of the store in this process, by S3's operation names."""
        return self._counter.snapshot()

    def describe(self) -> dict[str, str]:
        """Return endpoint, region and source of credentials, for people to read; no secrets."""
        return self._clients.describe()
