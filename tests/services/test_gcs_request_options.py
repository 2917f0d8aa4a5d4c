"""What goes with requests to Google Cloud Storage by option: who pays, and with which key new objects are encrypted."""

from urllib.parse import parse_qs, urlsplit

import pytest

from recordfs.filesystems.gcs import GCSFileSystem
from support.recording_proxy import RecordingProxy

pytestmark = pytest.mark.service

MIB = 1 << 20
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"


@pytest.fixture
def proxy(gcs_server):
    with RecordingProxy(gcs_server.port) as proxy:
        yield proxy


def do_everything(file_system, root):
    """Send every kind of request that has to do with objects."""
    small, large = f"{root}/d/small", f"{root}/d/large"
    with file_system.new_writable_file(small) as file:
        file.append(b"small")
    with file_system.new_writable_file(large) as file:
        file.append(bytes(3 * MIB))
        file.flush()
        file.append(b"more")
        file.flush()
    with file_system.new_random_access_file(small) as file:
        assert file.read(1, 3) == b"mal"
    file_system.copy_file(small, f"{root}/d/copy")
    file_system.create_dir(f"{root}/d/empty")
    file_system.rename_file(f"{root}/d", f"{root}/e")
    file_system.delete_file(f"{root}/e/copy")
    file_system.delete_recursively(f"{root}/e")
    assert not file_system.file_exists(f"{root}/e")


def query(request):
    return parse_qs(urlsplit(request.target).query)


def test_a_project_pays_for_every_request(proxy, gcs_root):
    with GCSFileSystem(endpoint_url=proxy.endpoint, project="test", user_project="payer") as file_system:
        do_everything(file_system, gcs_root)
        assert file_system.describe()["pays"] == "payer"
        assert file_system.statistics()["GetRange"].requests == 1
    unpaid = [
        (request.method, request.target)
        for request in proxy.requests
        if "payer" not in (*query(request).get("userProject", ()), request.headers.get("x-goog-user-project"))
        # Going on with an upload needs nothing but its address; a batch holds requests of its own.
        and "upload_id" not in query(request)
        and not request.target.startswith("/batch")
    ]
    assert not unpaid


def test_new_objects_are_encrypted_with_the_key(proxy, gcs_root):
    with GCSFileSystem(endpoint_url=proxy.endpoint, project="test", kms_key_name=KEY) as file_system:
        do_everything(file_system, gcs_root)
    made = [
        request
        for request in proxy.requests
        if request.method == "POST"
        and "upload_id" not in query(request)
        and ("/upload/" in request.target or "/compose" in request.target or "/rewriteTo/" in request.target)
    ]
    assert {"compose" in request.target for request in made} == {True, False}
    named = {"kmsKeyName", "destinationKmsKeyName"}
    bare = [request.target for request in made if [KEY] not in [query(request).get(name) for name in named]]
    assert not bare
