"""One nameservice as this process reaches it: the native client with time limits, and WebHDFS beside it."""

from __future__ import annotations

import logging
import os
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import hdfs_native

from recordfs.errors import DeadlineExceededError, RecordFSError, UnavailableError
from recordfs.filesystems.hdfs.block_stream import BlockStream
from recordfs.filesystems.hdfs.errors import CutOffError, error_from_native
from recordfs.filesystems.hdfs.limited_calls import CallLeftError, call_within
from recordfs.filesystems.hdfs.settings import RESERVED_FOR_FAILOVER
from recordfs.filesystems.hdfs.webhdfs import WebHdfs
from recordfs.per_process import OwningProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystems._object_store.statistics import RequestCounter
    from recordfs.filesystems.hdfs.configuration import HadoopConfiguration
    from recordfs.filesystems.hdfs.datanodes import Datanode
    from recordfs.filesystems.hdfs.settings import Settings

__all__ = ["NameService"]

Result = TypeVar("Result")

CREDENTIALS = ("kerberos_principal", "kerberos_keytab", "kerberos_cache")

CONNECT_SECONDS = 10.0
"""How long to wait for a namenode's host to answer at all. The native client would wait for the system's two minutes,
and send its request even then, when nobody waits for it any more."""

WEB_SECONDS = 20.0
"""How long to wait for a piece of an answer of WebHDFS; another datanode is asked then."""

INHERITED_SECONDS = 3.2
"""For so long a forked child finds its parent's connections to datanodes in the native client's cache (which keeps
them for 3 seconds after the last read): they must not be used, so its first read waits until they have expired."""

CHANGES = frozenset({"append", "create", "delete", "mkdirs", "rename", "setReplication"})
"""The requests to the namenode that change something, so that one which gets no answer is in doubt."""

MOST_LEFT_CALLS = 32
"""Calls that were given up and have not returned keep a thread each, and a connection. After so many, one at a time
tries whether the namenode answers again."""

IN_DOUBT = "it may have been done, or may still be done: look before you try again"

_log = logging.getLogger("recordfs")

# Which process, this one or the one that it was forked from, read a block by the native client last, and when.
_last_read: tuple[OwningProcess, float] | None = None


def _note_read() -> None:
    global _last_read
    _last_read = (OwningProcess(), time.monotonic())


def _outlive_inherited_connections() -> None:
    """Wait, in a forked child, until the native client takes no connection of the parent's."""
    if _last_read is not None and not _last_read[0].is_current:
        left = _last_read[1] + INHERITED_SECONDS - time.monotonic()
        if left > 0:
            _log.info("process %d was forked while its parent read from HDFS; it waits %.1f s", os.getpid(), left)
            time.sleep(left)
        _note_read()


