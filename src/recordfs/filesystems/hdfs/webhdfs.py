"""WebHDFS, for what the native client lacks: the block that is being written, and truncating files.

The namenode's web server answers, or sends the client on to a datanode. Source of names and answers: "WebHDFS REST API"
of Hadoop 3.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import ssl
import time
import urllib.parse
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import (
    DeadlineExceededError,
    OutOfRangeError,
    PermissionDeniedError,
    RecordFSError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems._json_fields import list_in, number_in, text_in
from recordfs.filesystems._object_store.broken_answers import reading_answer
from recordfs.filesystems.hdfs.datanodes import Datanode
from recordfs.filesystems.hdfs.errors import Cause, error_from_java

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from recordfs.filesystems._object_store.statistics import RequestCounter

__all__ = ["SpnegoWantedError", "WebHdfs", "WebHdfsUnreachableError"]

TRIES = 6
"""The namenode may send a request to a datanode that died a moment ago; it chooses another the next time, perhaps."""

PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
"""Before a request that the namenode cannot answer yet is sent again: the first times the number of tries."""

LOCATIONS = "GET_BLOCK_LOCATIONS"

LOCATION_SECONDS = 5.0
"""How long to wait for where a block is; whoever asks is in the middle of something else."""

LARGEST_ANSWER = 64 << 20
"""Bytes of JSON beyond which an answer is not believed."""

CHUNK = 1 << 20


class WebHdfsUnreachableError(UnavailableError):
    """No web server of HDFS answers, or none that lets this program in."""


class SpnegoWantedError(WebHdfsUnreachableError):
    """The web servers of HDFS want Kerberos, which is not spoken here."""


class _NotSentError(OSError):
    """No connection came about, so nothing can have been changed."""


class _Answer(NamedTuple):
    """What a server said: the ``length`` of a body is told where it was not read."""

    status: int
    location: str | None
    body: bytes
    length: int | None


class _Window(NamedTuple):
    """Which bytes of a file are wanted; ``length`` None only asks how many there are.

    ``skipped`` come before them in the answer of a gateway, which sends nobody on and was asked for an earlier place.
    """

    offset: int
    length: int | None
    skipped: int = 0

    def placed_in(self, url: str) -> str:
        """Return a datanode's address with this window in it."""
        parts = urllib.parse.urlsplit(url)
        query = [
            (name, value) for name, value in urllib.parse.parse_qsl(parts.query) if name not in ("offset", "length")
        ]
        query.append(("offset", str(self.offset)))
        if self.length is not None:
            query.append(("length", str(self.length)))
        return parts._replace(query=urllib.parse.urlencode(query)).geturl()


