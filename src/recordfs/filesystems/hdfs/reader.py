"""Reading: finished blocks by the native client, the block that is being written by WebHDFS.

The native client does not see the last block of a file that is open for writing: such a file looks shorter than it is,
or empty. The namenode's length tells what a writer has synced; what one has flushed without telling the namenode
(hflush of Hadoop's own client) only the datanodes know. So at the end of what is known the namenode is asked whether
the last block is still being written, and if it is, WebHDFS reads on from there.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from recordfs.errors import (
    AbortedError,
    DataLossError,
    DeadlineExceededError,
    InternalError,
    NotFoundError,
    RecordFSError,
    UnavailableError,
)
from recordfs.filesystem.files import RandomAccessFile
from recordfs.filesystems.hdfs.datanodes import named_datanodes
from recordfs.filesystems.hdfs.webhdfs import WebHdfsUnreachableError
from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from recordfs.filesystems.hdfs.block_stream import BlockStream
    from recordfs.filesystems.hdfs.name_service import NameService
    from recordfs.filesystems.hdfs.webhdfs import WebHdfs

__all__ = ["HdfsRandomAccessFile"]

Result = TypeVar("Result")

PIECE = 1 << 20
"""Bytes of one request to the datanodes: the native client puts an answer together in memory, and then copies it."""

STREAMED_FROM = 1 << 20
"""Bytes that have to be left for reads one after the other to become a stream."""

TAIL_LIMIT = 1 << 30
"""Bytes of a block that is being written that one call reads at most."""

READ_PAUSES_SECONDS = (0.0, 0.5, 2.0)
"""Before the namenode is asked again where blocks are, after no datanode gave what was asked for: they move, when
datanodes are taken out of service or filled evenly, and one that restarts needs a moment."""

SLOW_READ_SECONDS = 10.0
"""After a read that took so long the namenode is asked for the datanodes again: the first of them may be frozen, and
the namenode names those that are equally near in an order of chance."""


class _View(NamedTuple):
    """What is known of a file.

    Attributes:
        reader: The native client's, which knows where the finished blocks are.
        finished: Bytes in finished blocks.
        length: Bytes that the namenode knows of, those in the last block included.
        modified: The time that the namenode gives for the last change, in milliseconds since 1970.
        is_open: Whether somebody is writing it, or died writing it; None until somebody asks.
        block_size: Bytes of its full blocks.
        copies: Of each block.
    """

    reader: Any
    finished: int
    length: int
    modified: int
    is_open: bool | None
    block_size: int
    copies: int


class _Ahead:
    """What one process reads ahead of a file: the stream, and where the last read ended, which the next may follow."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.next_offset = -1
        self.stream: BlockStream | None = None

    def drop(self) -> None:
        """Let the stream end. The lock is held."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.stop()

    def __del__(self) -> None:
        self.drop()


class HdfsRandomAccessFile(RandomAccessFile):
    """A file of HDFS open for reading. Thread-safe; a forked child opens it again.

    Args:
        name: The full path as the caller gave it.
        path: Its path on HDFS.
        find_service: Returns this process's NameService.
    """

    def __init__(self, name: str, path: str, find_service: Callable[[], NameService]) -> None:
        self._path = path
        self._find_service = find_service
        super().__init__(name)
        # A list of one, so that what is known can be replaced. The native client's reader is the process's own.
        self._views: PerProcess[list[_View]] = PerProcess(lambda: [self._look()])
        self._ahead: PerProcess[_Ahead] = PerProcess(_Ahead)
        self._views.get()

    # What the contract asks for.

    def _size(self) -> int:
        view = self._refreshed()
        if not view.is_open:
            return view.length
        return self._by_webhdfs(lambda webhdfs: webhdfs.visible_length(self._path, view.length))

    def _read(self, offset: int, n: int) -> bytes:
        view = self._view_of(offset, n)
        end = min(offset + n, view.finished)
        parts: list[Buffer] = []
        position = offset
        while position < end and (pieces := self._streamed(view, position, end - position)):
            parts += pieces
            position += sum(map(len, pieces))
        while position < end:
            stop = min(end, position + PIECE)
            parts.append(self._read_finished(view, position, stop))
            view = self._views.get()[0]
            position = stop
        if view.is_open and position < offset + n:
            parts.append(self._read_tail(view, position, offset + n - position))
        self._ahead.get().next_offset = position
        return b"".join(parts)

    def _read_into(self, offset: int, room: memoryview) -> int:
        view = self._view_of(offset, len(room))
        done = 0
        if offset < view.finished:
            for piece in self._streamed(view, offset, min(len(room), view.finished - offset)):
                room[done : done + len(piece)] = piece
                done += len(piece)
            self._ahead.get().next_offset = offset + done
        if not done:
            data = self._read(offset, min(len(room), PIECE))
            done = len(data)
            room[:done] = data
        return done

    def _read_ahead(self, offset: int, n: int) -> int:
        view = self._views.get()[0]
        ahead = self._ahead.get()
        with ahead.lock:
            if ahead.stream is None and n >= STREAMED_FROM and view.finished - offset >= STREAMED_FROM:
                ahead.stream = self._begin_stream(view, offset, view.finished)
        return view.length

    def _close(self) -> None:
        ahead = self._ahead.peek()
        if ahead is not None:
            with ahead.lock:
                ahead.drop()

    # Reading ahead.

    def _streamed(self, view: _View, offset: int, n: int) -> list[memoryview]:
        """Return up to ``n`` bytes of finished blocks from the stream, none if this place is in no stream.

        Reads that follow each other become a stream to the end of the finished blocks, a large read one of its own.
        """
        ahead = self._ahead.get()
        with ahead.lock:
            if ahead.stream is None or ahead.stream.position != offset:
                if offset == ahead.next_offset and view.finished - offset >= STREAMED_FROM:
                    end = view.finished
                elif n > PIECE:
                    end = offset + n
                else:
                    return []
                ahead.drop()
                ahead.stream = self._begin_stream(view, offset, end)
            try:
                return ahead.stream.take(n, self._find_service().settings.data_timeout)
            except BaseException as error:
                ahead.drop()
                if isinstance(error, KeyboardInterrupt | SystemExit):
                    raise
                return []  # the same bytes are asked for again, range by range: that says what is wrong

    def _begin_stream(self, view: _View, start: int, end: int) -> BlockStream:
        return self._find_service().stream_blocks(self._name, view.reader, start, end)

    def _view_of(self, offset: int, n: int) -> _View:
        """Return what is known, asked for again where the bytes lie past it."""
        view = self._views.get()[0]
        return self._refreshed() if offset + n > view.length else view

    # What is known, and what is asked.

    def _status(self) -> Any:
        service = self._find_service()
        return service.ask("getFileInfo", self._name, service.native.get_file_info, self._path)

    def _look(self) -> _View:
        """Ask the namenode for the file."""
        service = self._find_service()
        again = True
        while True:
            reader: Any = service.ask("getBlockLocations", self._name, service.native.read, self._path)
            status = self._status()
            known = _View(
                reader, len(reader), max(len(reader), status.length), status.modification_time, None,
                status.blocksize or 0, status.replication or 0,
            )  # fmt: skip
            if len(reader) >= status.length:
                return known
            if not again:
                return known._replace(is_open=True)
            again = False  # the block may have been finished between the two answers

    def _refreshed(self) -> _View:
        """Return what is known now, and whether the file is open."""
        views = self._views.get()
        view = views[0]
        try:
            status = self._status()
        except NotFoundError as error:
            raise AbortedError("the file was deleted or renamed since it was opened", path=self._name) from error
        if (status.length, status.modification_time) != (view.length, view.modified):
            fresh = self._look()
            if fresh.length < view.length:
                raise AbortedError(
                    f"the file had {view.length} bytes and has {fresh.length}: it was replaced or cut; open it again",
                    path=self._name,
                )
            views[0] = view = fresh
        if view.is_open is None:
            views[0] = view = view._replace(is_open=self._is_open(view))
        return view

    def _is_open(self, view: _View) -> bool:
        """Tell whether there may be a block that is being written after finished ones that hold all known bytes.

        The namenode counts the space of such a block as if it were full. Where it counts still more, the file grew just
        now, or snapshots keep what it was; then WebHDFS reads on, and finds nothing if it has ended.
        """
        if not view.copies:
            return False  # it is erasure-coded, and shows nothing before it is closed
        service = self._find_service()
        summary: Any = service.ask("getContentSummary", self._name, service.native.get_content_summary, self._path)
        return bool(summary.space_consumed >= (view.length + view.block_size) * view.copies)

    def _read_finished(self, view: _View, start: int, end: int) -> bytes:
        """Read from finished blocks; if no datanode gives them, look where they are now."""
        service = self._find_service()
        deadline = time.monotonic() + service.settings.data_timeout
        for pause in (*READ_PAUSES_SECONDS, None):
            began = time.monotonic()
            try:
                data = service.read_blocks(self._name, view.reader, start, end)
                if time.monotonic() - began > SLOW_READ_SECONDS:
                    with contextlib.suppress(RecordFSError):
                        self._looked_again(view, InternalError("a datanode was slow"))
                return data
            except (UnavailableError, DeadlineExceededError, InternalError) as error:
                if pause is None or time.monotonic() + pause >= deadline:
                    raise self._explained(error, view, start, end) from error
                time.sleep(pause)
                view = self._looked_again(view, error)
                if view.finished < end:  # the last block was opened again
                    return self._read(start, end - start)
            except RecordFSError as error:
                raise self._explained(error, view, start, end) from error
        raise AssertionError  # the last round has returned or raised

    def _looked_again(self, view: _View, error: RecordFSError) -> _View:
        """Ask the namenode where the blocks of a file are now.

        Raises:
            AbortedError: It is not the file that it was.
        """
        try:
            fresh = self._look()
        except NotFoundError:
            raise AbortedError("the file was deleted while it was being read", path=self._name) from error
        if fresh.modified != view.modified or fresh.length < view.length:
            raise self._replaced(error) from error
        self._views.get()[0] = view = fresh._replace(is_open=fresh.is_open or view.is_open)
        return view

    def _replaced(self, error: RecordFSError) -> AbortedError:
        return AbortedError(
            f"the file was changed or replaced while it was being read; open it again "
            f"({error.message.partition(': [')[0]})",
            path=self._name,
        )

    def _explained(self, error: RecordFSError, view: _View, start: int, end: int) -> RecordFSError:
        """Return the error of a failed read, which may be that the file is not there any more."""
        try:
            status = self._status()
        except NotFoundError:
            return AbortedError("the file was deleted while it was being read", path=self._name)
        except RecordFSError:
            return error
        if status.length < view.length or status.modification_time != view.modified:
            return self._replaced(error)
        datanodes = named_datanodes(error.message, by_host_name=self._find_service().reaches_datanodes_by_host_name)
        if not datanodes:
            return error
        unreached = [f"{datanode} ({trouble})" for datanode in datanodes if (trouble := datanode.trouble())]
        bytes_told = f"no datanode gave the bytes from {start} to {end}"
        if unreached:
            return UnavailableError(f"{bytes_told}; not reached: {', '.join(unreached)}", path=self._name)
        return DataLossError(
            f"{bytes_told}, though all that have their block answer ({', '.join(map(str, datanodes))}): it is missing "
            "or corrupt there, or they are overloaded; `hdfs fsck PATH -files -blocks -locations` says more",
            path=self._name,
            offset=start,
        )

    def _read_tail(self, view: _View, offset: int, n: int) -> bytes:
        """Read what was flushed after the finished blocks."""
        data = self._by_webhdfs(
            lambda webhdfs: webhdfs.read(self._path, offset, min(n, TAIL_LIMIT), known_length=view.length)
        )
        if offset + len(data) < min(view.length, offset + n):
            raise UnavailableError(
                f"WebHDFS gave {len(data)} bytes at {offset}, and the namenode knows of {view.length}: the file is "
                "being closed or replaced just now, or no datanode has a sound copy of its last block; try again",
                path=self._name,
            )
        return data

    def _by_webhdfs(self, call: Callable[[WebHdfs], Result]) -> Result:
        webhdfs = self._find_service().webhdfs
        if webhdfs is None:
            raise self._unreadable("the option webhdfs=False forbids it")
        deadline = time.monotonic() + REPORT_SECONDS
        while True:
            try:
                return call(webhdfs)
            except WebHdfsUnreachableError as error:
                raise self._unreadable(error.message) from error
            except UnavailableError as error:
                if _UNREPORTED not in error.message or time.monotonic() > deadline:
                    raise
            time.sleep(0.25)

    def _unreadable(self, reason: str) -> UnavailableError:
        return UnavailableError(
            "the file is open for writing, and its last block can be read only through WebHDFS, which cannot be used: "
            f"{reason}. Enable WebHDFS, name its address by the option webhdfs, or wait until the file is closed",
            path=self._name,
        )


REPORT_SECONDS = 10.0
"""So long it takes a namenode that has just become the active one to hear from the datanodes which blocks they have."""

_UNREPORTED = "nodes contain this block"
