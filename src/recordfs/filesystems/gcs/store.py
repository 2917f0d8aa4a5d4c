"""Google Cloud Storage's requests for the filesystem over it: look, list, delete, copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnknownError,
)
from recordfs.filesystems._json_fields import number_in, text_in
from recordfs.filesystems._object_store.checksums import crc32c_from_header
from recordfs.filesystems._object_store.commits import NOTHING
from recordfs.filesystems._object_store.listing import follow_pages
from recordfs.filesystems._object_store.opening import NOTHING_KNOWN, Known
from recordfs.filesystems.gcs.answers import info_of, page_of, page_of_buckets, reading_answer
from recordfs.filesystems.gcs.errors import error_from_answer
from recordfs.filesystems.gcs.object_maker import GCSObjectMaker
from recordfs.filesystems.gcs.object_upload import LARGEST_UPLOADED_AGAIN, PART_SIZE, GCSObjectUpload
from recordfs.filesystems.gcs.requests import GCSRequests

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult

    from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage
    from recordfs.filesystems._object_store.opening import Location, Opening
    from recordfs.filesystems._object_store.upload import ObjectUpload

__all__ = ["GCSStore"]

_KEPT_PROPERTIES = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "customTime",
    "storageClass",
)
"""What an object keeps when bytes are appended to it, besides its metadata."""

MOST_IDLE_REWRITES = 10
"""Steps of a copy in a row that may bring nothing; each copies at least a mebibyte (JSON API, "Objects: rewrite")."""

_LISTED = "items(name,size,updated,timeCreated,generation),prefixes,nextPageToken"


class GCSStore(GCSRequests):
    """The requests, each with the settings' options, and errors mapped. Tags are generations, as decimal text.

    Args:
        clients: The SDK's clients.

    Attributes:
        clients: As above.
    """

    write_only_advice = (
        f"More than {PART_SIZE >> 20} MiB or a second flush may be refused. Grant storage.objects.get, as the role "
        "Storage Object User has it"
    )

    tags_never_return = True

    obstore_has_own_api = True  # the XML API

    deletes_in_bulk = False
    """A batch of the JSON API is served one call after another, a hundred at most, and not by every server; requests
    side by side are as fast and work everywhere.
    """

    def _list_page(self, bucket: str, prefix: str, *, delimiter: str, page: str | None, limit: int) -> ObjectPage:
        """objects.list."""
        path = f"gs://{bucket}/{prefix}".removesuffix("/")
        query = {"prefix": prefix, "delimiter": delimiter, "pageToken": page, "maxResults": str(limit)}
        found = self.ask(path, "GET", bucket, "o", query={**query, "fields": _LISTED, "projection": "noAcl"})
        with reading_answer(path):
            return page_of(found)

    def list_buckets(self) -> list[str]:
        """buckets.list, which needs a project."""
        project = self.clients.storage.project
        if project is None:
            raise FailedPreconditionError(
                "listing buckets needs a project: give the option project, or set GOOGLE_CLOUD_PROJECT", path="gs://"
            )

        def ask(page: str | None) -> ObjectPage:
            found = self.ask("gs://", "GET", query={"project": project, "projection": "noAcl", "pageToken": page})
            with reading_answer("gs://"):
                return page_of_buckets(found)

        return [name for page in follow_pages(ask, "gs://", is_in_order=False) for name in page.prefixes]

    def bucket_exists(self, bucket: str) -> bool:
        """buckets.get; credentials for objects only may not look at the bucket, but may list it."""
        try:
            self.ask(f"gs://{bucket}", "GET", bucket, query={"fields": "name"})
        except PermissionDeniedError:
            try:
                self.list_page(bucket, "", limit=1)
            except NotFoundError:
                return False
        except NotFoundError:
            return False
        return True

    def kept_versions(self, bucket: str) -> str | None:
        """See ObjectStore."""
        path = f"gs://{bucket}"
        found = self.ask(path, "GET", bucket, query={"projection": "noAcl"})
        with reading_answer(path):
            if (found.get("versioning") or {}).get("enabled"):
                return "object versioning is on"
            seconds = number_in((found.get("softDeletePolicy") or {}).get("retentionDurationSeconds") or 0)
            return f"soft delete is on, for {seconds / 86_400:g} days" if seconds else None

    def _put_marker(self, bucket: str, key: str, mark: dict[str, str], *, replace: bool) -> None:
        """objects.insert of nothing."""
        maker, known = GCSObjectMaker(self, bucket, f"gs://{bucket}/{key}"), NOTHING_KNOWN._replace(metadata=mark)
        maker.insert(key, known, [], replaces=None if replace else NOTHING)

    def known_of(self, location: Location, found: ObjectInfo) -> Known:
        """objects.get of all metadata, and of the bytes of a small object."""
        path, bucket, key = location
        described = self.look(bucket, key, generation=found.tag)
        kept = b""
        if 0 < found.size <= LARGEST_UPLOADED_AGAIN:
            kept = self.get_range(bucket, key, 0, found.size, found.tag)
        with reading_answer(path):
            info = info_of(described)
            crc = crc32c_from_header(info.checksum) if info.checksum else None
            properties = {name: described[name] for name in _KEPT_PROPERTIES if described.get(name)}
            metadata = dict(described.get("metadata") or {})
        return Known(kept, crc, metadata, properties)

    def new_upload(self, opening: Opening, known: Known) -> ObjectUpload:
        """See ObjectStore."""
        return GCSObjectUpload(self, opening, known)

    def error_from_answer(self, what: str, status: int, code: str, said: str, path: str) -> RecordFSError:
        """See ObjectStore."""
        return error_from_answer(status, said or code, path)

    def range_options(self, start: int, end: int, tag: str) -> GetOptions:
        """A range of this generation."""
        return {"range": (start, end), "version": tag}

    def is_version(self, found: GetResult, tag: str) -> bool:
        """By the generation."""
        return found.meta["version"] in (None, tag)

    def copy(
        self, source_bucket: str, source: ObjectInfo, target_bucket: str, target_key: str, *, overwrite: bool
    ) -> None:
        """objects.rewrite until all of it is there: any size, and one atomic step for who looks at the target."""
        path = f"gs://{target_bucket}/{target_key}"
        names = (source_bucket, "o", source.key, "rewriteTo", "b", target_bucket, "o", target_key)
        query = {
            "ifSourceGenerationMatch": source.tag,
            "ifGenerationMatch": None if overwrite else "0",
            "destinationKmsKeyName": self.clients.settings.kms_key_name,
        }
        attempts = 0

        def rewrite() -> Any:
            nonlocal attempts
            attempts += 1
            with self.send("POST", *names, query=query) as answer:
                return answer.json()

        copied, idle, made = 0, 0, None
        try:
            while made is None:
                attempts = 0
                step = self.call(path, rewrite)
                with reading_answer(path):
                    now = number_in(step["totalBytesRewritten"])
                    if step["done"]:
                        made = info_of(step["resource"])
                    else:
                        query["rewriteToken"] = text_in(step["rewriteToken"])
                idle = 0 if now > copied else idle + 1
                copied = max(now, copied)
                if idle > MOST_IDLE_REWRITES:
                    raise UnknownError(f"the copy does not go on after {copied} of {source.size} bytes", path=path)
        except AbortedError as error:
            found = None if overwrite else self.head_or_none(target_bucket, target_key)
            if found is None:
                raise
            # An attempt whose answer was lost may have made it. Of two that copy the same, both may say that they did.
            if attempts == 1 or not found.has_bytes_of(source):
                raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=path) from error
            return
        if not made.has_bytes_of(source):
            # Taken for a copy, the source of a rename would be deleted after it.
            raise UnknownError(
                f"the store has copied {source.size} bytes of gs://{source_bucket}/{source.key}, and made an object of "
                f"{made.size} bytes, or of other ones",
                path=path,
            )
