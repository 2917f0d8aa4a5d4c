"""Writing an object that grows: the part that is the same on every store.

Bytes go through three places: the *filling* buffer, parts *in flight* to the store, and the *committed* object that
everybody sees. ``flush`` commits. A byte leaves memory only when a commit that covers it succeeded, or when the store
acknowledged a part that holds it.

A commit whose answer is lost may or may not have happened. Each one therefore carries a token (this writer's id and a
sequence number) in the object's metadata; when the outcome is unknown, the next step looks at the object and compares.
"""

from __future__ import annotations

import abc
import os
import uuid
from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import crc32c
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    ClosedFileError,
    DataLossError,
    FailedPreconditionError,
    NotFoundError,
    RecordFSError,
)
from recordfs.filesystem import WritableFile
from recordfs.filesystem.files import byte_view
from recordfs.filesystem.unclosed_writers import forget, keep_until_closed

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from recordfs.filesystems._object_store.store import ObjectInfo

__all__ = ["SEQUENCE_METADATA", "WRITER_METADATA", "Attempt", "ObjectWriter"]

WRITER_METADATA = "recordfs-writer"
SEQUENCE_METADATA = "recordfs-sequence"


class Attempt(NamedTuple):
    """A commit that has been sent and whose outcome is not known yet.

    Attributes:
        sequence: Its number.
        total: The object's size if it happened.
    """

    sequence: int
    total: int


