"""Writing an object that grows: the part that is the same on every store.

Bytes go through three places: the *filling* buffer, parts *in flight* to the store, and the *committed* object that
everybody sees. ``flush`` commits. A byte leaves memory only when a commit that covers it succeeded, or when the store
acknowledged a part that holds it.

A commit whose answer is lost may or may not have happened. Each one therefore carries a token (this writer's id and a
sequence number) in the object's metadata; when the outcome is unknown, the next step looks at the object and compares.

Any call may be torn by Ctrl-C, or by another error that is no RecordFSError. What belongs together is therefore changed
in lines without a call or a loop between them, where CPython runs no signal handler; everything else can be done again.
"""

from __future__ import annotations

import abc
import uuid
from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import crc32c
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DataLossError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnavailableError,
)
from recordfs.filesystem import WritableFile
from recordfs.filesystem.unclosed_writers import forget, keep_until_closed

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.store import ObjectInfo

__all__ = ["OPENING_METADATA", "SEQUENCE_METADATA", "WRITER_METADATA", "Attempt", "ObjectWriter"]

WRITER_METADATA = "recordfs-writer"
SEQUENCE_METADATA = "recordfs-sequence"
OPENING_METADATA = "recordfs-opening"

TAKEN_AT_ONCE = 1 << 18
"""Data up to this size are taken without talking to the store in between: an error then has taken nothing."""