class NameService:
    """The namenodes of one nameservice, or one namenode. Safe to use from any thread of the process that made it.

    Args:
        authority: A nameservice or ``host:port``.
        settings: Time limits, credentials.
        configuration: Addresses.
        counter: Where requests are counted.

    Attributes:
        authority: As given.
        settings: As given.
        webhdfs: Its web servers, or None where they are not to be used.
        open_files: The paths of the files that this process is writing.
        cleaned_directories: Those in which this process has removed what dead writers left.
    """

    def __init__(
        self, authority: str, settings: Settings, configuration: HadoopConfiguration, counter: RequestCounter
    ) -> None:
        self.authority = authority
        self.settings = settings
        self.open_files: set[str] = set()
        self.cleaned_directories: set[str] = set()
        self._counter = counter
        self._configuration = configuration
        self._namenodes = configuration.namenodes(authority)
        self.webhdfs = self._make_webhdfs()
        self._answered = False
        self._has_ever_answered = False
        # Of each call that was given up: whether it has returned by now. And when the last one was.
        self._left_calls: list[Callable[[], bool]] = []
        self._last_left = 0.0
        self._native: Any = None
        self.renew()

    def _make_webhdfs(self) -> WebHdfs | None:
        given = self.settings.webhdfs
        if given is False:
            return None
        addresses = [given.rstrip("/")] if isinstance(given, str) else [node.web for node in self._namenodes]
        return WebHdfs(
            addresses,
            self.authority,
            min(WEB_SECONDS, self.settings.namenode_timeout),
            self._counter,
            seconds_in_all=self.settings.data_timeout,
            failover_seconds=self.settings.namenode_timeout * RESERVED_FOR_FAILOVER,
        )

    def renew(self) -> None:
        """Take another native client from now on; calls that were left keep the old one to themselves."""
        settings = self.settings
        single = len(self._namenodes) == 1
        credentials = {name: getattr(settings, name) for name in CREDENTIALS}
        self._answered = False
        try:
            self._native = call_within(
                self.settings.namenode_timeout,
                partial(hdfs_native.Client, **credentials),
                f"hdfs://{self._namenodes[0].rpc if single else self.authority}",
                settings.native_properties(self._configuration, len(self._namenodes)),
                self._configuration.directory,
            )
        except Exception as error:  # noqa: BLE001 (mapped)
            raise error_from_native(error, f"hdfs://{self.authority}") from None

    @property
    def native(self) -> Any:
        """The client of hdfs-native; call its methods by ``ask`` and ``transfer``."""
        return self._native

    @property
    def addresses(self) -> list[str]:
        """``host:port`` of each namenode."""
        return [node.rpc for node in self._namenodes]

    @property
    def reaches_datanodes_by_host_name(self) -> bool:
        """Whether clients are to reach datanodes by their names instead of the numbers that the namenode knows."""
        return self._configuration.get("dfs.client.use.datanode.hostname").lower() == "true"

    def last_block_datanodes(self, path: str) -> list[Datanode]:
        """Return the datanodes of a file's last block; none where that cannot be told."""
        if self.webhdfs is None:
            return []
        try:
            return self.webhdfs.last_block_datanodes(path, by_host_name=self.reaches_datanodes_by_host_name)
        except RecordFSError:
            return []  # whoever asks waits for something else, which says in the end what is wrong

    def ask(self, operation: str, path: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return what a request to the namenode returns.

        Args:
            operation: Its name, for counting.
            path: As the caller of recordfs gave it, for errors.
            function: A method of ``native``.
            arguments: Its arguments.

        Raises:
            DeadlineExceededError: No answer came in time. A change that was asked for may have been made, or may still
                be made.
            CutOffError: The connection broke before the answer; as above.
            UnavailableError: So many calls before this one got no answer that it was not made.
            RecordFSError: What the namenode answered.
        """
        self._check_left_calls(path)
        self._counter.add(operation, requests=1)
        if not self._answered:
            self._check_reachable(path)
        try:
            result = call_within(self.settings.namenode_timeout, function, *arguments)
        except CallLeftError as left:
            self._left_calls.append(left.has_returned)
            self._last_left = time.monotonic()
            self.renew()
            raise DeadlineExceededError(
                f"the namenode ({', '.join(self.addresses)}) did not answer {operation} in "
                f"{self.settings.namenode_timeout:g} s{f'; {IN_DOUBT}' if operation in CHANGES else ''}",
                path=path,
            ) from None
        except Exception as error:  # noqa: BLE001 (mapped)
            mapped = self._noted(error, path)
            if isinstance(mapped, CutOffError) and operation in CHANGES:
                mapped = CutOffError(f"{mapped.message}; {operation} was under way, and {IN_DOUBT}", path=path)
            raise mapped from None
        self._answered = self._has_ever_answered = True
        return result

    def transfer(
        self,
        operation: str,
        path: str,
        seconds: float,
        function: Callable[..., Result],
        *arguments: Any,
        when_slow: Callable[[], None] | None = None,
    ) -> Result:
        """Return what a call returns that moves bytes to or from datanodes; ``when_slow`` as for ``call_within``.

        Raises:
            DeadlineExceededError: It took longer than this many seconds.
            RecordFSError: What went wrong.
        """
        self._counter.add(operation, requests=1)
        try:
            return call_within(seconds, function, *arguments, when_slow=when_slow)
        except CallLeftError:
            raise DeadlineExceededError(
                f"the datanodes did not carry out {operation} in {self.settings.data_timeout:g} s (data_timeout)",
                path=path,
            ) from None
        except Exception as error:  # noqa: BLE001 (mapped)
            raise self._noted(error, path) from None

    def read_blocks(self, path: str, reader: Any, start: int, end: int) -> bytes:
        """Return bytes of finished blocks; the range has to lie inside."""
        _outlive_inherited_connections()
        try:
            data: bytes = self.transfer(
                "readBlock", path, self.settings.data_timeout, reader.read_range, start, end - start
            )
        finally:
            _note_read()
        self._counter.add("readBlock", received=len(data))
        return data

    def stream_blocks(self, path: str, reader: Any, start: int, end: int) -> BlockStream:
        """Begin to read finished blocks from one place on; the range has to lie inside."""
        _outlive_inherited_connections()
        chunks: Any = self.transfer(
            "readBlock", path, self.settings.data_timeout, reader.read_range_stream, start, end - start
        )

        def note(size: int) -> None:
            _note_read()
            self._counter.add("readBlock", received=size)

        return BlockStream(chunks, start, note)

    def count_sent(self, operation: str, size: int) -> None:
        """Count bytes that were handed to datanodes."""
        self._counter.add(operation, sent=size)

    def _noted(self, error: Exception, path: str) -> RecordFSError:
        """Return recordfs's error, and look at the namenodes before the next request if they were not reached."""
        mapped = error_from_native(error, path, has_answered=self._has_ever_answered)
        if isinstance(mapped, UnavailableError):
            self._answered = False
        return mapped

    def _check_left_calls(self, path: str) -> None:
        """Raise if too many calls have been given up and not returned, the last of them just now."""
        if self._left_calls:
            self._left_calls = [has_returned for has_returned in self._left_calls if not has_returned()]
            since = time.monotonic() - self._last_left
            if len(self._left_calls) >= MOST_LEFT_CALLS and since < self.settings.namenode_timeout:
                raise UnavailableError(
                    f"the namenode ({', '.join(self.addresses)}) has left {len(self._left_calls)} calls without an "
                    f"answer; the next is made in {self.settings.namenode_timeout - since:.0f} s",
                    path=path,
                )

    def _check_reachable(self, path: str) -> None:
        """Raise if no namenode's host answers at all: a refusal is an answer, which the native client handles."""
        trouble: list[str] = []
        seconds = min(CONNECT_SECONDS, self.settings.namenode_timeout)
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            try:
                socket.create_connection((host, int(port)), timeout=seconds).close()
            except ConnectionRefusedError:
                return
            except (OSError, ValueError) as error:
                trouble.append(f"{address}: {error}")
            else:
                return
        raise UnavailableError(f"no namenode can be reached: {'; '.join(trouble)}", path=path)
