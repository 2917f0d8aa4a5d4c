"""Resumed spools: what dead processes left on this machine is uploaded to the event files that lack it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import NotFoundError, RecordFSError, error_from_os_error
from recordfs.events.names import new_file_name
from recordfs.events.spool import Spool, SpoolNote, delete_replaced, spool_directory, spool_stem
from recordfs.events.writer import open_new_file
from recordfs.paths import basename, join, parse_path
from recordfs.records.repair import check_tail
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from recordfs.filesystem import FileSystem, WritableFile
    from recordfs.paths import PathInput

    FindFileSystem: TypeAlias = Callable[[str], tuple[FileSystem, str]]

__all__ = ["ResumedSpool", "resume_in_background", "resume_spools"]

CHUNK = 1 << 20
"""Bytes that are read of an image at once."""


class ResumedSpool(NamedTuple):
    """What became of a spool.

    Attributes:
        path: The image.
        target: The event file; ``""`` if the spool does not say which.
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
    """Upload what dead processes left in their spools; the spools of live processes are left alone.

    Several processes may do so at once: each spool is resumed by one of them.

    Args:
        directory: The spool directory; ``spool_directory()``, if None.
        file_system: The filesystem of the event files, instead of the registered one.
        options: For the registered filesystem.

    Returns:
        What became of each spool. A failure does not keep the others from being tried.

    Raises:
        As listing a local directory does; one that is not there has no spools.
    """
    place = spool_directory() if directory is None else os.fsdecode(os.fspath(directory))
    return _resume_all(place, lambda target: resolve(target, file_system=file_system, options=options))


def resume_in_background(file_system: FileSystem, logdir: str) -> None:
    """Begin to upload what dead processes left, in a thread; what it cannot upload it logs and leaves.

    Args:
        file_system: The filesystem of event files that are where ``logdir`` is: of the same scheme, and bucket or
            host. All others go to the registered ones.
        logdir: The directory of a run.
    """
    place = parse_path(logdir)

    def find(target: str) -> tuple[FileSystem, str]:
        parsed = parse_path(target)
        is_there = (parsed.scheme, parsed.authority) == (place.scheme, place.authority)
        return resolve(target, file_system=file_system if is_there else None)

    def run() -> None:
        import logging

        logger = logging.getLogger("recordfs")
        try:
            for spool in _resume_all(spool_directory(), find):
                if spool.error is None:
                    logger.info("%s: %d bytes that a spool had were uploaded", spool.target, spool.uploaded_bytes)
                else:
                    logger.warning("%s: a spool cannot be uploaded and is kept: %s", spool.path, spool.error)
        except Exception as error:  # noqa: BLE001 - there is nobody to whom a thread could raise it
            logger.warning("%s: the spools here cannot be resumed: %s", spool_directory(), error)

    threading.Thread(target=run, name="recordfs-spools", daemon=True).start()


def _resume_all(directory: str, find: FindFileSystem) -> list[ResumedSpool]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise error_from_os_error(error, directory) from error
    stems = sorted({stem for stem in map(spool_stem, names) if stem is not None})
    resumed = (_resume(os.path.join(directory, f"{stem}.image"), find) for stem in stems)
    return [spool for spool in resumed if spool is not None]


def _resume(image: str, find: FindFileSystem) -> ResumedSpool | None:
    """Complete the event file of one image; None if its process lives, or if nothing is missing."""
    target = ""
    try:
        spool = Spool.take(image)
        if spool is None:
            return None
        try:
            try:
                note = spool.read_note()
            except NotFoundError:
                if spool.size:
                    raise
                # Its process died before it promised anything.
                spool.remove()
                return None
            target = note.target
            note, uploaded = _complete(spool, note, find)
            spool.remove()
            return ResumedSpool(image, note.target, uploaded, None)
        finally:
            spool.close()
    except RecordFSError as error:
        return ResumedSpool(image, target, 0, error)
    except OSError as error:
        return ResumedSpool(image, target, 0, error_from_os_error(error, os.fsdecode(error.filename or image)))


def _complete(spool: Spool, note: SpoolNote, find: FindFileSystem) -> tuple[SpoolNote, int]:
    """Give an event file the bytes of its image that it lacks; return which it is, and how many these were."""
    # The process may have died in the middle of a record, which is of no use to anybody.
    length = check_tail(spool.path).sound_end
    file_system, path = find(note.target)
    present = _present_bytes(file_system, path)
    if present and not (
        spool.begins_with(file_system, path, present) and _can_grow(file_system, path, present, length)
    ):
        # Somebody else's file, one that was written on to, or one that cannot grow: the events go beside it. The note
        # says so before there is such a file, so that who resumes this, if it fails, goes on with that.
        path = join(path[: -len(basename(path))], new_file_name(after=basename(path)))
        note = note._replace(target=note.target).redirected(path)
        spool.write_note(note)
        present = None
    uploaded = length - (present or 0)
    if uploaded > 0:
        with _open_at(file_system, path, present) as file:
            for offset in range(present or 0, length, CHUNK):
                file.append(spool.read(offset, min(CHUNK, length - offset)))
    delete_replaced(spool, file_system, path, note.replaced)
    return note, max(0, uploaded)


def _present_bytes(file_system: FileSystem, path: str) -> int | None:
    """Return the size of a file; None if it is not there."""
    try:
        return file_system.stat(path).length
    except NotFoundError:
        return None


def _can_grow(file_system: FileSystem, path: str, present: int, length: int) -> bool:
    return present >= length or file_system.capabilities(path).append


def _open_at(file_system: FileSystem, path: str, present: int | None) -> WritableFile:
    """Open an event file to write on after the bytes that it has."""
    if present:
        return file_system.new_appendable_file(path)
    # An empty file is what a process leaves that died before its first flush; it is not to be made, but filled.
    return file_system.new_writable_file(path) if present == 0 else open_new_file(file_system, path)
