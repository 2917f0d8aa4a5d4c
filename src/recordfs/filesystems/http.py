"""``http://`` and ``https://``: reading what web servers have, through fsspec's client.

A URL is a file; there are no directories and no listings, because HTML pages are no contract. What stands after the
host is sent as it is but for characters that no URL can hold.
"""

from __future__ import annotations

import threading
from typing import Any

from recordfs.errors import (
    AbortedError,
    InvalidArgumentError,
    MissingDependencyError,
    NotFoundError,
    RecordFSError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystem import FileStatistics, RandomAccessFile
from recordfs.filesystems._attempts import pause_after
from recordfs.filesystems._spooled_bytes import SpooledBytes
from recordfs.filesystems.read_only import ReadOnlyFileSystem
from recordfs.per_process import PerProcess
from recordfs.redaction import redacted_cause

try:
    import aiohttp  # fsspec imports it later, and says less if it is missing

    from recordfs.filesystems._fsspec_clients import FsspecClients
    from recordfs.filesystems._fsspec_errors import error_from_fsspec
except ImportError as missing:
    raise MissingDependencyError(
        'http:// and https:// need fsspec and aiohttp; pip install "recordfs[http]" brings them'
    ) from missing

__all__ = ["HttpFileSystem"]

_SPOOL_IN_MEMORY = 16 << 20

_CONCURRENT_RANGES = 16

_ATTEMPTS = 3
"""Requests for a range whose answer breaks off, or is shorter than it should be, before that is an error."""

_BROKEN_OFF = (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)


class HttpFileSystem(ReadOnlyFileSystem):
    """Files of web servers, read-only.

    An open file is the version that the server had when it was opened: every read sends the version's ETag (or, for
    want of a strong one, its time of modification), and a server that heeds these (nginx, Apache, S3 and most others
    do) makes a read of another version an AbortedError. An answer that breaks off or is too short is asked for three
    times, and is then an UnavailableError. A server without ranges is read once from front to end, into memory up to
    16 MiB and beyond that into a temporary file.

    Listing, and everything that writes, raises UnimplementedError. Connections are made per process.

    Args:
        options: What fsspec's ``HTTPFileSystem`` takes: ``headers={...}``, ``client_kwargs={"auth": ...}``,
            ``encoded=True`` for URLs that are percent-encoded already; and what aiohttp's requests take.

    Raises:
        InvalidArgumentError: An option is none of these.
    """

    def __init__(self, **options: Any) -> None:
        _check_options(options)
        super().__init__()
        self._headers: dict[str, str] = dict(options.get("headers") or {})
        # Of a compressed answer neither size nor ranges would be those of the file.
        self._headers.setdefault("Accept-Encoding", "identity")
        self._clients = FsspecClients("http", {**options, "headers": self._headers})

    def describe(self) -> dict[str, str]:
        """Return which of the options can hold credentials."""
        given = [name for name in ("headers", "client_kwargs") if self._options.get(name)]
        return {"credentials": f"from the option(s) {', '.join(given)}" if given else "none are given"}

    def stat(self, path: str) -> FileStatistics:
        """Return size (-1 if the server does not tell) and time of modification, by a HEAD request."""
        info = _info(self._clients, path)
        size = info.get("size")
        return FileStatistics(
            -1 if size is None else size, _time_of(info.get("Last-Modified")), False, _strong_tag(info)
        )

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a URL for reading."""
        info = _info(self._clients, path)
        headers = {**self._headers, **_condition(info)}
        ranges = info.get("size") is not None and info.get("partial", True)
        return _HttpFile(path, self._clients, info.get("size"), headers, ranges=ranges)

    def new_pinned_random_access_file(self, path: str, known: FileStatistics) -> RandomAccessFile:
        """Open the version that is known, without a request where it has an ETag."""
        if known.version is None or known.length < 0:
            return super().new_pinned_random_access_file(path, known)
        headers = {**self._headers, "If-Match": known.version}
        return _HttpFile(path, self._clients, known.length, headers, ranges=True)


def _info(clients: FsspecClients, path: str) -> dict[str, Any]:
    """Ask for a URL's headers; fsspec calls every failure "not found", and keeps the cause."""
    client, url = clients.resolve(path)
    try:
        info: dict[str, Any] = client.info(url)
    except FileNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, Exception):
            raise error_from_fsspec(cause, path) from redacted_cause(error)
        raise NotFoundError("the server has no such file", path=path) from redacted_cause(error)
    except Exception as error:  # noqa: BLE001 (raised below, without its secrets)
        raise error_from_fsspec(error, path) from redacted_cause(error)
    return info


