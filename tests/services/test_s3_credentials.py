"""Every way in which people have credentials serves the requests of both clients, boto3's and obstore's."""

import hashlib
import json
import sys
import time

import pytest

from recordfs.errors import UnauthenticatedError
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.s3 import S3FileSystem
from recordfs.filesystems.s3.client import Clients
from recordfs.filesystems.s3.obstore_client import CredentialProvider
from recordfs.filesystems.s3.settings import Settings
from support.account_server import BUCKET, REGION, ROLE, write_settings
from support.credential_service import CONTAINER_TOKEN, CredentialService
from support.servers import ACCESS_KEY, SECRET_KEY

pytestmark = pytest.mark.service

DATA = bytes(range(256)) * 64


def assert_both_clients_get_in(file_system, path):
    """Write and look through boto3, read through obstore."""
    with file_system.new_writable_file(path) as file:
        file.append(DATA)
    with file_system.new_random_access_file(path) as file:
        assert file.read(1000, 5000) == DATA[1000:6000]
    assert file_system.statistics()["GetRange"].requests == 1, "this read did not go through obstore"


# Keys that do not end


def test_keys_in_the_environment(home, s3_server, root, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    with S3FileSystem(endpoint_url=s3_server.endpoint) as file_system:
        assert_both_clients_get_in(file_system, f"{root}/f")
        assert file_system.describe()["credentials"] == "env"


@pytest.mark.parametrize("by", ["AWS_PROFILE", "option"])
def test_the_credentials_of_a_profile_are_used_by_both_clients(home, s3_server, root, monkeypatch, by):
    write_settings(
        home,
        config="[profile work]\nregion = us-east-1\n",
        credentials=f"""
            [work]
            aws_access_key_id = {ACCESS_KEY}
            aws_secret_access_key = {SECRET_KEY}
            [default]
            aws_access_key_id = somebody
            aws_secret_access_key = else
        """,
    )
    options = {}
    if by == "AWS_PROFILE":
        monkeypatch.setenv("AWS_PROFILE", "work")
    else:
        # Keys in the environment stand behind a profile that is asked for in code; obstore would take them.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        options["profile_name"] = "work"
    with S3FileSystem(endpoint_url=s3_server.endpoint, **options) as file_system:
        assert_both_clients_get_in(file_system, f"{root}/f")
        described = file_system.describe()
        assert described["credentials"] == "shared-credentials-file"
        assert described["profile"] == "work"
        assert SECRET_KEY not in str(described)


def test_keys_as_options_win_over_the_environment(home, s3_server, root, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "wrong")
    options = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    with S3FileSystem(endpoint_url=s3_server.endpoint, **options) as file_system:
        assert_both_clients_get_in(file_system, f"{root}/f")
        assert file_system.describe()["credentials"] == "explicit"


# Keys that end, each with a session token without which the server refuses them


def temporary_ways(home, monkeypatch, accounts, service):
    """Return, for each way, what sets it up, what the SDK calls it, and which service is asked."""

    def process():
        script = home / "login.py"
        keys = service.keys
        told = {"Version": 1, **keys, "SessionToken": keys["Token"], "Expiration": service.end.isoformat()}
        script.write_text(f"print({json.dumps(told)!r})")
        write_settings(home, config=f"[default]\ncredential_process = {sys.executable} {script}\n")

    def assumed_role():
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", accounts.endpoint)
        write_settings(
            home,
            config=f"""
                [profile trainer]
                role_arn = {ROLE}
                source_profile = default
                region = {REGION}
            """,
            credentials=f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n",
        )
        monkeypatch.setenv("AWS_PROFILE", "trainer")

    def web_identity():
        (home / "token").write_text("a web identity")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", service.endpoint)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_REGION", REGION)

    def sso():
        start = "https://login.example/start"
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", service.endpoint)
        monkeypatch.setenv("AWS_PROFILE", "signed-in")
        write_settings(
            home,
            config=f"""
                [profile signed-in]
                sso_start_url = {start}
                sso_region = {REGION}
                sso_account_id = 000000000000
                sso_role_name = trainer
            """,
        )
        cache = home / ".aws" / "sso" / "cache"
        cache.mkdir(parents=True)
        # The SDK works this directory's name out when it is imported.
        monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(cache))
        token = {"startUrl": start, "region": REGION, "accessToken": "t", "expiresAt": service.end.isoformat()}
        (cache / f"{hashlib.sha1(start.encode()).hexdigest()}.json").write_text(json.dumps(token))

    def container():
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/container")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN)

    def instance():
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{service.endpoint}/")

    return {
        "credential_process": (process, "custom-process", None),
        "assumed role": (assumed_role, "assume-role", None),
        "web identity": (web_identity, "assume-role-with-web-identity", "web identity"),
        "sso": (sso, "sso", "sso"),
        "container": (container, "container-role", "container"),
        "instance": (instance, "iam-role", "instance"),
    }


