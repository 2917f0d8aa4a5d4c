"""An open file of the native client, replaced by another when its datanodes fail.

The native client goes on when a datanode dies in the middle of a block. It gives up where Hadoop's own client looks
for other datanodes: when a block is started and one that the namenode still lists is dead. Then the file is taken up
again, with what the datanodes have of it, and with fewer copies if need be, so that the dead one is not among them; the
namenode makes the other copies later.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from recordfs.errors import DeadlineExceededError, InternalError, NotFoundError, RecordFSError, UnavailableError
from recordfs.filesystems.hdfs.datanodes import DatanodeWatch
from recordfs.filesystems.hdfs.errors import LeaseHeldError, LeaseLostError
from recordfs.filesystems.hdfs.lease import recover_lease
from recordfs.filesystems.hdfs.truncation import truncate
from recordfs.filesystems.hdfs.unacknowledged import Unacknowledged

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystems.hdfs.name_service import NameService

__all__ = ["Pipeline", "abandon"]

WINDOW = 14 << 20
"""Bytes to hold: the native client queues at most 200 packets of 64 KiB (WRITE_PACKET_BUFFER_LEN, twice), which is
12.5 MiB, and one of our pieces may lie before them."""

PIECE = 1 << 20
"""Bytes handed on at once."""

FULL_ATTEMPTS = 2
"""How often a file is taken up with all its copies: where there are many datanodes, the next ones are others."""

FEWER_ATTEMPTS = 5
"""How often then with one copy fewer; after that with two fewer."""

MAX_ATTEMPTS = 14

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
"""Between attempts, doubled each time: the namenode may offer the same dead datanode at once, and one that
restarts needs a moment."""

DEFAULT_REPLICATION = 3
"""dfs.replication, where the file has not said otherwise."""

OWN_LEASE = "is already the current lease holder"
"""What the namenode tells a client that asks to append to a file that it has open itself."""

_log = logging.getLogger("recordfs")


class Pipeline:
    """What takes a file's bytes to the datanodes. For one thread.

    A call that raises leaves the file open: the next one takes it up where the datanodes have it. After LeaseLostError
    every call raises that.

    Args:
        service: Where the file is.
        name: Its path as the caller of recordfs gave it.
        path: Its path on HDFS.
        native: The native client's writer.
        start: The file's length.
        remake: Makes the file once more, empty, with a number of copies; None where it was there before.
    """

    def __init__(
        self,
        service: NameService,
        name: str,
        path: str,
        native: Any,
        start: int,
        remake: Callable[[int | None], Any] | None,
    ) -> None:
        self._service = service
        self._client = service.native  # it holds the lease, whatever client the service takes later
        self._name = name
        self._path = path
        self._native: Any = native
        self._remake = remake
        self._held = Unacknowledged(start, WINDOW)
        self._synced = start
        # How many copies the file is to have, once it has been written with fewer.
        self._replication: int | None = None
        self._lost: LeaseLostError | None = None
        service.open_files.add(path)

    @property
    def length(self) -> int:
        """Bytes of the file that were taken."""
        return self._held.end

    def write(self, data: memoryview) -> None:
        """Take bytes and hand them on, or raise and take none."""
        before = self._held.end
        try:
            for at in range(0, len(data), PIECE):
                piece = bytes(data[at : at + PIECE])
                self._held.add(piece)
                # A file that is taken up again gets all that is held, this piece included.
                self._bring_up("writeBlock", partial(self._write_native, piece), covers=True)
                self._service.count_sent("writeBlock", len(piece))
        except BaseException:
            self._abandon_native()
            self._held.take_back(before)
            raise

    def sync(self) -> None:
        """Return when all bytes are on the datanodes and new readers see them."""
        self._bring_up("hsync", lambda: self._native.hsync())
        self._held.acknowledge()
        self._synced = self._held.end
        self._remake = None

    def close(self) -> None:
        """Close the file."""
        self._bring_up("complete", lambda: self._native.close(), closing=True)
        self._let_go()
        if self._replication is not None:
            client, path = self._service.native, self._path
            self._service.ask("setReplication", self._name, client.set_replication, path, self._replication)

    def close_as_synced(self) -> None:
        """Close the file with what was synced, and no more."""
        self._held.take_back(self._synced)
        if self._held.sent > self._synced:
            self._abandon_native()
        self.close()

    def abandon(self) -> None:
        """Let go of a file that is to be deleted."""
        self._abandon_native()
        self._let_go()

    def _let_go(self) -> None:
        self._service.open_files.discard(self._path)

    def _abandon_native(self) -> None:
        """Drop the native writer, whatever it is in the middle of, without closing the file."""
        native, self._native = self._native, None
        if native is not None:
            abandon(native)

    def _bring_up(
        self, operation: str, call: Callable[[], object], *, covers: bool = False, closing: bool = False
    ) -> None:
        """Make a call of the native writer; if its datanodes fail, take the file up again and go on.

        Args:
            operation: For errors and for counting.
            call: What is to be done.
            covers: Taking the file up again does what the call does.
            closing: The call closes the file; taking it up may find it closed, and complete.
        """
        if self._lost is not None:
            raise self._lost
        deadline = time.monotonic() + self._service.settings.data_timeout
        for attempt in range(MAX_ATTEMPTS):
            try:
                if self._native is None and (self._take_up(attempt, deadline, closing=closing) or covers):
                    return
                self._transfer(operation, deadline, call)
                return
            except LeaseLostError as error:
                self._abandon_native()
                self._lost = error
                raise
            except (UnavailableError, DeadlineExceededError, InternalError) as error:  # the last: a panic inside
                self._abandon_native()
                last = attempt == MAX_ATTEMPTS - 1
                if last or time.monotonic() >= deadline:
                    error.add_note(
                        f"the {self._held.end - self._synced} bytes since the last flush are kept; try again"
                    )
                    raise
                level = logging.WARNING if attempt == 0 else logging.DEBUG
                _log.log(level, "%s: %s failed (%s); taking the file up again", self._name, operation, error.message)
                time.sleep(min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS))
            except BaseException:
                self._abandon_native()
                raise

    def _write_native(self, piece: bytes) -> None:
        self._native.write(piece)

    def _transfer(self, operation: str, deadline: float, call: Callable[[], object]) -> None:
        """Make a call that may take until the deadline, unless a datanode of the block turns out to be dead or frozen.

        The native client does not see what the first datanode says about those after it, and waits a minute for an
        acknowledgement that cannot come.
        """
        seconds = max(0.1, deadline - time.monotonic())
        with self._watch() as watch:
            self._service.transfer(operation, self._name, seconds, call, when_slow=watch.look)

    def _watch(self) -> DatanodeWatch:
        """Return what looks at the datanodes of the block that is being written."""
        return DatanodeWatch(partial(self._service.last_block_datanodes, self._path), self._name)

    def _take_up(self, attempt: int, deadline: float, *, closing: bool) -> bool:
        """Open the file again and hand on what it lacks. True if it was to be closed, and is, and lacks nothing."""
        if self._remake is not None and self._held.start == 0 and self._is_ours():
            # Quicker than to have what there is of it recovered, and nobody has seen any of it.
            self._native = self._remake(self._fewer_copies(attempt, None))
            length = 0
        else:
            length = self._closed_length(deadline)
            if length > self._held.end:
                self._cut(deadline)
                length = self._held.end
            if closing and length == self._held.end:
                return True
            self._reopen(attempt)
        missing = self._held.after(length, self._name)
        for piece in missing:
            self._transfer("writeBlock", deadline, partial(self._write_native, piece))
        if missing:
            with self._watch() as watch:
                watch.look()
        return False

    def _is_ours(self) -> bool:
        """Tell whether what stands at the path is the file that this writer has open."""
        try:
            abandon(self._service.ask("append", self._name, self._client.append, self._path))
        except LeaseHeldError as error:
            return OWN_LEASE in error.message
        except RecordFSError:
            pass
        return False

    def _closed_length(self, deadline: float) -> int:
        """Have the namenode close the file, if nobody else has done so, and return its length.

        Raises:
            LeaseLostError: Somebody else has the file, or it is gone.
        """
        service, client = self._service, self._client
        try:
            native: Any = service.ask("append", self._name, client.append, self._path)
        except LeaseHeldError as error:
            if OWN_LEASE not in error.message:
                raise LeaseLostError(
                    f"another program took the file over after its datanodes failed ({error.message})", path=self._name
                ) from error
            recover_lease(service, self._name, self._path, max(1.0, deadline - time.monotonic()), client=client)
        except NotFoundError as error:
            raise LeaseLostError(
                "the file was deleted or renamed while it was being written", path=self._name
            ) from error
        else:
            # It was closed: by the recovery of an earlier attempt, or by somebody else.
            service.transfer("complete", self._name, max(1.0, deadline - time.monotonic()), native.close)
        status: Any = service.ask("getFileInfo", self._name, client.get_file_info, self._path)
        if status.length > self._held.sent:
            raise LeaseLostError(
                f"the file has {status.length} bytes, and this writer has written {self._held.sent}: another program "
                "took it over and appended to it",
                path=self._name,
            )
        return int(status.length)

    def _reopen(self, attempt: int) -> None:
        service, client = self._service, self._client
        status: Any = service.ask("getFileInfo", self._name, client.get_file_info, self._path)
        copies = self._fewer_copies(attempt, status.replication)
        if copies is not None and copies != status.replication:
            service.ask("setReplication", self._name, client.set_replication, self._path, copies)
        self._native = service.ask("append", self._name, client.append, self._path)

    def _fewer_copies(self, attempt: int, present: int | None) -> int | None:
        """Return with how many copies to go on: one fewer with each attempt, so that a dead datanode is avoided."""
        wanted = self._replication or present or self._service.settings.replication or DEFAULT_REPLICATION
        if attempt < FULL_ATTEMPTS:
            return self._replication
        self._replication = wanted
        return max(1, wanted - (1 if attempt < FULL_ATTEMPTS + FEWER_ATTEMPTS else 2))

    def _cut(self, deadline: float) -> None:
        """Cut off what was handed on and taken back again."""
        seconds = max(1.0, deadline - time.monotonic())
        truncate(self._service, self._name, self._path, self._held.end, seconds)
        self._held.cut()


def abandon(native: Any) -> None:
    """Have a native writer do nothing when it is collected; it would close the file then, and wait for that."""
    native.inner = _Abandoned()


class _Abandoned:
    """Stands in for the native writer in the object that would close the file when it is collected."""

    def close(self) -> None:
        """Publish nothing."""