class WebHdfs:
    """The web servers of one nameservice. Safe to use from any thread and in any process: a connection a request.

    Requests are made as the user whom the native client takes when it is made: that of ``HADOOP_USER_NAME``, else the
    process's own, or "unknown" where the system has no name for it.

    Args:
        addresses: ``http://host:port`` or ``https://host:port`` of each namenode, or of an HttpFS gateway.
        authority: The nameservice, for the paths in errors.
        seconds: How long to wait for a connection, and for each piece of an answer.
        counter: Where requests are counted.
        seconds_in_all: How long one call may take, with all that is tried again in it.
        failover_seconds: How long to go on asking while another namenode becomes the active one, as the native client
            does.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        authority: str,
        seconds: float,
        counter: RequestCounter,
        *,
        seconds_in_all: float = 180.0,
        failover_seconds: float = 42.0,
    ) -> None:
        self.addresses = tuple(addresses)
        self._authority = authority
        self._seconds = seconds
        self._seconds_in_all = seconds_in_all
        self._failover_seconds = failover_seconds
        self._counter = counter
        self._active = 0
        self._user = {"user.name": os.environ.get("HADOOP_USER_NAME") or _process_user()}
        if proxied := os.environ.get("HADOOP_PROXY_USER"):
            self._user["doas"] = proxied

    def is_open(self, path: str, offset: int) -> bool:
        """Tell whether somebody has a file open for writing, or had when it died.

        ``offset`` keeps the answer short, which is about the blocks from there on.
        """
        answer = self._json("GET", path, LOCATIONS, offset=offset, length=1)
        with self._reading_answer(path):
            return bool(answer["LocatedBlocks"]["isUnderConstruction"])

    def last_block_datanodes(self, path: str, *, by_host_name: bool = False) -> list[Datanode]:
        """Return the datanodes that have, or are being sent, a file's last block; wait for 5 seconds at most."""
        answer = self._json("GET", path, LOCATIONS, LOCATION_SECONDS, offset=0, length=1)
        host = "hostName" if by_host_name else "ipAddr"
        with self._reading_answer(path):
            block = answer["LocatedBlocks"]["lastLocatedBlock"] or {}
            return [
                Datanode(text_in(node[host]), number_in(node["xferPort"]), number_in(node["infoPort"]))
                for node in list_in(block.get("locations", []))
            ]

    def truncate(self, path: str, length: int) -> bool:
        """Cut a file. False if the end of a block has still to be cut off, which the datanodes do in the background.

        Raises:
            DeadlineExceededError: The answer did not come. The file may have been cut, or may still be.
        """
        answer = self._json("POST", path, "TRUNCATE", newlength=length)
        with self._reading_answer(path):
            return bool(answer["boolean"])

    def read(self, path: str, offset: int, length: int, known_length: int) -> bytes:
        """Return up to ``length`` bytes as they were flushed last, ``b""`` at or past the end.

        Args:
            path: The file.
            offset: Where to begin.
            length: How many bytes at most.
            known_length: What the namenode says of the file's length. A flush need not have told it, and it sends
                nobody on who asks for more.
        """
        return self._open(path, offset, length, known_length).body

    def visible_length(self, path: str, known_length: int) -> int:
        """Return how many bytes of a file have been flushed; ``known_length`` as for ``read``."""
        offset = max(0, known_length - 1)
        answer = self._open(path, offset, None, known_length)
        if answer.length is None:
            raise UnknownError(
                "WebHDFS does not say how long its answer is, so the file's length is not known", path=path
            )
        return offset + answer.length

    def _open(self, path: str, offset: int, length: int | None, known_length: int) -> _Answer:
        asked = min(offset, max(0, known_length - 1))
        window = _Window(offset, length, skipped=offset - asked)
        try:
            return self._request("GET", path, {"op": "OPEN", "offset": str(asked)}, window)
        except OutOfRangeError:
            return _Answer(200, None, b"", 0)

    def _json(
        self, method: str, path: str, operation: str, seconds: float | None = None, **parameters: int
    ) -> dict[str, Any]:
        texts = {"op": operation, **{name: str(value) for name, value in parameters.items()}}
        body = self._request(method, path, texts, seconds=seconds).body
        try:
            answer: dict[str, Any] = json.loads(body)
        except (RecursionError, ValueError) as error:
            raise UnknownError(
                f"WebHDFS answered {operation} with no JSON: {body[:200]!r}", path=f"hdfs://{self._authority}{path}"
            ) from error
        return answer

    def _reading_answer(self, path: str) -> AbstractContextManager[None]:
        advice = f"what answers at {' or '.join(self.addresses)} is not WebHDFS"
        return reading_answer(f"hdfs://{self._authority}{path}", advice)

    def _request(
        self,
        method: str,
        path: str,
        parameters: dict[str, str],
        window: _Window | None = None,
        seconds: float | None = None,
    ) -> _Answer:
        """Ask the active namenode, and the datanode that it names, for an answer or a window of a file."""
        name = f"hdfs://{self._authority}{path}"
        trouble: Exception | None = None
        refused: UnavailableError | None = None
        excluded: list[str] = []
        deadline = time.monotonic() + (self._seconds_in_all if seconds is None else seconds)
        for attempt in count():
            if attempt and not self._may_try_again(attempt, deadline, fails_over=refused is not None):
                break
            address = self.addresses[(self._active + attempt) % len(self.addresses)]
            self._counter.add(f"WebHDFS {parameters['op']}", requests=1)
            location = None
            try:
                answer = self._exchange(method, self._url(address, path, parameters, excluded), window, deadline)
                if location := answer.location:
                    answer = self._follow(method, location, window, deadline)
            except (OSError, http.client.HTTPException) as error:
                if method != "GET" and not isinstance(error, _NotSentError):
                    raise DeadlineExceededError(
                        f"{address} did not answer {parameters['op']} ({error}); it may have been carried out, or may "
                        "still be: look before you try again",
                        path=name,
                    ) from error
                trouble = error
                # To tell the datanode takes a request, which sends nobody on; of one that does, it would ask for ever.
                if location is not None and parameters["op"] != LOCATIONS:
                    excluded += self._datanodes_at(location, path)
                continue
            refusal = self._error_of(answer, name)
            if refusal is None:
                self._active = self.addresses.index(address)
                self._counter.add(f"WebHDFS {parameters['op']}", received=len(answer.body))
                return answer
            if not isinstance(refusal, UnavailableError) or isinstance(refusal, WebHdfsUnreachableError):
                raise refusal
            refused = refusal
            excluded.clear()
            if attempt >= len(self.addresses):  # not only the wrong one of two namenodes
                time.sleep(min(PAUSE_SECONDS * attempt, LONGEST_PAUSE_SECONDS))
        if refused is not None:
            raise refused
        raise WebHdfsUnreachableError(
            f"WebHDFS cannot be reached at {' or '.join(self.addresses)} ({trouble})", path=name
        ) from trouble

    def _may_try_again(self, attempt: int, deadline: float, *, fails_over: bool) -> bool:
        """Tell whether there is to be one more try: a few, and where one of several namenodes answers, for longer."""
        now = time.monotonic()
        if attempt < max(TRIES, len(self.addresses)):
            return now < deadline
        began = deadline - self._seconds_in_all
        return fails_over and len(self.addresses) > 1 and now < min(deadline, began + self._failover_seconds)

    def _datanodes_at(self, location: str, path: str) -> list[str]:
        """Return the datanode of a web address by the name that ``excludedatanodes`` takes, if it can be told."""
        with contextlib.suppress(RecordFSError, ValueError):
            parts = urllib.parse.urlsplit(location)
            by_host_name = self.last_block_datanodes(path, by_host_name=True)
            return [
                str(by_number)
                for by_number, by_name in zip(self.last_block_datanodes(path), by_host_name, strict=False)
                if parts.hostname in (by_number.host, by_name.host) and parts.port == by_number.web_port
            ]
        return []

    def _follow(self, method: str, location: str, window: _Window | None, deadline: float) -> _Answer:
        """Ask the datanode that the namenode named."""
        try:
            _ = urllib.parse.urlsplit(location).port  # looked at only when it is asked for
        except ValueError as error:
            raise _NotSentError(f"sent on to an address that is none: {error}") from error
        if window is None:
            return self._exchange(method, location, None, deadline)
        return self._exchange(method, window.placed_in(location), window._replace(skipped=0), deadline)

    def _url(self, address: str, path: str, parameters: dict[str, str], excluded: list[str]) -> str:
        query = {**parameters, **self._user}
        if excluded:
            query["excludedatanodes"] = ",".join(excluded)
        return f"{address}/webhdfs/v1{urllib.parse.quote(path)}?{urllib.parse.urlencode(query)}"

    def _exchange(self, method: str, url: str, window: _Window | None, deadline: float) -> _Answer:
        parts = urllib.parse.urlsplit(url)
        seconds = max(0.1, min(self._seconds, deadline - time.monotonic()))
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=seconds, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
        try:
            try:
                connection.connect()
            except OSError as error:
                raise _NotSentError(str(error)) from error
            connection.request(method, f"{parts.path}?{parts.query}", headers={"Content-Length": "0"})
            with connection.getresponse() as response:
                return _answer_of(response, window, deadline)
        finally:
            connection.close()

    def _error_of(self, answer: _Answer, name: str) -> RecordFSError | None:
        if answer.status == 200:
            return None
        try:
            told = json.loads(answer.body)["RemoteException"]
            cause = Cause(str(told.get("javaClassName", "")).rpartition(".")[2], str(told.get("message", "")))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            if answer.status in (401, 403):
                return SpnegoWantedError(
                    f"WebHDFS at {' or '.join(self.addresses)} wants Kerberos (SPNEGO), which recordfs "
                    "does not support",
                    path=name,
                )
            return WebHdfsUnreachableError(
                f"what answers at {' or '.join(self.addresses)} is not WebHDFS (status {answer.status})", path=name
            )
        if "out of the range [0, " in cause.message or cause.message == "Cannot seek after EOF":
            return OutOfRangeError(cause.message, path=name)
        if answer.status == 401:
            return PermissionDeniedError(cause.message, path=name)
        return error_from_java(cause, name)