@pytest.mark.parametrize("way", ["credential_process", "assumed role", "web identity", "sso", "container", "instance"])
def test_temporary_keys_are_fetched_and_used_by_both_clients(home, accounts, monkeypatch, way):
    with CredentialService(accounts.temporary_keys()) as service:
        set_up, method, asked = temporary_ways(home, monkeypatch, accounts, service)[way]
        set_up()
        with S3FileSystem(endpoint_url=accounts.endpoint) as file_system:
            assert_both_clients_get_in(file_system, f"s3://{BUCKET}/{way}")
            assert file_system.describe()["credentials"] == method
        assert asked is None or asked in service.asked


def test_keys_that_are_replaced_under_a_job_are_taken_up(home, accounts, monkeypatch):
    """A file stays open for reading and another for writing while the keys that opened them are withdrawn."""
    user = "rotated"
    accounts.make_user(user)
    first = accounts.make_keys(user)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN)
    path = f"s3://{BUCKET}/rotated"
    # Keys so near their end are asked for anew before each use.
    with CredentialService(first, lifetime=30) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/container")
        with S3FileSystem(endpoint_url=accounts.endpoint) as file_system:
            with file_system.new_writable_file(path) as file:
                file.append(DATA)
            reader = file_system.new_random_access_file(path)
            writer = file_system.new_writable_file(f"{path}-2")
            writer.append(DATA)
            writer.flush()
            assert reader.read(0, 100) == DATA[:100]

            service.keys = accounts.make_keys(user)
            accounts.withdraw_keys(user, first)
            wait_until(accounts, first, taken=False)
            wait_until(accounts, service.keys, taken=True)

            assert reader.read(5000, 100) == DATA[5000:5100]
            writer.append(DATA)
            writer.close()
            assert file_system.get_file_size(f"{path}-2") == 2 * len(DATA)
            assert reader.read(7000, 100) == DATA[7000:7100]
            reader.close()
            assert file_system.statistics()["GetRange"].requests == 3


def test_obstore_is_never_told_that_keys_last_longer_than_they_do(home, accounts, monkeypatch):
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN)
    with CredentialService(accounts.temporary_keys(), lifetime=100) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/container")
        told = CredentialProvider(Clients(Settings(endpoint_url=accounts.endpoint), RequestCounter()))()
        assert told["expires_at"] <= service.end
        assert told["token"] == service.keys["Token"]


def test_a_login_that_cannot_be_renewed_is_said_through_both_clients(home, accounts, monkeypatch):
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN)
    path = f"s3://{BUCKET}/login"
    with CredentialService(accounts.temporary_keys(), lifetime=30) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/container")
        with S3FileSystem(endpoint_url=accounts.endpoint) as file_system:
            with file_system.new_writable_file(path) as file:
                file.append(DATA)
            reader = file_system.new_random_access_file(path)
            reader.read(0, 10)
            service.lifetime = -10
            with pytest.raises(UnauthenticatedError, match="credentials"):
                file_system.stat(path)
            with pytest.raises(UnauthenticatedError, match="credentials"):
                read_for_a_second(reader)
            reader.close()


def read_for_a_second(reader):
    """Read again and again: obstore asks for keys every tenth of a second at most."""
    for _ in range(20):
        reader.read(5000, 10)
        time.sleep(0.05)


def wait_until(accounts, keys, *, taken):
    """Wait until the server takes or refuses keys: it hears of a change a moment later."""
    end = time.monotonic() + 30
    options = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}
    with S3FileSystem(endpoint_url=accounts.endpoint, max_attempts=1, **options) as file_system:
        while time.monotonic() < end:
            try:
                next(file_system.list_directory(f"s3://{BUCKET}"))
                now_taken = True
            except UnauthenticatedError:
                now_taken = False
            if now_taken == taken:
                return
            time.sleep(0.1)
    pytest.fail("the server does not hear of changed keys")
