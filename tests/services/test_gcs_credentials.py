"""Every way to have Google credentials serves the requests of both clients, google-cloud-storage and obstore.

Behind a proxy in the environment every host of Google is on loopback: one gives out tokens, and Cloud Storage is the
test server, which is asked only with the token that holds at that moment.
"""

import json
import os
import pickle
import time
import traceback

import pytest

from recordfs.errors import RecordFSError, UnauthenticatedError, UnavailableError
from recordfs.filesystems.gcs import GCSFileSystem
from support.recording_proxy import Authority, RecordingProxy, Reply, unused_port

pytestmark = pytest.mark.service

DATA = bytes(range(256)) * 64
TOKEN_HOSTS = ("oauth2.googleapis.com", "sts.googleapis.com")
REFUSED = b'{"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}}'


class Google:
    """What the hosts of Google answer.

    Attributes:
        token: The token that holds now.
        lifetime: Seconds until tokens that are given out end.
        issued: By which kind of request tokens were asked for.
    """

    def __init__(self, proxy):
        self.proxy = proxy
        self.token = "first-token"
        self.lifetime = 3600
        self.issued = []
        proxy.rule = self.answer

    def answer(self, request):
        if request.host.partition(":")[0] in TOKEN_HOSTS:
            self.issued.append(request.host)
            return self.issue()
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401, {"Content-Type": "application/json"}, REFUSED)
        return None

    def issue(self):
        token = {"access_token": self.token, "expires_in": self.lifetime, "token_type": "Bearer"}
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(token).encode())

    def metadata(self, request):
        """Answer as the metadata server of an instance."""
        flavour = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
        text = {**flavour, "Content-Type": "application/text"}
        if "/token" in request.target:
            self.issued.append("metadata")
            return Reply(200, flavour, self.issue().body)
        if "project-id" in request.target:
            return Reply(200, text, b"instance-project")
        if "universe" in request.target:
            return Reply(200, text, b"googleapis.com")
        if "service-accounts" in request.target:
            account = {"email": "instance@example.com", "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
            return Reply(200, flavour, json.dumps(account).encode())
        return Reply(200, flavour, b"")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    hosts = ["storage.googleapis.com", "iamcredentials.googleapis.com", *TOKEN_HOSTS]
    return Authority(str(tmp_path_factory.mktemp("authority")), hosts)


@pytest.fixture
def google(gcs_server, authority, tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("GOOGLE_", "GCE_", "GCLOUD_", "STORAGE_", "NO_GCE")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    (tmp_path / "gcloud").mkdir()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.certificate)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    with RecordingProxy(gcs_server.port, authority=authority, keep_host=False) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.endpoint)
        yield Google(proxy)


