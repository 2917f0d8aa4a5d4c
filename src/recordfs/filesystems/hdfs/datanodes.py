"""Datanodes: where they are, and whether they live. The native client is slow to notice a dead or a frozen one."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from typing import TYPE_CHECKING, NamedTuple, Self

from recordfs.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Datanode", "DatanodeWatch", "named_datanodes"]

CONNECT_SECONDS = 2.0
"""How long to wait for a datanode's host to answer."""

SILENT_SECONDS = 30.0
"""A datanode whose web server says nothing for so long is frozen. By then the namenode thinks so too (a heartbeat is
due each 3 seconds, and dfs.namenode.stale.datanode.interval is 30), and recovers a block without it."""

_QUESTION = b"GET / HTTP/1.0\r\n\r\n"
"""Anything that a web server answers, a secure one by refusing it."""

_SHOWN_BY_NATIVE = re.compile(r'ip_addr: "(?P<ip>[^"]*)", host_name: "(?P<host>[^"]*)".*?xfer_port: (?P<port>\d+)')


class Datanode(NamedTuple):
    """Where a datanode is.

    Attributes:
        host: By its name or number, as clients are to reach it.
        data_port: Where it takes and gives blocks.
        web_port: Where its web server is; 0 where that is not known.
    """

    host: str
    data_port: int
    web_port: int = 0

    def __str__(self) -> str:
        return f"{self.host}:{self.data_port}"

    def trouble(self) -> OSError | None:
        """Return why no connection comes about; None if one does, which is so for a frozen process too."""
        try:
            socket.create_connection((self.host, self.data_port), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            return error
        return None


def named_datanodes(text: str, *, by_host_name: bool) -> list[Datanode]:
    """Return the datanodes that the native client names in the text of an error."""
    host = "host" if by_host_name else "ip"
    return [Datanode(found[host], int(found["port"])) for found in _SHOWN_BY_NATIVE.finditer(text)]


class DatanodeWatch:
    """Looks at a block's datanodes now and then, while a call waits for them. For one thread; a context manager.

    Args:
        find: Returns the datanodes. What it raises ends the call too.
        name: The file's path, for errors.
    """

    def __init__(self, find: Callable[[], list[Datanode]], name: str) -> None:
        self._find = find
        self._name = name
        # The datanodes whose web servers were asked and have not answered, and since when.
        self._asked: dict[Datanode, tuple[socket.socket, float]] = {}

    def look(self) -> None:
        """Look at each datanode once; wait for no answer.

        Raises:
            UnavailableError: One cannot be reached, or has been silent for SILENT_SECONDS.
        """
        for datanode in self._find():
            if (trouble := datanode.trouble()) is not None:
                raise self._unavailable(datanode, f"cannot be reached ({trouble})")
            if datanode.web_port and self._silence(datanode) >= SILENT_SECONDS:
                raise self._unavailable(datanode, f"has answered nothing for {SILENT_SECONDS:g} s")

    def _unavailable(self, datanode: Datanode, what: str) -> UnavailableError:
        return UnavailableError(
            f"the datanode {datanode} {what}, and the namenode still sends writers to it", path=self._name
        )

    def _silence(self, datanode: Datanode) -> float:
        """Return for how many seconds a datanode has owed an answer; ask it if it owes none."""
        if datanode not in self._asked:
            try:
                asked = socket.create_connection((datanode.host, datanode.web_port), timeout=CONNECT_SECONDS)
            except OSError:
                return 0.0  # it has no web server that can be reached from here, which says nothing about its blocks
            self._asked[datanode] = (asked, time.monotonic())
            asked.setblocking(False)
            with contextlib.suppress(OSError):
                asked.sendall(_QUESTION)
            return 0.0
        asked, since = self._asked[datanode]
        try:
            asked.recv(1)
        except BlockingIOError:
            return time.monotonic() - since
        except OSError:
            pass  # it refuses, so it lives
        del self._asked[datanode]
        asked.close()
        return 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for asked, _since in self._asked.values():
            asked.close()
        self._asked.clear()
