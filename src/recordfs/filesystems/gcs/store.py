"""Google Cloud Storage's requests for the filesystem over it: look, list, delete, copy."""

from __future__ import annotations

import random
import time
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DeadlineExceededError,
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems._object_store.broken_answers import whole_range
from recordfs.filesystems._object_store.checksums import crc32c_from_header
from recordfs.filesystems._object_store.commits import WRITER_METADATA
from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage
from recordfs.filesystems._object_store.opening import Known
from recordfs.filesystems._object_store.store import ObjectStore
from recordfs.filesystems.gcs.errors import SDK_ERRORS, error_from_answer, error_from_sdk
from recordfs.filesystems.gcs.object_upload import LARGEST_UPLOADED_AGAIN, PART_SIZE, GCSObjectUpload
from recordfs.redaction import redacted_cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud.storage import Blob, Bucket
    from obstore import GetOptions

    from recordfs.filesystems._object_store.opening import Location, Opening
    from recordfs.filesystems._object_store.upload import ObjectUpload
    from recordfs.filesystems.gcs.client import Clients

__all__ = ["GCSStore"]

LONGEST_TRYING = 60.0
"""Seconds after which no further attempt begins."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0
"""Seconds between attempts: doubled each time, and shortened at random so that clients spread."""

LIMITED, FIRST_PAUSE_LIMITED = 429, 2.0
"""The status of a rate limit, and the first pause after it: one object can be written about once a second."""

NO_GCS_SERVER = "it is not that of Google Cloud Storage; is the endpoint right?"

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

_LISTED = "items(name,size,updated,timeCreated,generation),prefixes,nextPageToken"


class GCSStore(ObjectStore):
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

    def __init__(self, clients: Clients) -> None:
        settings = clients.settings
        super().__init__("gs", max_attempts=settings.max_attempts)
        self.clients = clients
        self._timeout = (settings.connect_timeout, settings.read_timeout)

    def call(self, path: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of the SDK that takes ``timeout`` and ``retry``, again where that may help.

        Every attempt may have happened although its answer was lost. A request that names the generation it replaces
        then comes back as AbortedError; whoever made it has to recognise its own object.

        Args:
            path: For errors.
            function: Called again for every attempt; a body that it sends must be rewound by it.
            args: Its arguments.
            kwargs: As above; ``timeout`` and ``retry`` are added.

        Returns:
            What it returns.

        Raises:
            RecordFSError: Of the last attempt.
        """
        begun = time.monotonic()
        for attempt in range(1, self.max_attempts + 1):
            try:
                return function(*args, timeout=self._timeout, retry=None, **kwargs)
            except SDK_ERRORS as error:
                mapped = error_from_sdk(error, path)
                pause = _pause_after(attempt, error)
                if (
                    not isinstance(mapped, UnavailableError | DeadlineExceededError)
                    or attempt == self.max_attempts
                    or time.monotonic() + pause - begun > LONGEST_TRYING
                ):
                    raise mapped from redacted_cause(error)
            except (AttributeError, KeyError, TypeError) as error:  # the SDK does not look what it was answered
                raise UnknownError(
                    f"the answer could not be read: {NO_GCS_SERVER} ({error!r})", path=path
                ) from redacted_cause(error)
            time.sleep(pause)
        raise AssertionError("the last attempt raises")

    def bucket(self, bucket: str) -> Bucket:
        """Return the SDK's bucket, without asking for it.

        Raises:
            InvalidArgumentError: It can be no bucket's name.
        """
        client = self.clients.storage
        try:
            return client.bucket(bucket, user_project=self.clients.settings.user_project)
        except ValueError as error:
            raise error_from_sdk(error, f"gs://{bucket}") from redacted_cause(error)

    def blob(self, bucket: str, key: str) -> Blob:
        """Return a fresh blob of the SDK for a request: with the key that encrypts new objects, and nothing cached."""
        return self.bucket(bucket).blob(key, kms_key_name=self.clients.settings.kms_key_name)

    def look(self, bucket: str, key: str, generation: int | None = None) -> Blob:
        """Return all that the store says of an object, or of one generation of it.

        Raises:
            NotFoundError: It is not there.
        """
        blob = self.bucket(bucket).blob(key, generation=generation)
        path = f"gs://{bucket}/{key}"
        self.call(path, blob.reload)
        if not isinstance(blob._properties, dict) or blob.generation is None:
            raise UnknownError(f"the answer names no generation: {NO_GCS_SERVER}", path=path)
        return blob

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """objects.get of the metadata."""
        return _info(self.look(bucket, key))

    def list_page(
        self, bucket: str, prefix: str, *, delimiter: str = "", page: str | None = None, limit: int = 1000
    ) -> ObjectPage:
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
        objects = [_listed_info(item) for item in found.get("items", ())]
        return ObjectPage(objects, sorted(found.get("prefixes", ())), found.get("nextPageToken"))

    def list_buckets(self) -> list[str]:
        """buckets.list, which needs a project."""
        if self.clients.project is None:
            raise FailedPreconditionError(
                "listing buckets needs a project: give the option project, or set GOOGLE_CLOUD_PROJECT", path="gs://"
            )

        def ask(**common: Any) -> list[str]:
            return [bucket.name for bucket in self.clients.storage.list_buckets(**common)]

        names: list[str] = self.call("gs://", ask)
        return names

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

    def kept_versions(self, bucket: str) -> str | None:
        """See ObjectStore."""
        found = self.bucket(bucket)
        self.call(f"gs://{bucket}", found.reload)
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

    def delete(self, bucket: str, key: str, tag: str | None = None) -> None:
        """objects.delete, on the condition that it is this generation."""
        condition = {} if tag is None else {"if_generation_match": int(tag)}
        try:
            self.call(f"gs://{bucket}/{key}", self.bucket(bucket).blob(key).delete, **condition)
        except NotFoundError:
            # It is gone, as was asked for; only a missing bucket is an error, and listing tells which it was.
            self.list_page(bucket, key, limit=1)

    def get_range(self, bucket: str, key: str, start: int, end: int, tag: str) -> bytes:
        """objects.get of a range of the content, as it is stored."""
        blob, path = self.bucket(bucket).blob(key, generation=int(tag)), f"gs://{bucket}/{key}"

        def download(**common: Any) -> bytes:
            content: bytes = blob.download_as_bytes(
                start=start, end=end - 1, raw_download=True, checksum=None, **common
            )
            self.clients.counter.add("objects.get", received=len(content))
            # A generation does not change, so where these are not all of the bytes, asking again helps.
            return whole_range(content, start, end, path)

        content: bytes = self.call(path, download)
        return content

    def known_of(self, location: Location, found: ObjectInfo) -> Known:
        """objects.get of all metadata, and of the bytes of a small object."""
        kept = b""
        try:
            blob = self.look(location.bucket, location.key, int(found.tag))
            if 0 < found.size <= LARGEST_UPLOADED_AGAIN:
                kept = self.get_range(location.bucket, location.key, 0, found.size, found.tag)
        except NotFoundError as error:
            raise AbortedError("the object changed while it was opened", path=location.path) from error
        crc = None if blob.crc32c is None else crc32c_from_header(blob.crc32c)
        properties = {name: blob._properties[name] for name in _KEPT_PROPERTIES if blob._properties.get(name)}
        return Known(kept, crc, dict(blob.metadata or {}), properties)

    def new_upload(self, opening: Opening, known: Known) -> ObjectUpload:
        """See ObjectStore."""
        return GCSObjectUpload(self, opening, known)

    def error_from_answer(self, what: str, status: int, code: str, said: str, path: str) -> RecordFSError:
        """See ObjectStore."""
        return error_from_answer(status, said or code, path)

    def range_options(self, start: int, end: int, tag: str) -> GetOptions:
        """A range of this generation."""
        return {"range": (start, end), "version": tag}

    def copy(
        self, source_bucket: str, source: ObjectInfo, target_bucket: str, target_key: str, *, overwrite: bool
    ) -> None:
        """objects.rewrite until all of it is there: any size, and one atomic step for who looks at the target."""
        path = f"gs://{target_bucket}/{target_key}"
        origin = self.bucket(source_bucket).blob(source.key)
        target = self.blob(target_bucket, target_key)
        conditions = {} if overwrite else {"if_generation_match": 0}
        token = None
        try:
            while True:
                token, _, _ = self.call(
                    path,
                    target.rewrite,
                    origin,
                    token=token,
                    if_source_generation_match=int(source.tag),
                    **conditions,
                )
                if token is None:
                    return
        except AbortedError as error:
            if not overwrite and self.exists(target_bucket, target_key):
                raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=path) from error
            raise