MOST_DOUBTFUL = 8
"""Attempts that are remembered while it is not sure that they will not happen."""


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
        blind: The credentials could not look at the object at open, so ``found`` is None whatever is there.
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
        blind: bool = False,
    ) -> None:
        self._exclusive = exclusive
        self._conditional = conditional
        self._part_size = part_size
        self._blind = blind
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
        # Attempts that had not happened when it was looked, and may still: an interrupted request goes on at the store.
        self._doubtful: tuple[Attempt, ...] = ()
        # Appending keeps the id that it finds: to a reader it is the same object growing.
        known = found.metadata if append and found is not None else {}
        self._writer_id = known.get(WRITER_METADATA) or uuid.uuid4().hex
        # So two that append to one object have the same id and count from the same number: this tells them apart.
        self._opening = uuid.uuid4().hex
        sequence = known.get(SEQUENCE_METADATA, "")
        self._sequence = int(sequence) if sequence.isdecimal() and len(sequence) < 20 else 0
        # A part that the store's side of the writer has not taken over yet.
        self._handing: bytearray | None = None
        # Handing a part on failed or was interrupted; the next call goes on with it before it takes anything.
        self._stuck = False
        self._lost: RecordFSError | None = None
        super().__init__(name, atomic=atomic)
        keep_until_closed(self)

    # What a store writes.

    @abc.abstractmethod
    def _send_part(self, body: bytearray) -> None:
        """Take over the bytes of a part and hand them to the store, waiting while too many are in flight.

        It owns the bytes from the moment at which it sets ``_handing`` to None: if it raises behind that,
        ``_send_again`` will try them again; before it, this will be called again with them.
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
        """Called after a commit has happened: forget parts and uploads that it consumed.

        Being interrupted, it is called again for the same attempt.
        """

    @abc.abstractmethod
    def _abandon(self) -> None:
        """Remove what was staged and not committed. Called by ``discard``."""

    def _way_out(self) -> str:
        """Return what the writer that lost can do with its bytes."""
        return "They are kept until it is closed: publish(overwrite=True) puts them over the other's"

    def _unpublished(self) -> dict[str, object]:
        """Return attributes for the error of the writer that lost."""
        return {"unpublished_bytes": self._total - self._committed}

    # The contract.

    def _tell(self) -> int:
        return self._total

    def _append(self, data: memoryview) -> None:
        """Take all of the data.

        Parts are handed on before anything is taken, so a call that raises has taken nothing. Data of more than 256 KiB
        are taken piece by piece; if one of their parts cannot be delivered, the rest is held in memory, beyond the
        usual bound, and the next call says so. An interrupt there is raised when all of the data have been taken, as
        ``tell`` shows.
        """
        self._deliver()
        while len(self._filling) >= self._part_size:
            self._stage()
        if self._is_full():
            self._publish(overwrite=False)
        if len(data) <= TAKEN_AT_ONCE:
            self._take(data)
        else:
            self._take_in_pieces(data)

    def _flush(self) -> None:
        self._deliver()
        if not self.atomic:
            self._publish(overwrite=False)

    def _close(self) -> None:
        if self._lost is not None:
            # Everything it could do has been tried and said; what it holds goes with it now, as the error told.
            self._end()
            raise self._lost
        self._deliver()
        self._publish(overwrite=False)

    def _discard(self) -> None:
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

    def _take(self, piece: memoryview) -> None:
        """Put bytes into the filling buffer, and count them, all at once."""
        size = len(piece)
        crc = None if self._crc is None else crc32c(piece, self._crc)
        self._filling += piece
        self._crc = crc
        self._total += size

    def _take_in_pieces(self, view: memoryview) -> None:
        """Take data that fill parts, handing these on in between."""
        before = self._total
        try:
            while (taken := self._total - before) < len(view):
                if len(self._filling) >= self._part_size and not self._stuck:
                    try:
                        self._stage()
                    except RecordFSError:
                        self._stuck = True  # the next call tries again, and says it
                room = len(view) if self._stuck else self._part_size - len(self._filling)
                with view[taken : taken + room] as piece:
                    self._take(piece)
        except BaseException:
            if self._total > before:
                # An interrupt: all of the data or nothing of them.
                with view[self._total - before :] as rest:
                    self._take(rest)
            raise

    def _stage(self) -> None:
        """Hand a part on: the first bytes of the filling buffer, behind those of an attempt that did not happen."""
        if self._attempt is not None:
            self._settle_attempt()
        size = self._part_size
        part = self._attempted + self._filling if self._attempted else self._filling
        rest, nothing = part[size:], bytearray()
        del part[size:]
        self._filling = rest
        self._attempted = nothing
        self._handing = part
        self._stuck = True
        self._hand_on()

    def _deliver(self) -> None:
        """Go on with what could not be handed on, and raise if it still cannot; nothing is taken then."""
        if not self._stuck:
            return
        if self._attempt is not None:
            self._settle_attempt()
        self._hand_on()

    def _hand_on(self) -> None:
        """Hand on the part that was cut off, or what was handed on before and failed."""
        try:
            if self._handing is not None:
                self._send_part(self._handing)
            else:
                self._send_again()
        except RecordFSError as error:
            self._handing = None
            if isinstance(error, AbortedError | NotFoundError):
                self._raise_if_lost(error)
            raise
        self._handing = None
        self._stuck = False

    def _publish(self, *, overwrite: bool) -> None:
        """Commit what is new, settling an attempt of unknown outcome first."""
        if self._attempt is not None and self._settle_attempt() and self._total == self._committed:
            return
        if self._total == self._committed and self._published and not overwrite:
            return
        nothing = bytearray()
        if self._attempted:
            self._attempted += self._filling
        else:
            self._attempted = self._filling
        self._filling = nothing
        self._sequence += 1
        self._attempt = Attempt(self._sequence, self._total)
        try:
            tag = self._commit(overwrite=overwrite)
        except RecordFSError as error:
            if self._landed_after(error):
                if self._total != self._committed:
                    self._publish(overwrite=overwrite)  # it was an earlier attempt; the rest follows
                return
            if isinstance(error, DataLossError):
                self._lost = error  # some of the bytes are nowhere any more; going on would hide it
            raise
        self._happened(tag)

    def _landed_after(self, error: RecordFSError) -> bool:
        """After a failed commit: tell whether it happened all the same; raise if somebody else's did."""
        try:
            if self._has_landed():
                return True
        except RecordFSError as unreachable:
            # Outcome unknown: bytes and attempt are kept, and the next call looks again.
            if isinstance(error, AbortedError | NotFoundError):
                raise unreachable from error  # it may only mean that the first of several tries had succeeded
            error.add_note(f"whether it happened could not be found out: {unreachable}")
            return False
        if not self._is_undecided():
            self._doubt()
        if isinstance(error, AbortedError | NotFoundError):
            self._raise_if_lost(error)
        return False

    def _settle_attempt(self) -> bool:
        """Find out what became of the last attempt, and take note of it.

        Returns:
            True if it happened, or if an earlier one did after all; False if none has.
        """
        if self._has_landed():
            return True
        if self._attempt is not None and self._is_undecided() and (self._resume() or self._has_landed()):
            return True
        self._doubt()
        return False

    def _is_undecided(self) -> bool:
        """Tell whether the last attempt has to be sent again as it is, because it could take effect at any time."""
        return False

    def _resume(self) -> bool:
        """Send the last attempt again; True if it happened, False if it never will."""
        return False

    def _has_landed(self) -> bool:
        """Look whether the last attempt happened, or an earlier one, and take note of it."""
        attempt = self._attempt
        if attempt is None:
            return False
        try:
            found = self._look()
        except NotFoundError:
            return False
        except PermissionDeniedError:
            if not self._blind:
                raise
            # Nobody can tell. Sent again as it is, it does no harm; a condition might name what it replaced itself.
            self._conditional = self._exclusive and self._tag is None
            if not self._is_undecided():
                self._attempt = None
            return False
        if found.size == attempt.total and self._is_own(found, attempt):
            self._happened(found.tag)
            return True
        return self._has_happened_late(found)

    def _doubt(self) -> None:
        """Give the last attempt up, as it has not happened so far."""
        if self._attempt is not None:
            doubtful = (*self._doubtful, self._attempt)[-MOST_DOUBTFUL:]
            self._doubtful = doubtful
            self._attempt = None

    def _has_happened_late(self, found: ObjectInfo) -> bool:
        """Tell whether an object is what an earlier attempt has made after all, and take note of that."""
        for earlier in self._doubtful:
            if found.size != earlier.total or found.tag == self._tag or not self._is_own(found, earlier):
                continue
            return self._happened_late(earlier, found.tag)
        return False

    def _happened_late(self, earlier: Attempt, tag: str) -> bool:
        """Take note of an earlier attempt that has happened after all; what came behind it is to be committed.

        Returns:
            False if that cannot be done: this writer has lost against itself then, and keeps its bytes as a loser does.
        """
        size = earlier.total - (self._total - len(self._filling) - len(self._attempted))
        if not 0 <= size <= len(self._attempted):
            return False  # what came behind it has been handed on together with a part of it
        rest, covered = self._attempted[size:] + self._filling, self._attempted[:size]
        self._filling = rest
        self._attempted = covered
        self._attempt = earlier
        self._happened(tag)
        return True

    def _is_own(self, found: ObjectInfo, attempt: Attempt) -> bool:
        """Tell whether an object of the right size is what an attempt has made."""
        token = {**self._token(), SEQUENCE_METADATA: str(attempt.sequence)}
        return all(found.metadata.get(name) == value for name, value in token.items())

    def _happened(self, tag: str) -> None:
        """Take note of a commit. Torn by an interrupt, it leaves the attempt, which is then found to have happened."""
        attempt, nothing = self._attempt, bytearray()
        assert attempt is not None
        self._tag, self._committed, self._published = tag, attempt.total, True
        self._committed_now()
        self._attempt = None
        self._attempted = nothing
        self._doubtful = ()

    def _raise_if_lost(self, error: RecordFSError) -> None:
        """Raise the loser's error if the object is no longer what this writer last knew."""
        try:
            now: str | None = self._look().tag
        except NotFoundError:
            now = None
        except PermissionDeniedError:
            if not self._blind:
                raise
            now = "one that these credentials cannot look at"
        if now == self._tag:
            if isinstance(error, NotFoundError) and now is None:
                return  # the bucket is missing
            # What the store says is not so: another request was under way, or this one arrived damaged.
            raise UnavailableError(
                f"the store refused a commit, although the object is as it was; flush again: {error.message}",
                path=self._name,
            ) from error
        kind = AlreadyExistsError if self._exclusive and self._tag is None else AbortedError
        lost = kind(
            f"another writer changed this object: expected {self._tag or 'no object'}, found {now or 'no object'}. "
            f"{self._total - self._committed} bytes of this writer are not published. {self._way_out()}",
            path=self._name,
        )
        lost.__dict__.update(self._unpublished())
        self._lost = lost
        raise lost from error

    def _token(self) -> dict[str, str]:
        """Return the metadata that tells this attempt from every other."""
        return {
            WRITER_METADATA: self._writer_id,
            SEQUENCE_METADATA: str(self._sequence),
            OPENING_METADATA: self._opening,
        }

    def _end(self) -> None:
        super()._end()
        self._filling = self._attempted = bytearray()
        forget(self)

    def _check_usable(self) -> None:
        super()._check_usable()
        if self._lost is not None:
            raise self._lost
