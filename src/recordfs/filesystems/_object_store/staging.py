"""An atomic write of more parts than one upload takes: full uploads become temporary objects, copied in at the end.

The upload to the object itself takes the first parts. What follows goes to one temporary object after another, each
copied on the server into part numbers that were left free, and deleted then. Nothing is visible under the object's
name before the last step, which completes the upload to it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Generic, TypeVar

from recordfs.errors import RecordFSError
from recordfs.filesystems._object_store.opening import Location
from recordfs.filesystems._object_store.parts import CopySource, UploadGoneError, UploadInParts
from recordfs.filesystems._object_store.temporary import temporary_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["Staging"]

COPIES_OF_ONE = 20
"""Part numbers that one temporary object takes: on S3, 9,000 parts of up to 11 GiB fit into copies of 5 GiB."""

Target = TypeVar("Target", bound=UploadInParts)


class Staging(Generic[Target]):
    """A temporary object that comes after an upload.

    Args:
        store: The requests.
        target: The object that is written.
        main: The upload to it.
        begin: Begins an upload to another object.

    Attributes:
        upload: Takes the parts for now.
    """

    def __init__(self, store: ObjectStore, target: Location, main: Target, begin: Callable[[Location], Target]) -> None:
        self.main = main
        self._store = store
        self._bucket = target.bucket
        self._key = temporary_key(target.key, uuid.uuid4().hex)
        self._path = target.path.removesuffix(target.key) + self._key
        self._completed: str | None = None
        self._first = main.next_number  # nothing else goes there before this has been copied
        self.upload = begin(Location(self._path, self._bucket, self._key))

    @staticmethod
    def has_room(main: UploadInParts) -> bool:
        """Tell whether two more temporary objects fit after an upload (one may be under way), and a last part."""
        return main.next_number + 2 * COPIES_OF_ONE < main.limits.most

    def absorb(self) -> None:
        """Copy what was staged after the main upload.

        Raises:
            RecordFSError: Nothing of it is in the main upload; it can be tried again.
        """
        size = self.upload.size
        if size:
            if self._completed is None:
                self._completed = self._complete(size)
            if self.main.next_number == self._first:
                self.main.copy(CopySource(self._bucket, self._key, self._completed, size), most=COPIES_OF_ONE)
            self._remove()
        else:
            self.upload.abort()

    def _complete(self, size: int) -> str:
        try:
            return self.upload.complete(self.upload.parts, size=size)
        except UploadGoneError:
            # An answer was lost: nobody else knows this name, so what is there was completed from these parts.
            return self._store.head(self._bucket, self._key).tag

    def _remove(self) -> None:
        """Delete the temporary object; if that fails it is an orphan, and not what the writer's user asked about."""
        try:
            self._store.delete(self._bucket, self._key)
        except RecordFSError as error:
            self._store.notices.once(
                self._bucket, "staged", f"the temporary object {self._path} could not be deleted: {error}"
            )

    def discard(self) -> None:
        """Remove what was staged."""
        if self._completed is None:
            self.upload.abort()
        else:
            self._store.delete(self._bucket, self._key)
