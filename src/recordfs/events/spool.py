"""Spooling: every event goes to a local file at once, and from there to its event file as fast as the store takes it.

The local file, the *image*, has exactly the bytes that the event file is to have. It is removed when the event file is
complete. If the process dies before, what the event file lacks is still in the image, and ``resume_spools`` (or
``recordfs spool resume``, or the next writer with this policy) uploads it.

A spool is two files in the spool directory: ``<random>.image``, locked by its process as long as that lives, and
``<random>.json``, which says what event file it is for. Options of a filesystem are not kept there, for they may hold
secrets: a resumed upload uses those that are configured then.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import (
    AlreadyExistsError,
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    RecordFSError,
    UnavailableError,
    error_from_os_error,
)
from recordfs.events.names import new_file_name
from recordfs.events.output import USELESS, EventOutput, OutputOptions
from recordfs.events.worker import Worker
from recordfs.events.writer import open_new_file
from recordfs.filesystem.files import give_up
from recordfs.paths import basename, is_plain_name, join
from recordfs.records.repair import check_tail
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from recordfs.filesystem import FileSystem, WritableFile
    from recordfs.paths import PathInput

__all__ = ["SPOOL_SECONDS", "ResumedSpool", "SpoolingOutput", "resume_spools", "spool_directory"]

CHUNK = 1 << 20
"""Bytes that are read of an image at once."""

SPOOL_SECONDS = 1.0
"""Seconds after which an event is in its image at the latest: what a process that is killed loses."""

EAGER_BYTES = 256 << 10
"""So many new bytes go to the event file before it is time."""


def spool_directory() -> str:
    """Return where spools are: ``$RECORDFS_SPOOL_DIR``, else ``recordfs/spool`` in the user's directory for state."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.environ.get("RECORDFS_SPOOL_DIR") or os.path.join(state, "recordfs", "spool")


