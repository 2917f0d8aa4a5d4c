"""Writing an object that grows, on every store: the ledger says what is to be done, the upload does it.

A byte leaves memory only when a commit that covers it succeeded, or when the store acknowledged a part that holds it.
A commit whose answer is lost may or may not have happened. It carries a token (this writer's id and a sequence number)
in the object's metadata: the next step looks at the object, and sends the very same commit again if it is not there.

Any call may be torn by Ctrl-C, or by another error that is no RecordFSError. The ledger changes in single steps, and
everything else can be done again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from recordfs.filesystems._object_store.checksums import crc32c_of
from recordfs.filesystems._object_store.commits import Ledger
from recordfs.filesystems._object_store.opening import NOTHING_KNOWN
from recordfs.open_files.one_call import one_call
from recordfs.open_files.unclosed_writers import keep_until_closed

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.commits import Commit
    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.opening import Known, Location, Opening
    from recordfs.filesystems._object_store.store import ObjectStore
    from recordfs.filesystems._object_store.upload import ObjectUpload

__all__ = ["ObjectWriter", "open_writer"]

TAKEN_AT_ONCE = 1 << 19
"""Data up to this size, a block of a RecordWriter, are taken without talking to the store in between: an error then has
taken nothing."""


class ObjectWriter(WritableFile):
    """A writer of one object. See WritableFile for the contract.

    Args:
        name: The full path.
        ledger: What is known of the object at open.
        upload: How its bytes reach the store.
        atomic: Only ``close`` publishes.
    """

    def __init__(self, name: str, ledger: Ledger, upload: ObjectUpload, *, atomic: bool) -> None:
        self._ledger = ledger
        self._upload = upload
        # Another writer has won, or bytes are gone: nothing but ``publish`` goes on.
        self._lost: RecordFSError | None = None
        super().__init__(name, atomic=atomic)
        keep_until_closed(self)

    # The contract

    def _tell(self) -> int:
        return self._ledger.taken

    @one_call
    def _append(self, data: memoryview) -> None:
        """Take all of the data.

        Parts are handed on before anything is taken, so a call that raises has taken nothing. Data of more than 512 KiB
        are taken piece by piece; if one of their parts cannot be delivered, the rest is held in memory, beyond the
        usual bound, and the next call says so. An interrupt there is raised when all of the data have been taken, as
        ``tell`` shows.
        """
        self._hand_on()
        while self._has_part():
            self._stage()
        if self._upload.is_full():
            self._publish()
        if len(data) <= TAKEN_AT_ONCE:
            self._ledger.take(data)
        else:
            self._take_in_pieces(data)

    def _take_in_pieces(self, data: memoryview) -> None:
        """Take data that fill parts, handing these on in between."""
        size, ledger = self._upload.part_size, self._ledger
        before = ledger.taken
        is_stuck = False
        try:
            while (taken := ledger.taken - before) < len(data):
                if self._has_part() and not is_stuck:
                    try:
                        self._stage()
                    except RecordFSError:
                        is_stuck = True  # the next call tries again, and says it
                room = len(data) if is_stuck else max(size - ledger.waiting, 1)
                with data[taken : taken + room] as piece:
                    ledger.take(piece)
        except BaseException:
            if ledger.taken > before:
                # An interrupt: all of the data or nothing of them.
                with data[ledger.taken - before :] as rest:
                    ledger.take(rest)
            raise

    @one_call
    def _flush(self) -> None:
        self._hand_on()
        if not self.atomic:
            if not self._ledger.is_published:
                self._upload.refuse_flush(self._ledger.taken)
            self._publish()

    @one_call
    def _close(self) -> None:
        if self._lost is not None:
            # Everything it could do has been tried and said; what it holds goes with it now, as the error told.
            self._end()
            raise self._lost
        self._hand_on()
        self._publish()

    @one_call
    def _discard(self) -> None:
        try:
            self._upload.abandon()
        finally:
            self._end()

    @one_call
    def publish(self, *, overwrite: bool = False) -> None:
        """Publish everything, and with ``overwrite`` even over what another writer has put there meanwhile.

        This is how a writer that lost against another gets its bytes out: it holds all that it has not published.
        """
        self._check_open()
        self._lost = None
        self._hand_on()
        self._publish(overwrite=overwrite)

    def _end(self) -> None:
        super()._end()
        self._upload.end()

    def _check_usable(self) -> None:
        super()._check_usable()
        if self._lost is not None:
            raise self._lost

    # Parts

    def _has_part(self) -> bool:
        """Tell whether what is in memory fills a part."""
        return self._ledger.waiting >= self._upload.part_size

    def _stage(self) -> None:
        """Hand a part on, if settling a commit in doubt leaves one."""
        self._settle_doubt()
        if not self._has_part():
            return
        if not self._upload.takes_part(self._ledger.origin()):
            self._publish()
        else:
            self._ledger.cut(self._upload.part_size)
            self._hand_on()

    def _hand_on(self) -> None:
        """Hand on a part that was cut off, and send again what was handed on before and failed."""
        part = self._ledger.handing
        try:
            if part is not None:
                self._upload.send(part, self._ledger.origin())
                self._ledger.handed_on()
            self._upload.settle()
        except RecordFSError as error:
            self._raise_if_lost(error)
            raise

    # Commits

    def _publish(self, *, overwrite: bool = False) -> None:
        """Commit what is new, settling a commit in doubt first."""
        if self._settle_doubt(give_up=overwrite):
            overwrite = False  # what was to be published has happened, and the object is this writer's
        if self._ledger.is_published and not overwrite:
            return
        commit = self._ledger.begin(overwrite=overwrite)
        try:
            self._upload.prepare(commit)
        except RecordFSError as error:
            self._raise_if_lost(error)
            raise
        self._ledger.sent(commit)
        self._send(commit)

    def _settle_doubt(self, *, give_up: bool = False) -> bool:
        """Carry a commit through whose outcome is unknown, or with ``give_up`` only look for it.

        Returns:
            Whether it has happened; False also where there was none.
        """
        commit = self._ledger.in_doubt
        if commit is None:
            return False
        if self._find(commit):
            return True
        if give_up:
            self._ledger.give_up()
            return False
        self._send(self._ledger.in_doubt or commit)
        return True

    def _send(self, commit: Commit) -> None:
        """Send a commit, for the first time or again; return when it has happened."""
        try:
            tag = self._upload.commit(commit)
        except RecordFSError as error:
            self._look_after(error, commit)
        else:
            self._note(commit, tag)

    def _note(self, commit: Commit, tag: str) -> None:
        """Take note of a commit that has happened. Interrupted before that, it is found to have happened later."""
        replaced = self._ledger.tag is not None
        self._ledger.happened(commit, tag)
        self._upload.tidy(replaced=replaced)

    def _find(self, commit: Commit) -> bool:
        """Look whether a commit has happened, and take note of it."""
        try:
            found = self._upload.look()
        except NotFoundError:
            return False
        except PermissionDeniedError:
            if not self._ledger.is_write_only:
                raise
            self._ledger.stop_conditions()  # nobody can tell; sent again as it is, it does no harm
            return False
        if not self._upload.is_made_by(self._ledger, commit, found):
            return False
        self._note(commit, found.tag)
        return True

    def _look_after(self, error: RecordFSError, commit: Commit) -> None:
        """Return if a commit that failed has happened all the same, and raise otherwise."""
        try:
            if self._find(commit):
                return
        except RecordFSError as unreachable:
            if isinstance(error, AbortedError | NotFoundError | DataLossError):
                raise unreachable from error  # it may only mean that the first of several tries had succeeded
            error.add_note(f"whether it happened could not be determined: {unreachable}")
            raise error from error.__cause__
        self._raise_if_lost(error)
        raise error from error.__cause__

    # Losing

    def _raise_if_lost(self, error: RecordFSError) -> None:
        """Raise the loser's error if an error means that another writer has won; remember it if bytes are gone."""
        if isinstance(error, DataLossError):
            self._lost = error  # going on would hide it
            self._ledger.give_up()
        if not isinstance(error, AbortedError | NotFoundError):
            return
        ledger = self._ledger
        try:
            now: str | None = self._upload.look().tag
        except NotFoundError:
            now = None
        except PermissionDeniedError:
            if not ledger.is_write_only:
                raise
            now = "one that these credentials cannot look at"
        if now == ledger.tag:
            if isinstance(error, NotFoundError) and now is None:
                return  # the bucket is missing
            # What the store says is not so: another request was under way, or this one arrived damaged.
            raise UnavailableError(
                f"the store refused a commit, although the object is as it was; flush again: {error.message}",
                path=self._name,
            ) from error
        is_first = ledger.is_exclusive and ledger.tag is None
        lost = (AlreadyExistsError if is_first else AbortedError)(
            f"another writer changed this object: expected {ledger.tag or 'no object'}, found {now or 'no object'}. "
            f"{ledger.taken - ledger.committed} bytes of this writer are not published. "
            f"{self._upload.way_out(ledger.origin())}",
            path=self._name,
        )
        unpublished = {"unpublished_bytes": ledger.taken - ledger.committed, **self._upload.unpublished()}
        lost.__dict__.update(unpublished)
        ledger.give_up()
        self._lost = lost
        raise lost from error


def open_writer(store: ObjectStore, opening: Opening) -> ObjectWriter:
    """Return a writer, with what it has to know of an object that it appends to."""
    known = NOTHING_KNOWN
    if opening.append and opening.found is not None:
        known = _known_of(store, opening.location, opening.found)
    upload = store.new_upload(opening, known)
    ledger = Ledger(opening, known, most_kept=upload.most_kept)
    return ObjectWriter(opening.location.path, ledger, upload, atomic=opening.atomic)


def _known_of(store: ObjectStore, location: Location, found: ObjectInfo) -> Known:
    """Return what has to be known of an object that is appended to; what came is looked at before it is believed."""
    try:
        known = store.known_of(location, found)
    except NotFoundError as error:
        raise AbortedError("the object changed while it was opened", path=location.path) from error
    if known.kept and known.crc is not None and crc32c_of(known.kept) != known.crc:
        # They would be uploaded again in front of the new ones, and stay so.
        raise UnavailableError("the bytes that are there arrived damaged; open the file again", path=location.path)
    return known
