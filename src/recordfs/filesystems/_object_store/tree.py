"""Listing a whole tree for one walk, or many directories, without waiting for one directory after the other.

A tree of up to FLAT_PAGES pages is listed flat, without regard to directories: a request for a thousand keys, however
many directories they are in. A larger one is listed directory by directory, those that a walk will come to next in
parallel, so that memory stays bounded.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from recordfs.errors import NotFoundError, PermissionDeniedError
from recordfs.filesystem import DirectoryEntry
from recordfs.filesystems._object_store.listing import list_pages
from recordfs.filesystems._object_store.temporary import TEMPORARY_DIRECTORY
from recordfs.filesystems._object_store.threads import shared_pool
from recordfs.paths import join_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.store import ObjectStore

    ListDirectory = Callable[[str], Iterable[DirectoryEntry]]
    # The children of each prefix: files under their name, directories under theirs and a slash.
    Tree = dict[str, dict[str, DirectoryEntry]]

__all__ = ["SeriesLister", "TreeLister"]

FLAT_PAGES = 20
"""20,000 keys take some 10 MB, and two seconds where a request takes a tenth of one."""

IN_FLIGHT = 16
"""Listings on their way at once."""

MOST_AHEAD = 500
"""Directories listed, or on their way, that the walk has not come to."""


class TreeLister:
    """Lists the directories of a tree as a walk comes to them, each before those below it. For one thread.

    Args:
        store: The requests.
        bucket: The bucket's name.
        prefix: What the keys of the tree begin with: "" or ending with a slash.
        prefix_of: Returns the bucket and the prefix that a path names.
        list_directory: Lists one directory, with what only a tree shows, and knows the errors.
    """

    def __init__(
        self,
        store: ObjectStore,
        bucket: str,
        prefix: str,
        prefix_of: Callable[[str], tuple[str, str]],
        list_directory: ListDirectory,
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._prefix = prefix
        self._prefix_of = prefix_of
        self._list_directory = list_directory
        self._was_read = False
        self._tree: Tree | None = None
        self._ahead: dict[tuple[str, str], Future[list[DirectoryEntry]]] = {}
        self._waiting: deque[str] = deque()

    def __call__(self, directory: str) -> Iterable[DirectoryEntry]:
        """Return the children of a directory; raises as ``list_directory``."""
        if not self._was_read:
            self._was_read = True
            self._tree = self._read_flat()
        place = self._prefix_of(directory)
        if self._tree is None:
            return self._take(directory, place)
        if place[0] == self._bucket and place[1] in self._tree:
            return self._tree[place[1]].values()
        return self._list_directory(directory)

    # Small trees

    def _read_flat(self) -> Tree | None:
        """List all keys of the tree, or return None if they are too many, or may only be listed level by level."""
        tree: Tree = {}
        try:
            for found in islice(list_pages(self._store, self._bucket, self._prefix), FLAT_PAGES):
                for info in found.objects:
                    self._add(tree, info)
                if found.next_page is None:
                    return tree
        except (PermissionDeniedError, NotFoundError):
            pass  # list_directory says better what is missing
        return None

    def _add(self, tree: Tree, info: ObjectInfo) -> None:
        """Put an object and the directories above it into a tree."""
        above, _, name = info.key.rpartition("/")
        place = f"{above}/" if above or info.key[:1] == "/" else ""
        if place not in tree and not self._add_directories(tree, place):
            return
        if name or info.size:
            tree[place][name] = info.entry(name)
            directory = tree[place].get(f"{name}/")
            if directory is not None and name:  # a store that does not list in order
                tree[place][f"{name}/"] = directory._replace(name=f"{name}/")

    def _add_directories(self, tree: Tree, place: str) -> bool:
        """Put the directories on the way to a prefix into a tree, under their name and a slash.

        Returns False where one of them is a writer's, which listings do not show.
        """
        here = self._prefix
        children = tree.setdefault(here, {})
        for name in place[len(here) :].split("/")[:-1]:
            if name == TEMPORARY_DIRECTORY:
                return False
            if f"{name}/" not in children:
                shown = f"{name}/" if name and name in children else name
                children[f"{name}/"] = DirectoryEntry(shown, is_directory=True)
            here += f"{name}/"
            children = tree.setdefault(here, {})
        return True

    # Large trees

    def _take(self, directory: str, place: tuple[str, str]) -> list[DirectoryEntry]:
        """Return a listing, waited for if it is on its way, and have those on their way that come next."""
        listing = self._ahead.pop(place, None)
        if listing is None:
            if len(self._ahead) >= MOST_AHEAD:
                self._forget()  # the walk has gone elsewhere
            if self._waiting and self._prefix_of(self._waiting[0]) == place:
                self._waiting.popleft()  # the walk was faster
            entries = list(self._list_directory(directory))
        else:
            entries = listing.result()
        self._waiting.extendleft(
            join_entry(directory, entry.name, is_directory=True) for entry in reversed(entries) if entry.is_directory
        )
        running = sum(not listing.done() for listing in self._ahead.values())
        while self._waiting and running < IN_FLIGHT and len(self._ahead) < MOST_AHEAD:
            path = self._waiting.popleft()
            self._ahead[self._prefix_of(path)] = shared_pool().submit(self._list_whole, path)
            running += 1
        return entries

    def _list_whole(self, directory: str) -> list[DirectoryEntry]:
        return list(self._list_directory(directory))

    def _forget(self) -> None:
        """Let go of what was listed ahead."""
        for listing in self._ahead.values():
            listing.cancel()
        self._ahead.clear()
        self._waiting.clear()


class SeriesLister:
    """Lists the directories that it was given as they are asked for in their order, the next ones on their way.

    For one thread.

    Args:
        directories: What will be asked for.
        list_directory: Lists one directory.
    """

    def __init__(self, directories: Sequence[str], list_directory: ListDirectory) -> None:
        self._waiting = deque(directories)
        self._list_directory = list_directory
        self._ahead: dict[str, Future[list[DirectoryEntry]]] = {}

    def __call__(self, directory: str) -> Iterable[DirectoryEntry]:
        """Return the children of a directory; raises as ``list_directory``."""
        while self._waiting and len(self._ahead) < IN_FLIGHT:
            path = self._waiting.popleft()
            self._ahead[path] = shared_pool().submit(self._list_whole, path)
        listing = self._ahead.pop(directory, None)
        return self._list_directory(directory) if listing is None else listing.result()

    def _list_whole(self, directory: str) -> list[DirectoryEntry]:
        return list(self._list_directory(directory))
