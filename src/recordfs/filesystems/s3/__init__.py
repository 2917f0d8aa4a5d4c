"""``s3://bucket/key``: Amazon S3 and the stores that speak its protocol."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError, MissingDependencyError, UnimplementedError

try:  # before the modules below: whichever of them comes first would say only what it needs itself
    import boto3  # noqa: F401  # asked for here, used below
    import obstore  # noqa: F401
except ImportError as missing:
    raise MissingDependencyError("s3:// needs boto3 and obstore: pip install 'recordfs[s3]'") from missing

from recordfs.filesystem import Capabilities
from recordfs.filesystems._object_store.fetching import RangeFetcher
from recordfs.filesystems._object_store.file_system import ObjectStoreFileSystem
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.s3.checksums import crc32c_from_header, crc32c_of
from recordfs.filesystems.s3.client import Clients
from recordfs.filesystems.s3.obstore_client import make_obstore
from recordfs.filesystems.s3.probe import learn_conditions
from recordfs.filesystems.s3.settings import Settings
from recordfs.filesystems.s3.store import S3Store
from recordfs.filesystems.s3.upload import SMALLEST_PART
from recordfs.filesystems.s3.writer import S3Writer, kept_properties
from recordfs.paths import parse_path

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.file_system import Location
    from recordfs.filesystems._object_store.statistics import OperationStatistics
    from recordfs.filesystems._object_store.store import ObjectInfo

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
        self._part_size = part_size
        self._counter = RequestCounter()
        self._clients = Clients(Settings(**settings).checked(), self._counter)
        self._s3_store = S3Store(self._clients)
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

    def _writer(
        self,
        location: Location,
        found: ObjectInfo | None,
        *,
        append: bool = False,
        exclusive: bool = False,
        atomic: bool = False,
    ) -> S3Writer:
        """Return a writer, with what it has to know of an object that it appends to."""
        if exclusive:
            self._refuse_exclusive(location)
        return self._make_writer(location, found, append=append, exclusive=exclusive, atomic=atomic)

    def _make_writer(
        self,
        location: Location,
        found: ObjectInfo | None,
        *,
        append: bool = False,
        exclusive: bool,
        atomic: bool,
        blind: bool = False,
    ) -> S3Writer:
        head, crc, metadata = b"", None, {}
        properties: dict[str, Any] = {}
        if append and found is not None:
            metadata = found.metadata
            head, crc, properties = self._beginning(location, found)
        return S3Writer(
            self._s3_store,
            location.bucket,
            location.key,
            head=head,
            metadata=metadata,
            properties=properties,
            name=location.path,
            found=found,
            append=append,
            crc=crc,
            exclusive=exclusive,
            atomic=atomic,
            conditional=True,
            part_size=self._part_size,
            blind=blind,
        )

    def _blind_writer(self, location: Location, *, exclusive: bool, atomic: bool) -> S3Writer:
        """Return a writer for credentials that cannot look at the object."""
        self._s3_store.notices.once(
            location.bucket,
            "blind",
            f"{location.path} could not be looked at with these credentials: the first commit replaces whatever is "
            "there, and a lost answer cannot be told from a failure. Grant s3:GetObject and s3:ListBucket to have both",
        )
        return self._make_writer(location, None, exclusive=exclusive, atomic=atomic, blind=True)

    def _refuse_exclusive(self, location: Location) -> None:
        """Raise if the store cannot make one of several writers the only one."""
        kept = [
            learn_conditions(self._s3_store, location.bucket, location.key, operation)
            for operation in ("PutObject", "CompleteMultipartUpload")
        ]
        if False in kept:
            raise UnimplementedError(
                "exclusive creation needs a store that keeps If-None-Match, and this one does not; write to a name "
                "that nobody else uses instead",
                path=location.path,
            )

    def _beginning(self, location: Location, found: ObjectInfo) -> tuple[bytes, int | None, dict[str, Any]]:
        """Return a small object's bytes, the CRC-32C of any object where it is known, and what else to keep of it."""
        described = self._s3_store.call(
            "head_object",
            location.path,
            Bucket=location.bucket,
            Key=location.key,
            IfMatch=found.tag,
            ChecksumMode="ENABLED",
        )
        properties = kept_properties(described)
        if found.size < self._kept_in_memory(location.bucket):
            head = b""
            if found.size:
                head = self._s3_store.get_range(location.bucket, location.key, 0, found.size, found.tag)
            return head, crc32c_of(head), properties
        if described.get("ChecksumType") != "FULL_OBJECT" or "ChecksumCRC32C" not in described:
            return b"", None, properties
        return b"", crc32c_from_header(described["ChecksumCRC32C"]), properties

    def _kept_in_memory(self, bucket: str) -> int:
        """Return below which size an object is put again as a whole."""
        return self._part_size if self._s3_store.features(bucket).equal_parts else SMALLEST_PART