def service_account(directory, **others):
    """Write the file of a service account with a key of its own."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "account-project",
        "private_key_id": "key-id",
        "private_key": key.decode(),
        "client_email": "account@example.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        **others,
    }
    path = directory / "account.json"
    path.write_text(json.dumps(account))
    return path


def a_way(way, google, directory, monkeypatch):
    """Set a way up and return the word by which the filesystem tells it."""
    if way == "service account":
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(directory)))
        return "service_account"
    if way == "user":
        login = {"type": "authorized_user", "client_id": "id", "client_secret": "s3cret", "refresh_token": "r3fresh"}
        (directory / "gcloud" / "application_default_credentials.json").write_text(json.dumps(login))
        return "application default credentials (oauth2.credentials)"
    if way == "federation":
        (directory / "identity").write_text("an identity of another cloud")
        pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider"
        federation = {
            "type": "external_account",
            "audience": pool,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"file": str(directory / "identity")},
        }
        (directory / "federation.json").write_text(json.dumps(federation))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(directory / "federation.json"))
        return "identity_pool"
    return "compute_engine"


def use(file_system, path):
    """Write and look through google-cloud-storage, read through obstore."""
    with file_system.new_writable_file(path) as file:
        file.append(DATA)
    with file_system.new_random_access_file(path) as file:
        assert file.read(1000, 5000) == DATA[1000:6000]
    assert file_system.statistics()["GetRange"].requests == 1, "this read did not go through obstore"


@pytest.mark.parametrize("way", ["service account", "user", "federation", "instance"])
def test_application_default_credentials(google, gcs_root, tmp_path, monkeypatch, way):
    said = a_way(way, google, tmp_path, monkeypatch)
    with RecordingProxy(unused_port()) as metadata:
        metadata.rule = google.metadata
        if way == "instance":
            monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{metadata.port}")
            monkeypatch.setenv("GCE_METADATA_IP", f"127.0.0.1:{metadata.port}")
            # These two the SDK reads when it is imported, which another test may have done in another environment.
            monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", False)
            monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", f"127.0.0.1:{metadata.port}")
        with GCSFileSystem() as file_system:
            use(file_system, f"{gcs_root}/f")
            assert said in file_system.describe()["credentials"]
            assert "s3cret" not in str(file_system.describe())
    assert google.issued
    asked = [request for request in google.proxy.requests if request.host.startswith("storage.")]
    assert {request.headers.get("authorization") for request in asked} == {"Bearer first-token"}


def test_tokens_that_are_replaced_under_a_job_are_taken_up(google, gcs_root, tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path)))
    google.lifetime = 30  # so near its end a token is asked for anew before each use
    path = f"{gcs_root}/f"
    with GCSFileSystem() as file_system:
        with file_system.new_writable_file(path) as file:
            file.append(DATA)
        with file_system.new_random_access_file(path) as reader:
            assert reader.read(0, 100) == DATA[:100]
            google.token = "second-token"
            file_system.stat(path)
            read_until_renewed(reader)
            assert reader.read(7000, 100) == DATA[7000:7100]


def read_until_renewed(reader):
    """Read until obstore has asked again, a tenth of a second after it last did."""
    for _ in range(20):
        try:
            reader.read(5000, 100)
        except UnauthenticatedError:
            time.sleep(0.05)
        else:
            return


def test_a_token_as_option(google, gcs_root):
    with GCSFileSystem(token="first-token") as file_system:
        use(file_system, f"{gcs_root}/f")
    assert not google.issued
    with GCSFileSystem(token="wr0ng-token") as file_system:
        with pytest.raises(UnauthenticatedError) as caught:
            file_system.stat(f"{gcs_root}/f")
        assert "wr0ng" not in str(caught.value) + repr(caught.value)


def test_a_login_that_is_refused_is_said(google, gcs_root, tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path)))
    gone = b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}'
    google.proxy.rule = lambda request: Reply(400, {"Content-Type": "application/json"}, gone)
    with GCSFileSystem() as file_system, pytest.raises(UnauthenticatedError, match="invalid_grant"):
        file_system.stat(f"{gcs_root}/f")


def test_a_token_server_that_is_not_there(google, gcs_root, tmp_path, monkeypatch):
    nowhere = f"http://127.0.0.1:{unused_port()}/token"
    account = service_account(tmp_path, token_uri=nowhere)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    with GCSFileSystem(max_attempts=1) as file_system, pytest.raises(RecordFSError) as caught:
        file_system.stat(f"{gcs_root}/f")
    assert isinstance(caught.value, UnavailableError | UnauthenticatedError)


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (401, "UnauthenticatedError"),
        (403, "PermissionDeniedError"),
        (503, "UnavailableError"),
        (429, "UnavailableError"),
    ],
)
def test_refusals_have_their_class_through_both_clients(google, gcs_root, status, cls):
    path = f"{gcs_root}/f"
    with GCSFileSystem(token="first-token", max_attempts=2) as file_system:
        with file_system.new_writable_file(path) as file:
            file.append(DATA)
        reader = file_system.new_random_access_file(path)
        xml = b"<Error><Code>C</Code><Message>said</Message><Details>first-token</Details></Error>"
        message = json.dumps({"error": {"code": status, "message": "said"}}).encode()

        def refuse(request):
            # The JSON API, which google-cloud-storage speaks, and the XML API, which obstore speaks.
            if request.target.startswith("/storage/v1/"):
                return Reply(status, {"Content-Type": "application/json"}, message)
            return Reply(status, {"Content-Type": "application/xml"}, xml)

        google.proxy.rule = refuse
        for attempt in (lambda: file_system.stat(path), lambda: reader.read(0, 10)):
            with pytest.raises(RecordFSError) as caught:
                attempt()
            assert cls == type(caught.value).__name__, caught.value
            assert caught.value.path == path
            assert "first-token" not in str(caught.value)
        google.proxy.rule = google.answer
        reader.close()


def test_an_error_page_that_repeats_the_request_shows_no_token(google, gcs_root):
    token = "ya29.a-token-that-nobody-may-see"
    google.token = token
    path = f"{gcs_root}/f"
    with GCSFileSystem(token=token, max_attempts=1) as file_system:
        with file_system.new_writable_file(path) as file:
            file.append(DATA)
        reader = file_system.new_random_access_file(path)

        def echo(request):
            page = "".join(f"<p>{name}: {value}</p>" for name, value in request.headers.items())
            return Reply(403, {"Content-Type": "text/html"}, f"<html>{page}</html>".encode())

        google.proxy.rule = echo
        for attempt in (
            lambda: file_system.stat(path),
            lambda: reader.read(0, 10),
            lambda: list(file_system.list_directory(gcs_root)),
            lambda: file_system.delete_file(path),
        ):
            with pytest.raises(RecordFSError) as caught:
                attempt()
            shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
            shown += repr(pickle.dumps(caught.value))
            assert token not in shown
        google.proxy.rule = google.answer
        reader.close()