def _pause_after(attempt: int, error: Exception) -> float:
    """Return the seconds to wait after an attempt, the first of which is 1: what the store asks for, or longer."""
    response = getattr(error, "response", None)
    limited = getattr(response, "status_code", None) == LIMITED
    longest: float = min(LONGEST_PAUSE, (FIRST_PAUSE_LIMITED if limited else FIRST_PAUSE) * 2 ** (attempt - 1))
    pause = longest * random.uniform(0.5, 1)  # noqa: S311 - to spread clients, not to keep secrets
    asked = "" if response is None else response.headers.get("Retry-After", "")
    return max(pause, float(asked)) if asked.isdecimal() else pause


def _info(blob: Blob) -> ObjectInfo:
    """Describe an object by what the SDK has of it."""
    moment = blob.updated or blob.time_created
    return ObjectInfo(
        str(blob.name),
        int(blob.size or 0),
        _nanoseconds(moment) if moment else 0,
        str(blob.generation),
        {name.lower(): value for name, value in (blob.metadata or {}).items()},
        blob.crc32c or "",
    )


def _listed_info(item: dict[str, str]) -> ObjectInfo:
    """Describe an object by its resource in a listing."""
    moment = item.get("updated") or item.get("timeCreated")
    return ObjectInfo(
        item["name"],
        int(item.get("size", 0)),
        _nanoseconds(datetime.fromisoformat(moment)) if moment else 0,
        str(item["generation"]),
        {},
    )


def _nanoseconds(moment: datetime) -> int:
    """Return a time of the SDK, which has microseconds, as nanoseconds since 1970-01-01 UTC."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
