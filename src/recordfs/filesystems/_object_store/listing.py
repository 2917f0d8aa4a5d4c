"""Listing flat keys as directories: one level with each name once, or a whole tree in parallel."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from recordfs.errors import UnknownError
from recordfs.filesystem import DirectoryEntry
from recordfs.filesystems._object_store.temporary import TEMPORARY_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["first_objects", "follow_pages", "list_objects", "list_one_level", "list_pages"]

MOST_IDLE_PAGES = 1000
"""So many in a row may bring nothing; each is a request."""


class _Progress:
    """Finds a listing out that goes round, or brings nothing for ever, in the memory of one page (Brent's algorithm).

    Args:
        path: What is listed, for errors.
        is_in_order: The pages, and what is on them, are known to come in the order of the names' bytes.
    """

    def __init__(self, path: str, *, is_in_order: bool) -> None:
        self._path = path
        self._is_in_order = is_in_order
        self._remembered: tuple[str | None, str | None] = (None, None)
        self._first: str | None = None
        self._pages = 0
        self._remembered_until = 1
        self._idle_in_a_row = 0

    def note(self, found: ObjectPage) -> None:
        """Take note of a page.

        Raises:
            UnknownError: It was there before.
        """
        keys, before = [info.key for info in found.objects[:1]], self._first
        first = min([*keys, *found.prefixes[:1]], key=str.encode, default=None)
        # A directory may be told once more on the page after it, an object may not.
        is_again = first is not None and first == before
        brings_nothing = first is None or (is_again and first not in keys)
        self._idle_in_a_row = self._idle_in_a_row + 1 if brings_nothing else 0
        self._first = first or before
        goes_back = bool(first and before and first.encode() < before.encode()) or (is_again and not brings_nothing)
        following, key = self._remembered
        goes_round = (following is not None and found.next_page == following) or (first in keys and first == key)
        if (goes_back and self._is_in_order) or goes_round or self._idle_in_a_row > MOST_IDLE_PAGES:
            raise UnknownError(
                f"the listing does not end: page {self._pages + 1} begins with {first!r} and names "
                f"{found.next_page!r} as the next, as a page before it. Does the server, or a cache in front of it, "
                "look at the query?",
                path=self._path,
            )
        self._pages += 1
        if self._pages == self._remembered_until:
            self._remembered = found.next_page, first
            self._remembered_until *= 2


def follow_pages(ask: Callable[[str | None], ObjectPage], path: str, *, is_in_order: bool) -> Iterator[ObjectPage]:
    """Iterate over the pages of anything that is listed.

    Args:
        ask: Returns the page of a name that the page before it gave, or of None the first.
        path: What is listed, for errors.
        is_in_order: The pages, and what is on them, are known to come in the order of the names' bytes.

    Raises:
        UnknownError: The pages go round, or back, or MOST_IDLE_PAGES bring nothing: the listing would never end.
    """
    progress = _Progress(path, is_in_order=is_in_order)
    page = None
    while True:
        found = ask(page)
        progress.note(found)
        yield found
        page = found.next_page
        if page is None:
            return


def list_pages(
    store: ObjectStore, bucket: str, prefix: str, *, delimiter: str = "", limit: int = 1000
) -> Iterator[ObjectPage]:
    """Iterate over the pages of a listing, each of at most ``limit`` objects and prefixes; raises as follow_pages."""
    # Servers like S3 do not all keep the order that they promise, so of these it is not asked.
    is_in_order = store.lists_in_order(bucket) and not store.features(bucket).is_doubted

    def ask(page: str | None) -> ObjectPage:
        return store.list_page(bucket, prefix, delimiter=delimiter, page=page, limit=limit)

    return follow_pages(ask, f"{store.scheme}://{bucket}/{prefix}", is_in_order=is_in_order)


def first_objects(store: ObjectStore, bucket: str, prefix: str, count: int) -> list[ObjectInfo]:
    """Return the first objects below a prefix, fewer than ``count`` only where there are no more.

    The services say that a page may be empty although others follow: the first one alone tells nothing.
    """
    return list(
        islice((info for page in list_pages(store, bucket, prefix, limit=count) for info in page.objects), count)
    )


def list_objects(store: ObjectStore, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
    """Iterate over every object below a prefix, in the store's order, page by page; raises as ``list_pages``."""
    for page in list_pages(store, bucket, prefix):
        yield from page.objects


def list_one_level(store: ObjectStore, bucket: str, prefix: str) -> Iterator[DirectoryEntry | None]:
    """Iterate over the children of a prefix ("" or ending with a slash), each name once.

    Yields:
        A DirectoryEntry for each child, as ``FileSystem.tree_lister`` shows them; None for the prefix's own marker and
        for temporary objects, which are no children but prove that the directory exists.

    A key that is also a prefix (``a`` beside ``a/b``) is a file ``a`` and a directory ``a/``. Such a pair may be apart
    by many keys (``a-1`` sorts between them), even on different pages, so the files whose prefix can still come are
    remembered; in key order these are few.
    """
    if store.lists_in_order(bucket):
        yield from _one_level_in_order(store, bucket, prefix)
    else:
        yield from _one_level_in_any_order(store, bucket, prefix)


def _one_level_in_any_order(store: ObjectStore, bucket: str, prefix: str) -> Iterator[DirectoryEntry | None]:
    """As list_one_level; remembers every name, and so tells of directories only at the end."""
    files: set[str] = set()
    directories: set[str] = set()
    for found in list_pages(store, bucket, prefix, delimiter="/"):
        for info in found.objects:
            name = info.key[len(prefix) :]
            files.add(name)
            yield _file_entry(name, info)
        directories.update(key[len(prefix) : -1] for key in found.prefixes)
    for name in sorted(directories):
        yield _directory_entry(name, beside_file=name in files)


def _one_level_in_order(store: ObjectStore, bucket: str, prefix: str) -> Iterator[DirectoryEntry | None]:
    """As list_one_level, in key order."""
    pending: list[str] = []  # file names, each a beginning of the one after it
    for found in list_pages(store, bucket, prefix, delimiter="/"):
        merged = [(info.key, info) for info in found.objects] + [(key, None) for key in found.prefixes]
        merged.sort(key=lambda item: item[0].encode())
        for key, info in merged:
            name = key[len(prefix) :]
            while pending and not name.startswith(pending[-1]):
                pending.pop()
            if info is not None:
                if name:
                    pending.append(name)
                yield _file_entry(name, info)
            else:
                yield _directory_entry(name[:-1], beside_file=name[:-1] in pending)


def _file_entry(name: str, info: ObjectInfo) -> DirectoryEntry | None:
    """Return the entry of an object; None for an empty one under the directory's own key, which only marks it."""
    if not name and not info.size:
        return None
    return info.entry(name)


def _directory_entry(name: str, *, beside_file: bool) -> DirectoryEntry | None:
    """Return the entry of a common prefix; None for the one that writers stage bytes under."""
    if name == TEMPORARY_DIRECTORY:
        return None
    return DirectoryEntry(f"{name}/" if name and beside_file else name, is_directory=True)
