"""Prefixes on Google Cloud Storage are deleted and renamed as a whole, and what could not be is reported in full."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from recordfs import operations
from recordfs.errors import FailedPreconditionError, PermissionDeniedError
from recordfs.filesystems.gcs import GCSFileSystem
from support.recording_proxy import RecordingProxy, Reply

pytestmark = pytest.mark.service

FORBIDDEN = b'{"error": {"code": 403, "message": "not this one", "errors": [{"reason": "forbidden"}]}}'


@pytest.fixture
def proxy(gcs_server):
    with RecordingProxy(gcs_server.port) as proxy:
        yield proxy


def test_more_than_one_page_and_more_failures_than_are_kept(proxy, gcs_root):
    with GCSFileSystem(endpoint_url=proxy.endpoint, project="test") as file_system:
        names = [f"{number % 10}/{number:04d}" for number in range(1_050)]

        def put(name):
            with file_system.new_writable_file(f"{gcs_root}/{name}") as file:
                file.append(b"x")

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(put, names))
        assert len(operations.glob(f"{gcs_root}/**/[0-9]???", recursive=True, file_system=file_system)) == 1_050

        # Every object of which the number ends with 7 may not be deleted.
        proxy.rule = lambda request: (
            Reply(403, {"Content-Type": "application/json"}, FORBIDDEN)
            if request.method == "DELETE" and request.target.partition("?")[0].endswith("7")
            else None
        )
        with pytest.raises(FailedPreconditionError, match="105 object") as caught:
            file_system.rename_file(gcs_root, f"{gcs_root}-moved")
        assert len(caught.value.failures) == 100
        assert all(path.startswith(gcs_root) for path, _ in caught.value.failures)
        assert len(operations.glob(f"{gcs_root}/*/*", file_system=file_system)) == 105
        assert len(operations.glob(f"{gcs_root}-moved/*/*", file_system=file_system)) == 1_050

        with pytest.raises(FailedPreconditionError, match="105 file") as caught:
            file_system.delete_recursively(f"{gcs_root}-moved")
        assert caught.value.undeleted_files == 105
        assert all(isinstance(error, PermissionDeniedError) for _, error in caught.value.failures)
        proxy.rule = lambda request: None
        file_system.delete_recursively(f"{gcs_root}-moved")
        assert not file_system.file_exists(f"{gcs_root}-moved")