def _answer_of(response: http.client.HTTPResponse, window: _Window | None, deadline: float) -> _Answer:
    """Read what of an answer is wanted."""
    if response.status in (302, 307):
        return _Answer(response.status, response.getheader("Location"), b"", None)
    if response.status != 200:
        return _Answer(response.status, None, _body(response, CHUNK, deadline), None)
    if window is None:
        return _Answer(200, None, _body(response, LARGEST_ANSWER, deadline), None)
    if window.length is None:
        length = None if response.length is None else max(0, response.length - window.skipped)
        return _Answer(200, None, b"", length)
    left = window.skipped
    while left and (passed := response.read(min(left, CHUNK))):
        left -= len(passed)
    return _Answer(200, None, _body(response, window.length, deadline), None)


def _body(response: http.client.HTTPResponse, limit: int, deadline: float) -> bytes:
    """Return at most this many bytes of an answer; memory grows only with what comes.

    Raises:
        http.client.IncompleteRead: The connection broke before the answer's end, which http.client does not tell.
        TimeoutError: The deadline passed.
    """
    parts: list[bytes] = []
    promised = response.length
    wanted = left = limit if promised is None else min(limit, promised)
    while left and (part := response.read1(min(left, CHUNK))):  # what is here; read() would wait for all of it
        parts.append(part)
        left -= len(part)
        if left and time.monotonic() >= deadline:
            raise TimeoutError(f"only {wanted - left} bytes came in time")
    if left and promised is not None:
        raise http.client.IncompleteRead(b"", left)
    return b"".join(parts)


def _process_user() -> str:
    """Return the name under which the native client makes requests where the environment names none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "unknown"
