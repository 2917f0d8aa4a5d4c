"""Listing flat keys as directories: one level with each name once, or a whole tree in parallel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import UnknownError
from recordfs.filesystem import DirectoryEntry
from recordfs.filesystems._object_store.temporary import TEMPORARY_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["list_objects", "list_one_level", "list_pages"]


def list_pages(store: ObjectStore, bucket: str, prefix: str, *, delimiter: str = "") -> Iterator[ObjectPage]:
    """Iterate over the pages of a listing.

    Raises:
        UnknownError: A page names itself as the next one, so the listing would never end.
    """
    page = None
    while True:
        found = store.list_page(bucket, prefix, delimiter=delimiter, page=page)
        yield found
        if found.next_page is None:
            return
        if found.next_page == page:
            raise UnknownError(
                f"the listing of {prefix!r} in bucket {bucket} does not end: the page {page!r} names itself as the "
                "next one. Does the server, or a cache in front of it, look at the query?"
            )
        page = found.next_page


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
