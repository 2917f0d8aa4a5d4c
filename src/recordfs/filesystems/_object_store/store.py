"""What a store of flat keys has to be able to do for the filesystem over it: the smallest set of requests."""

from __future__ import annotations

import abc
import uuid
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnknownError,
)
from recordfs.filesystems._http_statuses import error_class_of_status
from recordfs.filesystems._object_store.commits import WRITER_METADATA
from recordfs.filesystems._object_store.features import Features
from recordfs.filesystems._object_store.notices import Notices
from recordfs.filesystems._object_store.parallel import for_each_in_parallel

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from obstore import GetOptions, GetResult

    from recordfs.filesystems._object_store.block_stream import ByteStream
    from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage, UnfinishedUpload
    from recordfs.filesystems._object_store.opening import Known, Location, Opening
    from recordfs.filesystems._object_store.upload import ObjectUpload

__all__ = ["DELETED", "DeletionAnswer", "ObjectStore"]


class DeletionAnswer(NamedTuple):
    """How a request to delete an object was answered.

    Attributes:
        status: The HTTP status.
        is_empty: Whether nothing came with it.
    """

    status: int
    is_empty: bool


DELETED = DeletionAnswer(204, is_empty=True)
"""The answer of both services (their references of DeleteObject and "Objects: delete")."""


