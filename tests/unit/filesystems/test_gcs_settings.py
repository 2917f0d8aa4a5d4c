"""How Google Cloud Storage is reached: endpoints, credentials, options, names of requests, and errors."""

import http.client
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import google.auth.exceptions
import pytest
import requests
from google.cloud.storage.exceptions import InvalidResponse

from recordfs.errors import (
    AbortedError,
    DataLossError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from recordfs.filesystems._object_store.object_maker import Source
from recordfs.filesystems._object_store.opening import NOTHING_KNOWN
from recordfs.filesystems.gcs import GCSFileSystem
from recordfs.filesystems.gcs.client import operation_of
from recordfs.filesystems.gcs.errors import error_from_sdk
from recordfs.filesystems.gcs.object_maker import GCSObjectMaker
from recordfs.filesystems.gcs.obstore_client import make_obstore
from recordfs.filesystems.gcs.settings import Settings

VARIABLES = (
    "STORAGE_EMULATOR_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "GCLOUD_PROJECT",
    "CLOUDSDK_CONFIG",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    # Neither the user's own credentials nor a metadata server are to be found.
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


def test_endpoints_are_taken_in_order(monkeypatch):
    assert Settings().endpoint() == (None, "the SDK's own configuration")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "localhost:4443")
    assert Settings().endpoint() == ("http://localhost:4443", "STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "https://emulator/")
    assert Settings().endpoint() == ("https://emulator", "STORAGE_EMULATOR_HOST")
    assert Settings(endpoint_url="mine:1").endpoint() == ("https://mine:1", "option endpoint_url")


def test_an_emulator_gets_no_credentials(monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "localhost:4443")
    described = GCSFileSystem().describe()
    assert described["endpoint"] == "http://localhost:4443 (STORAGE_EMULATOR_HOST)"
    assert "anonymous" in described["credentials"]
    assert GCSFileSystem(token="t").describe()["credentials"] == "option token"


def test_a_project_is_needed_only_to_list_buckets(monkeypatch):
    file_system = GCSFileSystem(anonymous=True)
    assert file_system.describe()["project"].startswith("none")
    with pytest.raises(FailedPreconditionError, match="project"):
        list(file_system.list_directory("gs://"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-environment")
    assert GCSFileSystem(anonymous=True).describe()["project"] == "from-environment"
    assert GCSFileSystem(anonymous=True, project="mine").describe()["project"] == "mine"


@pytest.fixture
def service_account(tmp_path):
    """The file of a service account, with a key of its own."""
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    from cryptography.hazmat.primitives import serialization

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "account.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "account-project",
                "private_key_id": "secret-key-id",
                "private_key": key.decode(),
                "client_email": "account@example.com",
                "token_uri": "https://oauth2.googleapis.com/token",
            }
        )
    )
    return str(path)


def test_credentials_are_found_and_named_but_not_shown(service_account, monkeypatch):
    described = GCSFileSystem(credentials_file=service_account).describe()
    assert described["credentials"] == "option credentials_file (oauth2.service_account)"
    assert described["project"] == "account-project"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", service_account)
    described = GCSFileSystem().describe()
    assert described["credentials"] == "GOOGLE_APPLICATION_CREDENTIALS (oauth2.service_account)"
    assert "secret" not in str(described)


def test_without_credentials_it_is_said_what_to_do(monkeypatch, tmp_path):
    described = GCSFileSystem(endpoint_url="https://store.example", project="p").describe()
    assert described["endpoint"] == "https://store.example (option endpoint_url)"
    assert described["project"] == "p"
    assert "gcloud auth application-default login" in described["credentials"]
    with pytest.raises(UnauthenticatedError, match="gcloud auth application-default login"):
        GCSFileSystem().file_exists("gs://bucket/x")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(UnauthenticatedError, match="missing"):
        GCSFileSystem().file_exists("gs://bucket/x")


class _TokenServer(BaseHTTPRequestHandler):
    """Gives out tokens that are soon to be renewed, as a virtual machine's metadata server too, and has no objects.

    It remembers what came with each request for one.
    """

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.posted.append(self.path)
        self.server.tokens += 1
        token = {"access_token": f"token-{self.server.tokens}", "expires_in": 60, "token_type": "Bearer"}
        self.answer(200, token | {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})

    def do_GET(self):
        metadata = self.path.partition("?")[0].removeprefix("/computeMetadata/v1/")
        if "/service-accounts/" in metadata and metadata.endswith("/"):
            self.answer(200, {"email": "vm@example.com", "scopes": ["all"], "aliases": ["default"]})
        elif metadata.endswith("/token"):
            self.do_POST()
        elif metadata == "project/project-id":
            self.answer(200, "vm-project")
        elif metadata == "/":
            self.answer(200, {})
        else:
            self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.answer(404, {"error": {"message": "none here"}})

    def answer(self, status, content):
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/text" if isinstance(content, str) else "application/json")
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """A server of tokens, which is asked for objects too."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _TokenServer) as running:
        running.tokens = 0
        running.seen = []
        running.posted = []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_both_clients_send_the_same_credentials_and_renew_them(service_account, server):
    url = f"http://127.0.0.1:{server.server_port}"
    with open(service_account) as file:
        account = json.load(file) | {"token_uri": f"{url}/token"}
    with open(service_account, "w") as file:
        json.dump(account, file)
    with GCSFileSystem(credentials_file=service_account, endpoint_url=url, user_project="payer") as file_system:
        for _ in range(2):
            assert not file_system.files_exist(["gs://bucket/x"])[0]
            with pytest.raises(NotFoundError):
                file_system._fetcher.fetch("bucket", "x", 0, 1, "1")
    looks = [(path, headers) for path, headers in server.seen if path.startswith("/storage/v1/b/bucket/o/x")]
    assert all("userProject=payer" in path for path, _ in looks)
    by_sdk = [headers for _, headers in looks]
    by_obstore = [(path, headers) for path, headers in server.seen if path.startswith("/bucket/x")]
    assert len(by_sdk) == len(by_obstore) == 2
    assert by_sdk[0]["authorization"].startswith("Bearer token-")
    # A token with a minute left is renewed before every request.
    assert by_sdk[0]["authorization"] != by_sdk[1]["authorization"]
    path, headers = by_obstore[0]
    assert path == "/bucket/x?generation=1"
    assert headers["authorization"].startswith("Bearer token-")
    assert headers["x-goog-user-project"] == "payer"
    assert headers["accept-encoding"] == "gzip"


ON_A_VIRTUAL_MACHINE = """
import json
from recordfs.filesystems.gcs import GCSFileSystem
from recordfs.filesystems.gcs.obstore_client import make_obstore
with GCSFileSystem() as file_system:
    described = file_system.describe()
    provider = make_obstore(file_system._clients, "bucket").credential_provider
    print(json.dumps([described["credentials"], described["project"], *(provider()["token"] for _ in range(2))]))
"""


def test_a_virtual_machine_has_the_credentials_of_its_metadata_server(server):
    # The SDK reads where the metadata server is when it is imported, so this takes a process of its own.
    address = f"127.0.0.1:{server.server_port}"
    environment = os.environ | {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address}
    del environment["NO_GCE_CHECK"]
    done = subprocess.run(
        [sys.executable, "-c", ON_A_VIRTUAL_MACHINE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    credentials, project, first, second = json.loads(done.stdout)
    assert credentials == "application default credentials (auth.compute_engine.credentials)"
    assert project == "vm-project"
    assert first.startswith("token-")
    assert first != second, "a token with a minute left is renewed"


def test_workload_identity_federation(monkeypatch, tmp_path, server):
    (tmp_path / "subject").write_text("secret subject token")
    configuration = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"http://127.0.0.1:{server.server_port}/token",
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    (tmp_path / "federation.json").write_text(json.dumps(configuration))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "federation.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "mine")  # else it is asked for at Google
    with GCSFileSystem() as file_system:
        described = file_system.describe()
        assert described["credentials"] == "GOOGLE_APPLICATION_CREDENTIALS (auth.identity_pool)"
        assert "secret" not in str(described)
        assert make_obstore(file_system._clients, "bucket").credential_provider()["token"] == "token-1"


def test_the_key_for_new_objects_goes_with_each_of_them(server):
    """Also with those that are composed."""
    url = f"http://127.0.0.1:{server.server_port}"
    with GCSFileSystem(kms_key_name="projects/p/key", endpoint_url=url, max_attempts=1) as file_system:
        maker = GCSObjectMaker(file_system._store, "bucket", "gs://bucket/x")
        with pytest.raises(UnavailableError, match="no generation"):
            maker.compose("x", NOTHING_KNOWN, [Source("y", "1")], size=1, crc=None, replaces=None)
        with pytest.raises(UnavailableError, match="no generation"):
            maker.insert("x", NOTHING_KNOWN, [], replaces=None)
    assert [path.partition("?")[0].rpartition("/")[2] for path in server.posted] == ["compose", "o"]
    assert all("kmsKeyName=projects%2Fp%2Fkey" in path for path in server.posted)


def test_anonymous_requests_carry_nothing_whatever_is_configured(monkeypatch, tmp_path, server):
    (tmp_path / "federation.json").write_text('{"type": "external_account"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "federation.json"))
    with GCSFileSystem(anonymous=True, endpoint_url=f"http://127.0.0.1:{server.server_port}") as file_system:
        assert not file_system.file_exists("gs://bucket/x")
        with pytest.raises(NotFoundError):
            file_system._fetcher.fetch("bucket", "x", 0, 1, "1")
    assert any(path.startswith("/bucket/x") for path, _ in server.seen)
    assert not any("authorization" in headers for _, headers in server.seen)


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "http://typo"},
        {"anonymous": True, "token": "t"},
        {"credentials_file": "f", "token": "t"},
        {"max_attempts": 0},
        {"anonymous": "false"},
        {"user_project": ""},
    ],
)
def test_options_that_can_never_work_are_refused_at_once(options):
    with pytest.raises(InvalidArgumentError):
        GCSFileSystem(**options)


def test_secrets_are_not_shown():
    shown = repr(Settings(token="secret-1", project="mine"))
    assert "secret" not in shown
    assert "mine" in shown


@pytest.mark.parametrize("path", ["gs://", "gs:///key"])
def test_a_path_without_a_bucket_names_no_file(path):
    with pytest.raises(InvalidArgumentError, match="bucket"):
        GCSFileSystem(anonymous=True).new_writable_file(path)


@pytest.mark.parametrize("question", ["file_exists", "get_children", "new_writable_file", "delete_recursively"])
def test_what_can_be_no_bucket_is_refused(question):
    with pytest.raises(InvalidArgumentError, match="Bucket names"):
        list(getattr(GCSFileSystem(anonymous=True), question)("gs://-bucket/x"))


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", "/storage/v1/b?project=p", "buckets.list"),
        ("GET", "/storage/v1/b/x?alt=json", "buckets.get"),
        ("GET", "/storage/v1/b/x/o?prefix=o/", "objects.list"),
        ("POST", "/upload/storage/v1/b/x/o?uploadType=multipart", "objects.insert"),
        ("PUT", "/upload/storage/v1/b/x/o?upload_id=1", "objects.insert"),
        ("GET", "/storage/v1/b/x/o/a%2Fb", "objects.get"),
        ("GET", "/download/storage/v1/b/x/o/a%2Fb?alt=media", "objects.get"),
        ("DELETE", "/storage/v1/b/x/o/a", "objects.delete"),
        ("PATCH", "/storage/v1/b/x/o/a", "objects.patch"),
        ("POST", "/storage/v1/b/x/o/a/compose", "objects.compose"),
        ("POST", "/storage/v1/b/x/o/a/rewriteTo/b/y/o/c", "objects.rewrite"),
        ("POST", "/token", "other"),
    ],
)
def test_requests_have_the_names_that_the_bill_uses(method, target, name):
    assert operation_of(method, f"https://storage.googleapis.com{target}") == name


def answered(status, body=b"", url="https://storage.googleapis.com/upload/x?upload_id=secret"):
    response = requests.Response()
    response.status_code = status
    response._content = body
    response.request = requests.Request("POST", url).prepare()
    return response


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidArgumentError),
        (401, UnauthenticatedError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (408, DeadlineExceededError),
        (409, AbortedError),
        (412, AbortedError),
        (416, OutOfRangeError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_answers_become_errors(status, kind):
    body = b'{"error": {"message": "said at https://host/o?upload_id=secret"}}'
    response = answered(status, body)
    mapped = error_from_sdk(InvalidResponse(response, "Request failed with status code", status), "gs://b/k")
    assert type(mapped) is kind
    assert mapped.path == "gs://b/k"
    assert "said at" in str(mapped)
    assert "secret" not in str(mapped)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            InvalidResponse(
                answered(400, b'{"error": {"message": "Provided CRC32C \\"x\\" doesn\'t match calculated CRC32C"}}'),
                "Request failed with status code",
            ),
            DataLossError,
        ),
        (requests.ConnectionError("url: /upload?upload_id=secret (reset)"), UnavailableError),
        (requests.exceptions.ChunkedEncodingError("broken"), UnavailableError),
        (requests.JSONDecodeError("no", "{", 0), UnavailableError),
        (requests.ConnectTimeout("slow"), DeadlineExceededError),
        (requests.ReadTimeout("slow"), DeadlineExceededError),
        (http.client.IncompleteRead(b""), UnavailableError),
        (google.auth.exceptions.TransportError(requests.ConnectionError("no route")), UnavailableError),
        (google.auth.exceptions.RefreshError("revoked"), UnauthenticatedError),
        (google.auth.exceptions.RefreshError("later", retryable=True), UnavailableError),
        (google.auth.exceptions.DefaultCredentialsError("none"), UnauthenticatedError),
        (NotFoundError("kept", path="gs://b/k"), NotFoundError),
    ],
)
def test_other_failures_become_errors(error, kind):
    mapped = error_from_sdk(error, "gs://b/k")
    assert type(mapped) is kind
    assert "secret" not in str(mapped)


@pytest.mark.parametrize("wrong", ["ftp://host", "http://", "http://[::1", "host:99999", "https://me:secret@host"])
def test_what_can_be_no_endpoint_is_refused_without_repeating_it(monkeypatch, wrong):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", wrong)
    with pytest.raises(InvalidArgumentError, match="STORAGE_EMULATOR_HOST") as caught:
        GCSFileSystem().stat("gs://bucket/key")
    assert "secret" not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="endpoint_url"):
        GCSFileSystem(endpoint_url=wrong).stat("gs://bucket/key")
