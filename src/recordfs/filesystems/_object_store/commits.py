"""The ledger of a growing object: which bytes a writer has taken, handed on and committed, and what is in doubt.

Pure bookkeeping, without I/O and threads: a store is nowhere in it, so that a test can drive it through any schedule.
``docs/formats/object-commit.md`` tells the protocol step by step.

Bytes move one way: *taken* into the filling buffer, *handed on* to the store as parts, *committed* when everybody can
see them. A commit whose answer was lost is *in doubt*. It is never given up while it may still happen: it is found in
the store by its token, or sent again exactly as it was.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import crc32c

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.opening import Known, Opening

__all__ = ["NOTHING", "OPENING_METADATA", "SEQUENCE_METADATA", "WRITER_METADATA", "Commit", "Ledger", "Origin", "Part"]

WRITER_METADATA = "recordfs-writer"
SEQUENCE_METADATA = "recordfs-sequence"
OPENING_METADATA = "recordfs-opening"

NOTHING = ""
"""What a commit replaces where no object may be."""


class Part(NamedTuple):
    """Bytes on their way to the store.

    Attributes:
        start: Where in the object they begin. An upload that has bytes beyond that has taken this part already.
        body: The bytes, which nobody changes any more.
    """

    start: int
    body: bytearray


class Origin(NamedTuple):
    """What the object that the next commit makes begins with; the same from one commit to the next.

    Attributes:
        sequence: The number of the commit, in its token.
        size: Bytes that the store takes from the committed version; 0 where all bytes are handed on.
        tag: That version.
        token: The metadata by which the commit is recognised.
        has_checksum: Whether the CRC-32C of those bytes is known, and so that of the whole will be.
    """

    sequence: int
    size: int
    tag: str | None
    token: dict[str, str]
    has_checksum: bool


class Commit(NamedTuple):
    """One version of the object to be published. Those of one origin with the same total have the same bytes.

    Attributes:
        origin: What it begins with.
        rest: Bytes in memory that come after those that were handed on, as buffers that nobody changes.
        total: The size of the object.
        crc: The CRC-32C of the whole object, or None where it is not known.
        replaces: The tag of the version that it may replace, NOTHING, or None for whatever is there.
    """

    origin: Origin
    rest: tuple[bytearray, ...]
    total: int
    crc: int | None
    replaces: str | None

    @property
    def staged(self) -> int:
        """Where the bytes in memory begin: before it lie those of the origin and those that were handed on."""
        return self.total - sum(map(len, self.rest))


class _State(NamedTuple):
    """Everything that changes but the length of ``filling``; see Ledger for what is always true of it."""

    committed: int
    base: int
    staged: int
    kept: bytearray
    tail: bytearray
    filling: bytearray
    crc: int | None
    tag: str | None
    is_published: bool
    sequence: int
    handing: Part | None
    in_doubt: Commit | None


class Ledger:
    """The bookkeeping of one writer.

    An object of ``taken`` bytes is, in this order: ``base`` bytes of the committed version, the bytes that were handed
    on up to ``staged``, ``kept``, ``tail`` and ``filling``. Always true (``_check``):

    1. ``taken`` is ``staged`` and the lengths of the three buffers together; it only grows.
    2. ``committed`` is at most ``taken``, and ``base`` is 0 or ``committed``, and at most ``staged``.
    3. ``kept`` is empty or all that is committed; nothing has been handed on then. So a small object's bytes are all
       here, and the next commit needs nothing of the last one.
    4. ``handing`` is a part that ends at ``staged`` and that the upload may not have taken over yet.
    5. ``in_doubt`` covers everything but ``filling``, and nothing is cut before it is settled.
    6. ``crc`` is the CRC-32C of the first ``staged`` bytes, or None.

    Each method that changes something ends in one assignment, so an interrupt finds the state before or after it.

    Args:
        opening: What is written, and what was there.
        known: The bytes and the checksum of an object that is appended to.
        most_kept: Up to how many committed bytes stay in memory, to be sent again with the next ones.
    """

    def __init__(self, opening: Opening, known: Known, *, most_kept: int) -> None:
        found, appended = opening.found, opening.found if opening.append else None
        self.most_kept = most_kept
        self.is_exclusive = opening.exclusive
        self.is_write_only = opening.is_write_only
        metadata = {} if appended is None else appended.metadata
        # Appending keeps the id that it finds: to a reader it is the same object growing.
        self._writer_id = metadata.get(WRITER_METADATA) or uuid.uuid4().hex
        # So two that append to one object have the same id and count from the same number: this tells them apart.
        self._opening = uuid.uuid4().hex
        self._is_conditional = True
        size = 0 if appended is None else appended.size
        start = 0 if known.kept else size
        sequence = metadata.get(SEQUENCE_METADATA, "")
        self._state = _State(
            committed=size,
            base=start,
            staged=start,
            kept=bytearray(known.kept),
            tail=bytearray(),
            filling=bytearray(),
            crc=known.crc if start else 0,
            tag=None if found is None else found.tag,
            is_published=appended is not None,
            sequence=int(sequence) + 1 if sequence.isdecimal() and len(sequence) < 20 else 1,
            handing=None,
            in_doubt=None,
        )

    # What is known

    @property
    def taken(self) -> int:
        """The size of the object with everything taken so far."""
        state = self._state
        return state.staged + len(state.kept) + len(state.tail) + len(state.filling)

    @property
    def committed(self) -> int:
        """The size of the object as this writer last published it."""
        return self._state.committed

    @property
    def tag(self) -> str | None:
        """The version that this writer last knew, or None for no object."""
        return self._state.tag

    @property
    def is_published(self) -> bool:
        """Whether everything taken is committed, in an object that exists."""
        return self._state.is_published and self._state.committed == self.taken

    @property
    def handing(self) -> Part | None:
        """A part that was cut off, and that the upload may not have taken over yet."""
        return self._state.handing

    @property
    def in_doubt(self) -> Commit | None:
        """A commit that was sent, and whose outcome is not known."""
        return self._state.in_doubt

    @property
    def waiting(self) -> int:
        """Bytes in memory that the next commit covers and no part holds."""
        return self.taken - self._state.staged

    def origin(self) -> Origin:
        """Return what the next commit begins with."""
        state = self._state
        token = {
            WRITER_METADATA: self._writer_id,
            SEQUENCE_METADATA: str(state.sequence),
            OPENING_METADATA: self._opening,
        }
        return Origin(state.sequence, state.base, state.tag if state.base else None, token, state.crc is not None)

    # Steps

    def take(self, data: memoryview) -> None:
        """Take bytes."""
        filling = self._state.filling
        filling += data

    def cut(self, size: int) -> Part:
        """Cut a part off the bytes in memory, of which there are at least ``size``; it is ``handing`` from now on."""
        state = self._state
        assert state.handing is None
        assert state.in_doubt is None
        assert self.waiting >= size
        body = state.kept + state.tail + state.filling if state.kept or state.tail else state.filling
        rest = body[size:]
        with memoryview(body) as view:
            crc = None if state.crc is None else crc32c(view[:size], state.crc)
        part = Part(state.staged, body)
        following = state._replace(
            staged=state.staged + size, kept=bytearray(), tail=bytearray(), filling=rest, crc=crc, handing=part
        )
        # No call and no loop between these two, so no signal handler runs there.
        del body[size:]
        self._state = following
        return part

    def handed_on(self) -> None:
        """The upload has taken over the part that was cut off."""
        self._state = self._state._replace(handing=None)

    def begin(self, *, overwrite: bool = False) -> Commit:
        """Return the commit of everything taken so far. Nothing is in doubt before ``sent``.

        Args:
            overwrite: Whatever is there by now may be replaced.
        """
        state = self._state
        assert state.handing is None
        assert state.in_doubt is None
        tail = state.tail + state.filling if state.tail else state.filling
        rest = tuple(buffer for buffer in (state.kept, tail) if buffer)
        crc = state.crc
        for buffer in rest:
            crc = None if crc is None else crc32c(buffer, crc)
        commit = Commit(self.origin(), rest, self.taken, crc, None if overwrite else self._condition())
        self._state = state._replace(tail=tail, filling=bytearray())
        return commit

    def sent(self, commit: Commit) -> None:
        """A commit goes out now: until it is settled, nobody knows whether it has happened."""
        self._state = self._state._replace(in_doubt=commit)

    def happened(self, commit: Commit, tag: str) -> None:
        """A commit has happened, and made this version."""
        is_small = not commit.staged and commit.total <= self.most_kept
        start = 0 if is_small else commit.total
        self._state = self._state._replace(
            committed=commit.total,
            base=start,
            staged=start,
            kept=bytearray().join(commit.rest) if is_small else bytearray(),
            tail=bytearray(),
            crc=commit.crc if start else 0,
            tag=tag,
            is_published=True,
            sequence=commit.origin.sequence + 1,
            in_doubt=None,
        )

    def give_up(self) -> None:
        """The commit in doubt will not happen, as another writer's did; its bytes are those of the next one."""
        self._state = self._state._replace(in_doubt=None)

    def stop_conditions(self) -> None:
        """Whether a commit has happened cannot be found out: a condition might name what it replaced itself."""
        self._is_conditional = False
        commit = self._state.in_doubt
        if commit is not None:
            self._state = self._state._replace(in_doubt=commit._replace(replaces=self._condition()))

    def is_made_by(self, commit: Commit, found: ObjectInfo) -> bool:
        """Tell by its token whether an object is what a commit has made."""
        token = commit.origin.token
        return found.size == commit.total and all(found.metadata.get(name) == token[name] for name in token)

    def _condition(self) -> str | None:
        """Return what the next commit may replace."""
        tag = self._state.tag
        if tag is None and self.is_exclusive:
            return NOTHING
        if not self._is_conditional:
            return None
        if tag is not None:
            return tag
        return None if self.is_write_only else NOTHING

    def _check(self) -> None:
        """Assert what is always true; for tests."""
        state = self._state
        assert self.taken == state.staged + len(state.kept) + len(state.tail) + len(state.filling)
        assert 0 <= state.committed <= self.taken
        assert state.base in (0, state.committed)
        assert state.base <= state.staged
        assert not state.kept or (len(state.kept) == state.committed and not state.staged)
        assert state.is_published or not state.committed
        if state.handing is not None:
            assert state.handing.start + len(state.handing.body) == state.staged
        if state.in_doubt is not None:
            assert state.handing is None
            assert state.in_doubt.total == self.taken - len(state.filling)
            assert state.in_doubt.staged == state.staged
            assert state.in_doubt.origin.sequence == state.sequence
