"""A store in memory that counts what is read of it, and fails or waits where a test tells it to."""

from recordfs.errors import UnavailableError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile

__all__ = ["SECONDS", "CountingStore"]

SECONDS = 60
"""What waits here or for the background gives up after this."""


class CountingFile(WrapperRandomAccessFile):
    def __init__(self, inner, store):
        super().__init__(inner)
        self.store = store

    def _read_blocks(self, blocks):
        self.store.begin_read(self.name, blocks)
        return super()._read_blocks(blocks)


class CountingStore(WrapperFileSystem):
    """Memory that counts what is read, and fails or waits where it is told to."""

    def __init__(self):
        super().__init__(MemoryFileSystem())
        self.reads = []
        self.failing = {}
        self.waiting = {}
        self.listings_to_fail = 0
        self.listings = 0

    def tree_lister(self, top):
        self.listings += 1
        if self.listings_to_fail:
            self.listings_to_fail -= 1
            raise UnavailableError("no listing now", path=top)
        return super().tree_lister(top)

    def begin_read(self, path, blocks):
        for part, event in self.waiting.items():
            if part in path:
                event.wait(SECONDS)
        for part, error in self.failing.items():
            if part in path:
                raise error
        self.reads.append((path, sum(end - start for start, end in blocks)))

    def wrap_reader(self, file):
        return CountingFile(file, self)
