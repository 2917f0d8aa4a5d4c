"""What every object store shares keeps the contract over a store in memory, by either mechanism of staging."""

import pytest

from recordfs.testing.conformance import FileSystemConformance
from recordfs.testing.object_store import SeededObjectFileSystem, SeededObjectStore, SeededPieces, SeededUpload


class TestSeededObjects(FileSystemConformance):
    @pytest.fixture(params=[SeededUpload, SeededPieces])
    def file_system_and_root(self, request):
        store = SeededObjectStore(upload_class=request.param, part_size=4 << 20, most_kept=1 << 20)
        return SeededObjectFileSystem(store), "seeded://bucket/some/root"
