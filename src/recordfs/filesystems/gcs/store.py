"""Google Cloud Storage's requests for the filesystem over it: look, list, delete, copy."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems._object_store.checksums import crc32c_from_header, crc32c_of
from recordfs.filesystems._object_store.commits import WRITER_METADATA
from recordfs.filesystems._object_store.listing import follow_pages
from recordfs.filesystems._object_store.opening import Known
from recordfs.filesystems.gcs.answers import NO_GCS_SERVER, info_of, page_of, page_of_buckets, reading_answer
from recordfs.filesystems.gcs.errors import error_from_answer
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
        """objects.list.

        The answer is taken as it came: making the SDK's objects of it takes ten times as long.
        """
        query = {"prefix": prefix, "maxResults": str(limit), "fields": _LISTED, "projection": "noAcl"}
        optional = {"delimiter": delimiter, "pageToken": page, "userProject": self.clients.settings.user_project}
        query.update((name, value) for name, value in optional.items() if value)
        path = f"gs://{bucket}/{prefix}".removesuffix("/")
        where = f"{self.bucket(bucket).path}/o"
        found = self.call(path, self.clients.storage._get_resource, where, query_params=query)
        if not isinstance(found, dict):
            raise UnknownError(f"the answer is not a listing: {NO_GCS_SERVER}", path=path)
        with reading_answer(path):
            return page_of(found)

    def list_buckets(self) -> list[str]:
        """buckets.list, which needs a project."""
        project = self.clients.project
        if project is None:
            raise FailedPreconditionError(
                "listing buckets needs a project: give the option project, or set GOOGLE_CLOUD_PROJECT", path="gs://"
            )

        def ask(page: str | None) -> ObjectPage:
            query = {"project": project, "projection": "noAcl", **({} if page is None else {"pageToken": page})}
            found = self.call("gs://", self.clients.storage._get_resource, "/b", query_params=query)
            with reading_answer("gs://"):
                return page_of_buckets(found)

        return [name for page in follow_pages(ask, "gs://", is_in_order=False) for name in page.prefixes]

    def bucket_exists(self, bucket: str) -> bool:
        """buckets.get; credentials for objects only may not look at the bucket, but may list it."""
        path = f"gs://{bucket}"
        try:
            return bool(self.call(path, self.bucket(bucket).exists))
        except PermissionDeniedError:
            try:
                self.list_page(bucket, "", limit=1)
            except NotFoundError:
                return False
            return True
        except NotFoundError:
            return False

    def kept_versions(self, bucket: str) -> str | None:
        """See ObjectStore."""
        path, found = f"gs://{bucket}", self.bucket(bucket)
        self.call(path, found.reload)
        with reading_answer(path):
            if found.versioning_enabled:
                return "object versioning is on"
            seconds = found.soft_delete_policy.retention_duration_seconds
            return f"soft delete is on, for {seconds / 86_400:g} days" if seconds else None

    def put_marker(self, bucket: str, key: str, *, replace: bool = False) -> None:
        """objects.insert of nothing."""
        path = f"gs://{bucket}/{key}"
        blob = self.blob(bucket, key)
        blob.metadata = {WRITER_METADATA: uuid.uuid4().hex}
        try:
            self.call(
                path,
                blob.upload_from_string,
                b"",
                content_type="application/octet-stream",
                if_generation_match=None if replace else 0,
            )
        except AbortedError as error:
            # Perhaps an attempt of this very call made it, and its answer was lost.
            if self.head(bucket, key).metadata != blob.metadata:
                raise AlreadyExistsError("the directory exists", path=path) from error

    def known_of(self, location: Location, found: ObjectInfo) -> Known:
        """objects.get of all metadata, and of the bytes of a small object."""
        path, bucket, key = location
        kept = b""
        try:
            described = self.look(bucket, key, found.tag)
            if 0 < found.size <= LARGEST_UPLOADED_AGAIN:
                kept = self.get_range(bucket, key, 0, found.size, found.tag)
        except NotFoundError as error:
            raise AbortedError("the object changed while it was opened", path=path) from error
        with reading_answer(path):
            info = info_of(described)
            crc = crc32c_from_header(info.checksum) if info.checksum else None
            properties = {name: described[name] for name in _KEPT_PROPERTIES if described.get(name)}
            metadata = dict(described.get("metadata") or {})
        if kept and crc is not None and crc32c_of(kept) != crc:
            # They would be uploaded again in front of the new ones, and stay so.
            raise UnavailableError("the bytes that are there arrived damaged; open the file again", path=path)
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
        origin, target = self.blob(source_bucket, source.key), self.blob(target_bucket, target_key)
        conditions = {} if overwrite else {"if_generation_match": 0}
        attempts = 0

        def rewrite(token: str | None, **common: Any) -> tuple[str | None, int, int]:
            nonlocal attempts
            attempts += 1
            step: tuple[str | None, int, int] = target.rewrite(
                origin, token=token, if_source_generation_match=int(source.tag), **conditions, **common
            )
            return step

        token, copied, idle = None, 0, 0
        try:
            while True:
                attempts = 0
                token, now, _ = self.call(path, rewrite, token)
                if token is None:
                    break
                idle = 0 if now > copied else idle + 1
                copied = max(now, copied)
                if idle > MOST_IDLE_REWRITES:
                    raise UnknownError(f"the copy does not go on after {copied} of {source.size} bytes", path=path)
        except AbortedError as error:
            if overwrite:
                raise
            found = self._head_or_none(target_bucket, target_key)
            # An attempt whose answer was lost may have made it. Of two that copy the same, both may say that they did.
            if found is not None and not (attempts > 1 and _is_copy(found, source)):
                raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=path) from error
            if found is None:
                raise
            return
        with reading_answer(path):
            made = info_of(target._properties)
        if not _is_copy(made, source):
            # Taken for a copy, the source of a rename would be deleted after it.
            raise UnknownError(
                f"the store has copied {source.size} bytes of gs://{source_bucket}/{source.key}, and made an object of "
                f"{made.size} bytes, or of other ones",
                path=path,
            )

    def _head_or_none(self, bucket: str, key: str) -> ObjectInfo | None:
        try:
            return self.head(bucket, key)
        except NotFoundError:
            return None


def _is_copy(found: ObjectInfo, source: ObjectInfo) -> bool:
    """Tell whether an object has the size of another, and its checksum where both are known: listings have none."""
    return found.size == source.size and (
        not found.checksum or not source.checksum or found.checksum == source.checksum
    )