class ObjectWriter(WritableFile):
    """A writer of one object. See WritableFile for the contract.

    Args:
        name: The full path.
        found: The object as it was at open, or None; the first commit is conditional on that.
        append: Go on behind what is there instead of replacing it.
        crc: The CRC-32C of what is there when appending, or None if unknown.
        exclusive: Finding the object made by somebody else is AlreadyExistsError.
        atomic: Only ``close`` publishes.
        conditional: Whether commits may name the state that they replace.
        part_size: Bytes a part has.
    """

    def __init__(
        self,
        name: str,
        found: ObjectInfo | None,
        *,
        append: bool,
        crc: int | None,
        exclusive: bool,
        atomic: bool,
        conditional: bool,
        part_size: int,
    ) -> None:
        self.atomic = atomic
        self._name = name
        self._process = os.getpid()
        self._closed = False
        self._exclusive = exclusive
        self._conditional = conditional
        self._part_size = part_size
        # The object as this writer last knew it: what the next commit is conditional on.
        self._tag = None if found is None else found.tag
        self._committed = found.size if append and found is not None else 0
        self._published = append and found is not None
        self._crc = crc if append and found is not None else 0
        self._total = self._committed
        self._filling = bytearray()
        # Bytes of an attempt whose outcome is unknown, kept apart from what came later.
        self._attempted = bytearray()
        self._attempt: Attempt | None = None
        # Appending keeps the id that it finds: to a reader it is the same object growing.
        known = found.metadata if append and found is not None else {}
        self._writer_id = known.get(WRITER_METADATA) or uuid.uuid4().hex
        sequence = known.get(SEQUENCE_METADATA, "")
        self._sequence = int(sequence) if sequence.isdecimal() and len(sequence) < 20 else 0
        # Why the last part could not be handed on; the next call tries again before it takes anything.
        self._stuck: RecordFSError | None = None
        self._lost: RecordFSError | None = None
        keep_until_closed(self)

    # What a store writes.

    @abc.abstractmethod
    def _send_part(self, body: bytearray) -> None:
        """Take over the bytes of a part and hand them to the store, waiting while too many are in flight.

        It owns the bytes from the first moment: if it raises, ``_send_again`` will try them again.
        """

    @abc.abstractmethod
    def _send_again(self) -> None:
        """Try again what could not be delivered; raise if it still cannot."""

    @abc.abstractmethod
    def _is_full(self) -> bool:
        """Tell whether what is staged has to be committed before more can be taken."""

    @abc.abstractmethod
    def _commit(self, *, overwrite: bool) -> str:
        """Publish everything taken so far and return the object's new tag.

        What is in ``_attempted`` is the tail to send; ``_token()`` goes into the metadata.

        Args:
            overwrite: Whatever is there by now may be replaced.
        """

    @abc.abstractmethod
    def _look(self) -> ObjectInfo:
        """Return the object as it is now, with metadata; NotFoundError if there is none."""

    @abc.abstractmethod
    def _committed_now(self) -> None:
        """Called after a commit has happened: forget parts and uploads that it consumed."""

    @abc.abstractmethod
    def _abandon(self) -> None:
        """Remove what was staged and not committed. Called by ``discard``."""

    def _unpublished(self) -> dict[str, object]:
        """Return attributes for the error of the writer that lost."""
        return {"unpublished_bytes": self._total - self._committed}

    # The contract.

    @property
    def name(self) -> str:
        """The full path."""
        return self._name

    def tell(self) -> int:
        """Return the object's size with everything taken so far."""
        self._check_open()
        return self._total

    def append(self, data: Buffer) -> None:
        """Take all of ``data``; see WritableFile.

        A part that cannot be delivered is raised by the next call, which sends it again first. So a call that raises
        has taken nothing; during an outage one call's bytes may be held beyond the usual bound.
        """
        self._check_usable()
        self._deliver()
        if self._is_full():
            self._publish(overwrite=False)
        with byte_view(data) as view:
            size = len(view)
            crc = None if self._crc is None else crc32c(view, self._crc)
            position = 0
            while position < size:
                if len(self._filling) >= self._part_size:
                    self._stage()
                # What cannot be handed on stays; the next call will say so.
                room = size - position if self._stuck else self._part_size - len(self._filling)
                with view[position : position + room] as piece:
                    self._filling += piece
                position += room
            self._crc, self._total = crc, self._total + size

    def flush(self) -> None:
        """Publish everything taken so far; see WritableFile. Of an atomic file it only hands full parts on."""
        self._check_usable()
        self._deliver()
        if not self.atomic:
            self._publish(overwrite=False)

    def close(self) -> None:
        """Publish and let go. Idempotent. If it raises, the writer stays open and keeps its bytes."""
        if self._closed:
            return
        self._check_process()
        if self._lost is not None:
            # Everything it could do has been tried and said; what it holds goes with it now, as the error told.
            self._end()
            raise self._lost
        self._deliver()
        self._publish(overwrite=False)
        self._end()

    def discard(self) -> None:
        """Let go without publishing what was not flushed. Idempotent."""
        if self._closed:
            return
        self._check_process()
        try:
            self._abandon()
        finally:
            self._end()

    def publish(self, *, overwrite: bool = False) -> None:
        """Publish everything, and with ``overwrite`` even over what another writer has put there meanwhile.

        This is how a writer that lost against another gets its bytes out: it holds all that it has not published.
        """
        self._check_open()
        self._lost = None
        self._deliver()
        self._publish(overwrite=overwrite)

    # The bookkeeping.

    def _stage(self) -> None:
        """Hand the filling buffer on as a part; what goes wrong is kept for the next call."""
        try:
            if self._attempt is not None:
                self._settle_attempt()
            body = self._attempted + self._filling if self._attempted else self._filling
            self._attempted, self._filling = bytearray(), bytearray()
            self._send_part(body)
        except RecordFSError as error:
            self._stuck = error

    def _deliver(self) -> None:
        """Try again what could not be handed on, and raise if it still cannot; nothing is taken then."""
        if self._stuck is None:
            return
        try:
            self._send_again()
        except AbortedError as error:
            self._raise_if_lost(error)
            raise
        self._stuck = None
        if len(self._filling) >= self._part_size:
            self._stage()
            if self._stuck is not None:
                raise self._stuck

    def _publish(self, *, overwrite: bool) -> None:
        """Commit what is new, settling an attempt of unknown outcome first."""
        if self._attempt is not None and self._settle_attempt() and self._total == self._committed:
            return
        if self._total == self._committed and self._published and not overwrite:
            return
        if self._attempted:
            self._attempted += self._filling
        else:
            self._attempted = self._filling
        self._filling = bytearray()
        self._sequence += 1
        self._attempt = Attempt(self._sequence, self._total)
        try:
            tag = self._commit(overwrite=overwrite)
        except RecordFSError as error:
            if self._landed_after(error):
                return
            if isinstance(error, DataLossError):
                self._lost = error  # some of the bytes are nowhere any more; going on would hide it
            raise
        self._happened(tag)

    def _landed_after(self, error: RecordFSError) -> bool:
        """After a failed commit: tell whether it happened all the same; raise if somebody else's did."""
        try:
            if self._settle_attempt():
                return True
        except RecordFSError as unreachable:
            # Outcome unknown: bytes and attempt are kept, and the next call looks again.
            error.add_note(f"whether it happened could not be found out: {unreachable}")
            return False
        if isinstance(error, AbortedError | NotFoundError):
            self._raise_if_lost(error)
        return False

    def _settle_attempt(self) -> bool:
        """Look whether the last attempt happened, and take note of it.

        Returns:
            True if it did; False if it did not.
        """
        attempt = self._attempt
        if attempt is None:
            return False
        try:
            found = self._look()
        except NotFoundError:
            self._attempt = None
            return False
        if (
            found.metadata.get(WRITER_METADATA) == self._writer_id
            and found.metadata.get(SEQUENCE_METADATA) == str(attempt.sequence)
            and found.size == attempt.total
        ):
            self._happened(found.tag)
            return True
        self._attempt = None
        return False

    def _happened(self, tag: str) -> None:
        """Take note of a commit."""
        attempt = self._attempt
        assert attempt is not None
        self._tag, self._committed, self._published = tag, attempt.total, True
        self._committed_now()
        self._attempt, self._attempted = None, bytearray()

    def _raise_if_lost(self, error: RecordFSError) -> None:
        """Raise the loser's error if the object is no longer what this writer last knew."""
        try:
            now: str | None = self._look().tag
        except NotFoundError:
            now = None
        if now == self._tag:
            return
        kind = AlreadyExistsError if self._exclusive and self._tag is None else AbortedError
        lost = kind(
            f"another writer changed this object: expected {self._tag or 'no object'}, found {now or 'no object'}. "
            f"{self._total - self._committed} bytes of this writer are not published. They are kept until it is "
            "closed: publish(overwrite=True) puts them over the other's",
            path=self._name,
        )
        lost.__dict__.update(self._unpublished())
        self._lost = lost
        raise lost from error

    def _token(self) -> dict[str, str]:
        """Return the metadata that tells this attempt from every other."""
        return {WRITER_METADATA: self._writer_id, SEQUENCE_METADATA: str(self._sequence)}

    def _end(self) -> None:
        self._closed = True
        self._filling = self._attempted = bytearray()
        forget(self)

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise FailedPreconditionError(
                f"the writer belongs to process {self._process}, and this is process {os.getpid()}; "
                "open one in each process",
                path=self._name,
            )

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedFileError("the writer has been closed", path=self._name)
        self._check_process()

    def _check_usable(self) -> None:
        self._check_open()
        if self._lost is not None:
            raise self._lost