def _check_options(options: dict[str, Any]) -> None:
    """Raise InvalidArgumentError for what neither fsspec nor aiohttp knows; they notice only at the first request."""
    import inspect  # slow to import, but fsspec has done it

    from fsspec.asyn import AsyncFileSystem
    from fsspec.implementations.http import HTTPFileSystem

    # Where aiohttp's requests come from: ClientSession.request forwards its keywords to it.
    takers: tuple[Any, ...] = (HTTPFileSystem.__init__, AsyncFileSystem.__init__, aiohttp.ClientSession._request)
    known = {name for taker in takers for name in inspect.signature(taker).parameters}
    known |= {"listings_expiry_time", "max_paths", "skip_instance_cache", "use_listings_cache"}
    known -= {"self", "args", "kwargs", "storage_options", "method", "str_or_url"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise InvalidArgumentError(f"unknown option(s) for http:// and https://: {', '.join(unknown)}")


def _condition(info: dict[str, Any]) -> dict[str, str]:
    """Return the header that makes a request fail if the file is no longer the one of ``info``."""
    tag = _strong_tag(info)
    if tag is not None:
        return {"If-Match": tag}
    if info.get("Last-Modified"):
        return {"If-Unmodified-Since": info["Last-Modified"]}
    return {}


def _strong_tag(info: dict[str, Any]) -> str | None:
    """Return the ETag, unless it is a weak one, which stays when bytes change that do not matter to a browser."""
    tag = info.get("ETag")
    return tag if tag and not tag.startswith("W/") else None


def _time_of(last_modified: str | None) -> int:
    """Return an HTTP date in nanoseconds since 1970; 0 if there is none."""
    from email.utils import parsedate_to_datetime

    if last_modified is None:
        return 0
    try:
        return int(parsedate_to_datetime(last_modified).timestamp()) * 1_000_000_000
    except ValueError:
        return 0


class _HttpFile(RandomAccessFile):
    """A URL open for reading; ``size`` None or ``ranges`` False makes it fetch the whole when first read."""

    def __init__(
        self, name: str, clients: FsspecClients, size: int | None, headers: dict[str, str], *, ranges: bool
    ) -> None:
        super().__init__(name)
        self._clients = clients
        self._length = size
        self._headers = headers
        self._ranges = ranges
        # Held while the whole is fetched: every reader of this file waits for that. A child that is forked meanwhile
        # has no thread that would let go of it, and a lock of its own.
        self._whole_lock: PerProcess[threading.Lock] = PerProcess(threading.Lock)
        self._whole: SpooledBytes | None = None
        self._fsspec_files: PerProcess[Any] = PerProcess(self._open_fsspec_file)

    def _read(self, offset: int, n: int) -> bytes:
        return self._read_blocks([(offset, offset + n)])[0]

    def _size(self) -> int:
        if self._length is None:
            with self._whole_lock.get():
                self._fetch_whole()
        assert self._length is not None
        return self._length

    def _close(self) -> None:
        with self._whole_lock.get():
            whole, self._whole = self._whole, None
        if whole is not None:
            whole.close()

    def _read_blocks(self, blocks: list[tuple[int, int]]) -> list[bytes]:
        """Fetch many ranges, several at a time."""
        if self._ranges:
            size = self._size()
            clamped = [(start, min(end, size)) for start, end in blocks]
            wanted = [block for block in clamped if block[0] < block[1]]
            try:
                found = iter(self._fetch_ranges(wanted))
            except _RangesRefusedError:
                self._ranges = False
            else:
                return [next(found) if start < end else b"" for start, end in clamped]
        with self._whole_lock.get():
            whole = self._fetch_whole()
            return [whole.read_at(start, end - start) for start, end in blocks]

    def _fetch_ranges(self, blocks: list[tuple[int, int]]) -> list[bytes]:
        """Fetch ranges that all lie within the file, some at a time."""
        import asyncio

        from fsspec.asyn import sync

        if not blocks:
            return []
        file = self._fsspec_files.get()
        gate = asyncio.Semaphore(_CONCURRENT_RANGES)

        async def fetch(start: int, end: int) -> bytes:
            data = b""
            async with gate:
                for attempt in range(_ATTEMPTS):
                    if attempt:
                        await asyncio.sleep(pause_after(attempt))
                    try:
                        data = await _fetch_range(file, self._headers, start, end)
                    except _BROKEN_OFF:
                        if attempt == _ATTEMPTS - 1:
                            raise
                    if len(data) == end - start:
                        break
            return data

        async def fetch_all() -> list[bytes]:
            return await asyncio.gather(*(fetch(start, end) for start, end in blocks))

        try:
            found: list[bytes] = sync(file.loop, fetch_all)
        except _RangesRefusedError:
            raise
        except Exception as error:  # noqa: BLE001 (raised below, without its secrets)
            raise self._translated(error) from redacted_cause(error)
        for (start, end), data in zip(blocks, found, strict=True):
            if len(data) != end - start:
                told = f"the server gave {len(data)} of {end - start} bytes at {start}"
                if self._is_unchanged():
                    raise UnavailableError(f"{told}, {_ATTEMPTS} times, of a file that is as it was", path=self._name)
                raise AbortedError(f"{told}: the file was replaced since it was opened; open it again", path=self._name)
        return found

    def _is_unchanged(self) -> bool:
        """Ask whether the server still has the version that was opened."""
        info = _info(self._clients, self._name)
        return info.get("size") == self._length and _condition(info).items() <= self._headers.items()

    def _translated(self, error: Exception) -> RecordFSError:
        if isinstance(error, _OtherRangeError):
            return UnknownError(str(error), path=self._name)
        if isinstance(error, _OtherVersionError) or getattr(error, "status", None) == 412:
            return AbortedError("the file was replaced since it was opened; open it again", path=self._name)
        return error_from_fsspec(error, self._name)

    def _open_fsspec_file(self) -> Any:
        """Return fsspec's file for this process; it makes no request."""
        client, url = self._clients.resolve(self._name)
        return client.open(url, "rb", size=self._length, cache_type="none", headers=self._headers)

    def _fetch_whole(self) -> SpooledBytes:
        """Fetch everything, once. The lock is held."""
        if self._whole is not None:
            return self._whole
        client, url = self._clients.resolve(self._name)
        whole = SpooledBytes(_SPOOL_IN_MEMORY)
        try:
            try:
                client.get_file(url, whole, headers=self._headers)
            except Exception as error:  # noqa: BLE001 (raised below, without its secrets)
                raise self._translated(error) from redacted_cause(error)
            size = whole.size()
            if self._length is not None and size != self._length:
                raise UnavailableError(f"the server gave {size} of {self._length} bytes", path=self._name)
        except BaseException:
            whole.close()
            raise
        self._length, self._whole = size, whole
        return whole


async def _fetch_range(file: Any, headers: dict[str, str], start: int, end: int) -> bytes:
    """Ask for a range, and return what came of it: fewer bytes where the file ends or the answer broke off.

    fsspec's own method takes whatever comes with status 206, and short pages with status 200, for the range.

    Args:
        file: fsspec's, for its session, address and options.
        headers: Of the request, with the version's condition.
        start: The first byte.
        end: After the last.

    Raises:
        _RangesRefusedError: What came is the whole file, or a page.
        _OtherRangeError: What came begins elsewhere.
        _OtherVersionError: What came is of another version than the condition names, which was not looked at.
    """
    options = {name: value for name, value in file.kwargs.items() if name != "headers"}
    asked = {**headers, "Range": f"bytes={start}-{end - 1}"}
    async with file.session.get(file.fs.encode_url(file.url), headers=asked, **options) as answer:
        if answer.status == 416:
            return b""
        answer.raise_for_status()
        for condition, told in (("If-Match", "ETag"), ("If-Unmodified-Since", "Last-Modified")):
            if condition in headers and answer.headers.get(told, headers[condition]) != headers[condition]:
                raise _OtherVersionError
        if answer.status != 206 and not (start == 0 and answer.content_length == end):
            raise _RangesRefusedError
        told = answer.headers.get("Content-Range")
        if told is not None and not told.strip().lower().startswith(f"bytes {start}-"):
            raise _OtherRangeError(f"asked for bytes {start} to {end}, found {told}: the server does not honour ranges")
        data = bytearray()
        while len(data) < end - start and (more := await answer.content.read(end - start - len(data))):
            data += more
        return bytes(data)


class _RangesRefusedError(Exception):
    """The server answers a request for a range with the whole file."""


class _OtherRangeError(Exception):
    """The server answers with another range."""


class _OtherVersionError(Exception):
    """The server answers with another version."""