class _Image:
    """The image of an event file, from which a worker takes what is to be uploaded.

    It has the methods that a Worker expects of a queue; its counts are bytes.
    """

    dropped = 0

    def __init__(self, directory: str, target: str) -> None:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        stem = os.path.join(directory, os.urandom(8).hex())
        self.path, self._note = f"{stem}.image", f"{stem}.json"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._changed = threading.Condition()
        self._urgent = False
        self._read = self._told = 0
        self.added = 0
        self.note(target)

    def note(self, target: str, replaced: Sequence[str] = ()) -> None:
        """Write down what event file this is the image of, and which others it replaces: their names."""
        temporary = f"{self._note}.new"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"format": 1, "target": target, "process": os.getpid(), "replaced": list(replaced)}, file)
        os.replace(temporary, self._note)

    def append(self, data: bytes) -> None:
        """Write bytes to the end, all or, if it raises, none."""
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._file, data[done:], self.added + done)
        except OSError as error:
            raise error_from_os_error(error, self.path) from error
        with self._changed:
            self.added += len(data)
            if self.added - self._read >= EAGER_BYTES:
                self._changed.notify_all()

    def drain(self, framer: _Upload, patience: float) -> int:
        """Give the target the next bytes: at once if there are many, or after ``urge``; else after so many seconds.

        Returns:
            How many more the target has been given than after the last call; fewer, if it began again between them.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._urgent or self.added - self._read >= EAGER_BYTES, patience)
            begin, end = self._read, min(self.added, self._read + CHUNK)
        try:
            data = os.pread(self._file, end - begin, begin)
        except OSError as error:
            raise error_from_os_error(error, self.path) from error
        framer.take_in(data)
        end = begin + len(data)
        more, self._told = end - self._told, end
        with self._changed:
            self._read = end
            if end == self.added:
                self._urgent = False
        return more

    def rewind(self) -> None:
        """Begin again: the bytes are to go into another event file."""
        with self._changed:
            self._read = 0
            self._urgent = True

    def urge(self) -> None:
        """Have ``drain`` take what there is at once."""
        with self._changed:
            self._urgent = True
            self._changed.notify_all()

    def close(self) -> None:
        """Do nothing: who ends the upload has appended everything."""

    def reopen(self) -> None:
        """Do nothing: nothing is appended to a file that was ended."""

    def done(self) -> None:
        """Do nothing: the image is bounded by the event file."""

    def remove(self) -> None:
        """Delete it: its event file is complete."""
        for path in (self._note, self.path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        os.close(self._file)


class _Upload:
    """The event file that an image goes to. It has the methods that a Worker expects of an output."""

    wants_flush = False

    def __init__(self, options: OutputOptions, image: _Image, path: str, successors: dict[str, str]) -> None:
        self._options = options
        self._image = image
        self.path = path
        self._successors = successors
        self._file: WritableFile | None = None
        self._unsent = b""
        self._has_unflushed = False
        self._replaced: list[str] = []

    @property
    def framer(self) -> _Upload:
        return self

    @property
    def is_dirty(self) -> bool:
        return bool(self._unsent) or self._has_unflushed

    def take_in(self, data: bytes) -> None:
        self._unsent += data

    def open(self) -> WritableFile:
        if self._file is None:
            self._file = open_new_file(self._options.file_system, self.path)
        return self._file

    def write(self) -> None:
        if self._unsent:
            try:
                self.open().append(self._unsent)
            except USELESS as error:
                self._begin_again(error)
                raise
            self._unsent = b""
            self._has_unflushed = True

    def flush(self) -> None:
        self.write()
        if self._file is not None and self._has_unflushed:
            try:
                self._file.flush()
            except USELESS as error:
                self._begin_again(error)
                raise
            self._has_unflushed = False

    def close(self) -> None:
        self.write()
        try:
            self.open().close()
        except USELESS as error:
            self._begin_again(error)
            raise
        self._has_unflushed = False
        _delete_replaced(self._options.file_system, self.path, self._replaced, self._image.path)
        self._image.remove()

    def _begin_again(self, error: RecordFSError) -> None:
        """Upload the whole image to another file: this one takes nothing more.

        The whole, because the places in its index are those of the image. This one is deleted once the other is
        complete.
        """
        if self._file is not None:
            give_up(self._file, error)
        self._file = None
        self._unsent = b""
        self._has_unflushed = False
        old = self.path
        self._replaced.append(basename(old))
        self.path = join(self._options.logdir, new_file_name(self._options.suffix, after=basename(old)))
        self._successors[old] = self.path
        self._image.note(self.path, self._replaced)
        self._image.rewind()


class _SpooledFile:
    """An event file whose bytes go to an image first."""

    def __init__(self, options: OutputOptions, flush_seconds: float, after: str, successors: dict[str, str]) -> None:
        path = join(options.logdir, new_file_name(options.suffix, after=basename(after)))
        self._image = _Image(spool_directory(), path)
        self._upload = _Upload(options, self._image, path, successors)
        try:
            self._upload.open()
        except (UnavailableError, DeadlineExceededError, AlreadyExistsError):
            pass  # the worker tries again, and tells
        except BaseException:
            self._image.remove()
            raise
        self.worker = Worker(self._image, self._upload, flush_seconds, path)
        self.worker.start()
        self.is_ended = False

    @property
    def name(self) -> str:
        return self._upload.path

    def append(self, data: bytes) -> None:
        self._image.append(data)

    def flush(self) -> None:
        """Do nothing: the image has every byte, and its worker flushes the event file when it is time."""

    def close(self) -> None:
        self.worker.ask(close=True)
        self.is_ended = True


class SpoolingOutput(EventOutput):
    """Event files that are spooled: writing never waits for the store; ``settle`` does.

    Args:
        options: Where the files go, and what they are. Files are not ended for the sake of what a flush costs.
        flush_seconds: Seconds between two flushes of an event file that nobody asked for.
    """

    def __init__(self, options: OutputOptions, flush_seconds: float) -> None:
        self._spooled: list[_SpooledFile] = []
        self._spool_seconds = flush_seconds
        self._successors: dict[str, str] = {}
        """What replaced an event file that took nothing more. Each entry is made once, by the thread of its upload."""
        super().__init__(options._replace(resent_bytes=0), self._open_spooled)

    def _open_spooled(self, after: str) -> _SpooledFile:
        file = _SpooledFile(self._options, self._spool_seconds, after, self._successors)
        self._spooled.append(file)
        return file

    def present_paths(self) -> list[str]:
        """Return where the files so far are: those that replaced others in the place of these."""
        found = []
        for path in self.paths:
            while path in self._successors:
                path = self._successors[path]
            found.append(path)
        return found

    def settle(self, timeout: float | None = None) -> None:
        """Return when everything that was flushed is visible, and what was closed complete.

        Raises:
            DeadlineExceededError: It is not after so many seconds.
            What uploading failed with; the spool keeps the events.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for file in list(self._spooled):
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if file.is_ended:
                file.worker.finish(left)
                # A signal's handler may have settled it meanwhile.
                if file in self._spooled:
                    self._spooled.remove(file)
            else:
                file.worker.flush(left)


class ResumedSpool(NamedTuple):
    """What became of a spool.

    Attributes:
        path: The image.
        target: The event file.
        uploaded_bytes: How many bytes it lacked.
        error: Why it lacks them still; None if it is complete, and the spool removed.
    """

    path: str
    target: str
    uploaded_bytes: int
    error: RecordFSError | None


