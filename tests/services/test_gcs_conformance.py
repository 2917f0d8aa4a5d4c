"""Google Cloud Storage keeps the contract.

Only on fake-gcs-server behind the strict proxy: gcp-storage-emulator serves one connection at a time, so whoever opens
a second one while the first is kept alive waits for ever. What it does right is tested in test_gcs_reading.py.
"""

import pytest

from recordfs.testing.conformance import FileSystemConformance

pytestmark = pytest.mark.service


class TestGCS(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, gcs, gcs_root):
        return gcs, f"{gcs_root}/some/root"