class ObjectStore(abc.ABC):
    """The requests of one store. Every method may be called from several threads, and maps its SDK's errors.

    A missing bucket is NotFoundError everywhere; so is a missing key where one is needed.

    Args:
        scheme: Of the paths to its objects.
        max_attempts: How often a request is sent at most whose answer breaks off.

    Attributes:
        scheme: As above.
        max_attempts: As above.
        notices: What has been said about the buckets.
    """

    write_only_advice: ClassVar[str] = ""
    """What more may be refused to a writer whose credentials cannot look at its object, and the right to grant."""

    max_delete: int = 1000
    """How many keys ``delete_many`` takes."""

    deletes_in_bulk: bool = True
    """Whether ``delete_many`` is one request, so that several may be on their way; else it is parallel by itself."""

    described_by_obstore: str | None = None
    """What obstore's look at an object is counted as; None where it does not show all that ``head`` does."""

    streams_as: str | None = None
    """What a request by ``open_range`` is counted as; None where there is no such thing."""

    obstore_has_own_api: bool = False
    """Whether obstore reads by another API than the SDK, one that some servers do not have."""

    tags_never_return: bool = False
    """Whether an object that was changed never has an earlier tag again, even with the very same bytes."""

    def __init__(self, scheme: str, *, max_attempts: int = 4) -> None:
        self.scheme = scheme
        self.max_attempts = max_attempts
        self.notices = Notices()
        self._features: dict[str, Any] = {}
        # The services answer so; servers that answer otherwise, and have deleted, are learned.
        self._answers_of_deletions = {DELETED}

    def features(self, bucket: str) -> Features:
        """Return what is known of a bucket's store; one object for each, which learns."""
        found: Features | None = self._features.get(bucket)
        return found or self._features.setdefault(bucket, self._new_features(bucket))

    def _new_features(self, bucket: str) -> Features:
        """Return what is known of a bucket's store before anything is asked of it."""
        return Features()

    @abc.abstractmethod
    def head(self, bucket: str, key: str) -> ObjectInfo:
        """Describe one object.

        Raises:
            NotFoundError: There is no such object.
        """

    def exists(self, bucket: str, key: str) -> bool:
        """Tell whether there is such an object."""
        return self.head_or_none(bucket, key) is not None

    def head_or_none(self, bucket: str, key: str) -> ObjectInfo | None:
        """Describe one object, or return None where there is no such one."""
        try:
            return self.head(bucket, key)
        except NotFoundError:
            return None

    def list_page(
        self, bucket: str, prefix: str, *, delimiter: str = "", page: str | None = None, limit: int = 1000
    ) -> ObjectPage:
        """List one page of at most ``limit`` objects and prefixes together; it may be empty though others follow.

        Raises:
            UnknownError: A name is on it that was not asked for. It would be taken for another, or deleted.
        """
        found = self._list_page(bucket, prefix, delimiter=delimiter, page=page, limit=limit)
        stranger = found.stranger(prefix, delimiter)
        if stranger is not None:
            raise UnknownError(
                f"the listing of {prefix!r} in bucket {bucket} has {stranger!r} on it, which does not belong there. "
                "Does the server, or a cache in front of it, look at the query?",
                path=f"{self.scheme}://{bucket}/{prefix}",
            )
        return found

    @abc.abstractmethod
    def _list_page(self, bucket: str, prefix: str, *, delimiter: str, page: str | None, limit: int) -> ObjectPage:
        """Ask for a page; see list_page, which looks at what comes."""

    def lists_in_order(self, bucket: str) -> bool:
        """Tell whether pages and what is on them come in the order of the keys' bytes."""
        return True

    def listable(self, bucket: str, prefix: str) -> str:
        """Return the longest beginning of a prefix by which the keys of a bucket can be listed."""
        return prefix

    @abc.abstractmethod
    def list_buckets(self) -> list[str]:
        """Return the names of the buckets that the credentials own."""

    @abc.abstractmethod
    def bucket_exists(self, bucket: str) -> bool:
        """Tell whether there is such a bucket and it may be listed."""

    def put_marker(self, bucket: str, key: str, *, replace: bool = False) -> None:
        """Make an empty object that stands for a directory.

        Args:
            bucket: The bucket's name.
            key: The key, with its slash.
            replace: Put it without the condition that nothing is there.

        Raises:
            AlreadyExistsError: The key exists.
        """
        mark = {WRITER_METADATA: uuid.uuid4().hex}
        try:
            self._put_marker(bucket, key, mark, replace=replace)
        except AbortedError as error:
            # Perhaps an attempt of this very call made it, and its answer was lost.
            if not self._is_marked(bucket, key, mark):
                raise AlreadyExistsError("the directory exists", path=error.path) from error

    @abc.abstractmethod
    def _put_marker(self, bucket: str, key: str, mark: dict[str, str], *, replace: bool) -> None:
        """Make an empty object with these metadata; raise AbortedError where one may not be replaced."""

    def _is_marked(self, bucket: str, key: str, mark: dict[str, str]) -> bool:
        try:
            return mark.items() <= self.head(bucket, key).metadata.items()
        except (NotFoundError, PermissionDeniedError):  # deleted meanwhile; or these credentials can only write
            return False

    def delete(self, bucket: str, key: str, tag: str | None = None) -> None:
        """Delete one object; a missing one is not an error.

        Args:
            bucket: The bucket's name.
            key: The key.
            tag: Delete this version only, as far as the store can promise that.

        Raises:
            AbortedError: The object is another version by now.
            UnknownError: The answer was not that of a deletion, and the object is still there.
        """
        try:
            told = self._delete(bucket, key, tag)
        except NotFoundError:
            # It is gone, as was asked for; only a missing bucket is an error, and listing tells which it was.
            self.list_page(bucket, key, limit=1)
            return
        except AbortedError:
            if self.exists(bucket, key):
                raise
            return  # an attempt whose answer was lost has deleted it
        if told in self._answers_of_deletions:
            return
        # A page that a proxy answers with, or nothing, is not taken for a deletion.
        if self.exists(bucket, key):
            raise UnknownError(
                f"the object is still there after it was deleted, which was answered with {told.status}: is that the "
                "store, and is the endpoint right?",
                path=f"{self.scheme}://{bucket}/{key}",
            )
        if told.is_empty:
            self._answers_of_deletions.add(told)

    @abc.abstractmethod
    def _delete(self, bucket: str, key: str, tag: str | None) -> DeletionAnswer:
        """Ask for a deletion; see delete, which looks at what comes."""

    def delete_many(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, RecordFSError]]:
        """Delete up to ``max_delete`` objects and return all those that could not be, and why.

        Here by a request for each, in parallel.
        """
        failed: list[tuple[str, RecordFSError]] = []

        def delete(key: str) -> None:
            try:
                self.delete(bucket, key)
            except RecordFSError as error:
                failed.append((key, error))

        for_each_in_parallel(delete, keys)
        return failed

    @abc.abstractmethod
    def copy(
        self, source_bucket: str, source: ObjectInfo, target_bucket: str, target_key: str, *, overwrite: bool
    ) -> None:
        """Copy one object on the server, of any size, exactly the version that ``source`` describes.

        Raises:
            AlreadyExistsError: ``overwrite`` is False and the target exists.
            AbortedError: The source is another version by now.
        """

    def is_without_conditions(self, bucket: str) -> bool:
        """Tell whether a bucket is known already not to keep conditions on writes; asks nothing."""
        return False

    def check_exclusive(self, location: Location) -> None:
        """Raise UnimplementedError if the store cannot make one of several writers the only one."""

    def say_write_only(self, location: Location) -> None:
        """Say once a bucket what follows from writing with credentials that cannot look at the object."""
        self.notices.once(
            location.bucket,
            "write-only",
            f"{location.path} could not be looked at with these credentials: the first commit replaces whatever is "
            f"there, and a lost answer cannot be told from a failure. {self.write_only_advice}",
        )

    def unfinished_uploads(self, bucket: str, prefix: str) -> list[UnfinishedUpload]:
        """Return uploads of parts to keys with a prefix; none where the store has no such thing, or forgets them."""
        return []

    def has_grown(self, bucket: str, upload: UnfinishedUpload, since: dt.datetime) -> bool:
        """Tell whether an upload got a part since then: a long write goes to one and the same upload for days."""
        raise NotImplementedError

    def abort_unfinished_upload(self, bucket: str, upload: UnfinishedUpload) -> None:
        """Remove an upload and its parts."""
        raise NotImplementedError

    def kept_versions(self, bucket: str) -> str | None:
        """Return how a bucket keeps what is replaced or deleted in it, in words, or None if it does not."""
        return None

    @abc.abstractmethod
    def known_of(self, location: Location, found: ObjectInfo) -> Known:
        """Return what a writer has to know of an object that it appends to.

        Raises:
            AbortedError: The object is another version by now.
            NotFoundError: This version of it is gone.
        """

    @abc.abstractmethod
    def new_upload(self, opening: Opening, known: Known) -> ObjectUpload:
        """Return what stages and publishes the bytes of one writer."""

    @abc.abstractmethod
    def get_range(self, bucket: str, key: str, start: int, end: int, tag: str) -> bytes:
        """Return the bytes from ``start`` to ``end`` of the version that ``tag`` names, through the SDK.

        Raises:
            AbortedError: The object is another version by now.
            UnavailableError: Each of ``max_attempts`` answers had fewer bytes, or other ones, than were asked for.
        """

    def open_range(self, bucket: str, key: str, start: int, end: int, tag: str) -> ByteStream:
        """Return the same bytes as they come, without asking again where the answer breaks off.

        Asked for where ``streams_as`` is set.

        Raises:
            AbortedError: The object is another version by now.
        """
        raise NotImplementedError

    def error_from_answer(self, what: str, status: int, code: str, said: str, path: str) -> RecordFSError:
        """Return the error for an answer that obstore got: the request's name, HTTP status, error code and message."""
        cls = error_class_of_status(status)
        return cls(f"{what} was answered with {status} {code}: {said}".rstrip(": "), path=path)

    @abc.abstractmethod
    def range_options(self, start: int, end: int, tag: str) -> GetOptions:
        """Return obstore's options that ask for the same."""

    def is_version(self, found: GetResult, tag: str) -> bool:
        """Tell whether obstore's answer is of the version that was asked for, as far as it says."""
        return True

    def info_from_obstore(self, key: str, found: GetResult) -> ObjectInfo | None:
        """Return what obstore saw of an object, as ``head`` would, or None where something was missing in the answer.

        Asked for where ``described_by_obstore`` is set.
        """
        raise NotImplementedError