def resume_spools(
    directory: PathInput | None = None,
    *,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[ResumedSpool]:
    """Upload what processes that died have left in their spools; those of processes that live are left alone.

    Args:
        directory: The spool directory; ``spool_directory()``, if None.
        file_system: The filesystem of the event files, instead of the registered one.
        options: For the registered filesystem.

    Returns:
        What became of each spool. A failure does not keep the others from being tried.
    """
    place = spool_directory() if directory is None else os.fspath(directory)
    found = []
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.fsdecode(entry) for entry in os.listdir(place)):
            if name.endswith(".json"):
                image = os.path.join(os.fsdecode(place), f"{name.removesuffix('.json')}.image")
                resumed = _resume(image, file_system, options)
                if resumed is not None:
                    found.append(resumed)
    return found


def _resume(image: str, file_system: FileSystem | None, options: Mapping[str, Any] | None) -> ResumedSpool | None:
    """Complete the event file of one image; None if its process lives, or has just removed it."""
    note = f"{image.removesuffix('.image')}.json"
    try:
        with open(note, "rb") as file, open(image, "rb") as locked:
            try:
                fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            target, replaced = _read_note(file.read(), note)
            try:
                uploaded = _complete(image, target, replaced, file_system, options)
            except RecordFSError as error:
                return ResumedSpool(image, target, 0, error)
            os.unlink(note)
            os.unlink(image)
            return ResumedSpool(image, target, uploaded, None)
    except FileNotFoundError:
        return None
    except RecordFSError as error:
        return ResumedSpool(image, "", 0, error)
    except OSError as error:
        return ResumedSpool(image, "", 0, error_from_os_error(error, os.fsdecode(error.filename or image)))


def _read_note(text: bytes, note: str) -> tuple[str, list[str]]:
    """Return an image's event file, and the names of those beside it that it replaces."""
    try:
        content = json.loads(text)
        target, replaced = content["target"], content.get("replaced", [])
        if content["format"] != 1 or not isinstance(target, str) or not isinstance(replaced, list):
            raise ValueError("unknown format")
        if not all(isinstance(name, str) and is_plain_name(name) for name in replaced):
            raise ValueError("a file that it replaces is not beside its target")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidArgumentError(f"this is no note of a spool that can be read: {error}", path=note) from error
    return target, replaced


def _complete(
    image: str,
    target: str,
    replaced: Sequence[str],
    file_system: FileSystem | None,
    options: Mapping[str, Any] | None,
) -> int:
    """Give an event file the bytes of its image that it lacks; return how many these were."""
    store, path = resolve(target, file_system=file_system, options=options)
    uploaded = _upload_rest(image, store, path)
    _delete_replaced(store, path, replaced, image)
    return uploaded


def _delete_replaced(store: FileSystem, path: str, replaced: Sequence[str], image: str) -> None:
    """Delete event files whose events are all in the one that replaced them, which is complete.

    One that has other bytes than the image is somebody else's by now, and stays.
    """
    for name in replaced:
        old = join(path[: -len(basename(path))], name)
        with contextlib.suppress(NotFoundError), open(image, "rb") as source:
            present = store.stat(old).length
            if old != path and _is_prefix(source, store, old, present, os.path.getsize(image)):
                store.delete_file(old)


def _upload_rest(image: str, store: FileSystem, path: str) -> int:
    # The process may have died in the middle of a record, which is of no use to anybody.
    length = check_tail(image).sound_end
    is_there, present = True, 0
    try:
        present = store.stat(path).length
    except NotFoundError:
        is_there = False
    with open(image, "rb") as source:
        if present and not _is_prefix(source, store, path, present, length):
            # Somebody else's file, or one that was written on to: the events go beside it.
            path = join(path[: -len(basename(path))], new_file_name(after=basename(path)))
            is_there, present = False, 0
        if present >= length:
            return 0
        if present and not store.capabilities(path).append:
            path = join(path[: -len(basename(path))], new_file_name(after=basename(path)))
            is_there, present = False, 0
        source.seek(present)
        with _open_at(store, path, present, is_there=is_there) as file:
            left = length - present
            while left > 0 and (data := source.read(min(CHUNK, left))):
                file.append(data)
                left -= len(data)
    return length - present


def _open_at(store: FileSystem, path: str, present: int, *, is_there: bool) -> WritableFile:
    """Open an event file to write on after the bytes that it has."""
    if present:
        return store.new_appendable_file(path)
    # An empty file is what a process leaves that died before its first flush; it is not to be made, but filled.
    return store.new_writable_file(path) if is_there else open_new_file(store, path)


def _is_prefix(source: Any, store: FileSystem, path: str, present: int, length: int) -> bool:
    """Tell whether a file has the first bytes of an image, by its last 64 KiB."""
    if present > length:
        return False
    begin = max(0, present - (64 << 10))
    with store.new_random_access_file(path) as file:
        theirs = file.read(begin, present - begin)
    source.seek(begin)
    ours: bytes = source.read(present - begin)
    return theirs == ours
