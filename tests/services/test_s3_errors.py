"""What goes wrong on the way to S3 is told clearly, soon and without secrets, through both clients."""

import logging
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
import traceback

import pytest

from recordfs.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnauthenticatedError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems.s3 import S3FileSystem
from support.account_server import write_settings
from support.recording_proxy import RecordingProxy, Reply, unused_port
from support.servers import ACCESS_KEY, SECRET_KEY

pytestmark = pytest.mark.service

TOKEN = "a-session-token-that-nobody-may-see"
WRONG = "a-secret-that-nobody-may-see"


@pytest.fixture
def proxy(s3_server):
    with RecordingProxy(s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def file_system(home, proxy):
    options = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "max_attempts": 2}
    with S3FileSystem(endpoint_url=proxy.endpoint, read_timeout=1.0, **options) as file_system:
        yield file_system


@pytest.fixture
def reader(file_system, root):
    """A file that was opened and never read."""
    path = f"{root}/f"
    with file_system.new_writable_file(path) as file:
        file.append(b"0123456789")
    with file_system.new_random_access_file(path) as file:
        yield file


def refusal(status, code):
    """Return S3's answer with everything in it that S3 puts there."""
    body = f"""<?xml version="1.0" encoding="UTF-8"?>
        <Error><Code>{code}</Code><Message>said by the store</Message><AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId>
        <StringToSign>AWS4-HMAC-SHA256 of something</StringToSign><SignatureProvided>f00</SignatureProvided>
        <CanonicalRequest>GET /f x-amz-security-token:{TOKEN}</CanonicalRequest></Error>"""
    return Reply(status, {"Content-Type": "application/xml"}, body.encode())


REFUSALS = [
    (403, "AccessDenied", PermissionDeniedError, "may not do this"),
    (403, "SignatureDoesNotMatch", UnauthenticatedError, "secret access key is wrong"),
    (403, "InvalidAccessKeyId", UnauthenticatedError, "endpoint"),
    (400, "ExpiredToken", UnauthenticatedError, "renew"),
    (403, "RequestTimeTooSkewed", UnauthenticatedError, "clock"),
    (400, "AuthorizationHeaderMalformed", InvalidArgumentError, "AWS_REGION"),
    (503, "SlowDown", UnavailableError, "503"),
    (500, "InternalError", UnavailableError, "500"),
    (429, "TooManyRequests", UnavailableError, "429"),
]


@pytest.mark.parametrize(("status", "code", "cls", "says"), REFUSALS, ids=[refusal[1] for refusal in REFUSALS])
def test_a_refusal_has_its_class_and_says_what_to_do(proxy, file_system, reader, status, code, cls, says):
    proxy.rule = lambda request: refusal(status, code)
    path = reader.name
    for attempt in (lambda: file_system.stat(path), lambda: reader.read(0, 5)):
        with pytest.raises(RecordFSError, match=says) as caught:
            attempt()
        assert type(caught.value) is cls
        assert caught.value.path == path
        assert_no_secret(caught.value)


def test_a_message_that_repeats_the_request_shows_no_secret(proxy, home, root):
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "aws_session_token": TOKEN}
    body = (
        "<Error><Code>{}</Code><Message>what came: x-amz-security-token:{} Credential={}, Signature=0123456789abcdef"
        "</Message></Error>"
    )

    def refuse(request):
        token = request.headers.get("x-amz-security-token", "")
        said = body.format("AccessDenied", token, request.headers.get("authorization", "none"))
        return Reply(403, {"Content-Type": "application/xml"}, said.encode())

    with S3FileSystem(endpoint_url=proxy.endpoint, max_attempts=1, **keys) as file_system:
        proxy.rule = refuse
        for attempt in (
            lambda: file_system.stat(f"{root}/f"),
            lambda: list(file_system.list_directory(root)),
            lambda: file_system._store.get_range(root.split("/")[2], "f", 0, 5, '"tag"'),
        ):
            with pytest.raises(PermissionDeniedError) as caught:
                attempt()
            assert_no_secret(caught.value)
            shown = "".join(traceback.format_exception(caught.value))
            assert "0123456789abcdef" not in shown


def assert_no_secret(error):
    """Look at everything that is made of an error."""
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error)
    shown += repr(pickle.dumps(error)) + str(pickle.loads(pickle.dumps(error)))
    for secret in (TOKEN, SECRET_KEY, WRONG, "StringToSign"):
        assert secret not in shown, shown


@pytest.mark.parametrize("wrong", ["aws_secret_access_key", "aws_session_token"])
def test_wrong_keys_are_told_from_missing_rights(home, s3_server, root, wrong, caplog):
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, wrong: WRONG}
    caplog.set_level(logging.DEBUG, logger="recordfs")
    with S3FileSystem(endpoint_url=s3_server.endpoint, **keys) as file_system:
        assert WRONG not in repr(file_system._clients.settings)
        bucket = root.rpartition("/")[0]
        attempts = [
            lambda: file_system.stat(f"{root}/f"),
            lambda: file_system.file_exists(f"{root}/f"),
            lambda: file_system.file_exists(bucket),
            lambda: list(file_system.list_directory(root)),
            lambda: file_system.new_writable_file(f"{root}/f"),
            lambda: file_system.new_random_access_file(f"{root}/f"),
            lambda: file_system.delete_recursively(root),
            lambda: list(file_system.list_directory("s3://")),
        ]
        for attempt in attempts:
            with pytest.raises(UnauthenticatedError) as caught:
                attempt()
            assert_no_secret(caught.value)
    assert WRONG not in caplog.text


def test_no_credentials_are_told_at_once(home, s3_server, root):
    with S3FileSystem(endpoint_url=s3_server.endpoint) as file_system:
        assert file_system.describe()["credentials"] == "none found"
        start = time.monotonic()
        with pytest.raises(UnauthenticatedError, match="AWS_PROFILE"):
            file_system.stat(f"{root}/f")
        assert time.monotonic() - start < 10


def test_a_profile_that_is_missing(home, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with S3FileSystem() as file_system, pytest.raises(UnauthenticatedError, match="nobody"):
        file_system.stat("s3://bucket/key")


def test_doctor_shows_the_endpoint_where_there_are_no_credentials(home):
    variables = {"AWS_PROFILE": "nobody", "AWS_REGION": "north", "AWS_ENDPOINT_URL": "http://store.example"}
    status, shown = run("doctor", "s3://bucket", **variables)
    assert status == 1
    for line in (
        r"endpoint: +http://store.example \(AWS_ENDPOINT_URL\)",
        r"region: +north \(AWS_REGION\)",
        r"profile: +nobody",
        r"credentials: .*nobody",
        r"stat: +FAILED: UnauthenticatedError",
    ):
        assert re.search(f"^{line}", shown, re.MULTILINE)


A_ROLE = "role_arn = arn:aws:iam::123456789012:role/r"
LOGINS = {
    "a program that prints no JSON": "credential_process = echo not-json",
    "a program that fails": "credential_process = /bin/sh -c 'exit 1'",
    "a program that is missing": "credential_process = /no/such/program",
    "half of the keys": "aws_access_key_id = alone",
    "a role without a source": A_ROLE,
    "roles in a circle": f"{A_ROLE}\nsource_profile = default",
    "a token that is not there": f"{A_ROLE}\nweb_identity_token_file = /no/such/token",
    "nobody signed in": "sso_start_url = https://x/\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r",
}


@pytest.mark.parametrize("login", list(LOGINS))
def test_a_login_that_cannot_be_had(home, monkeypatch, login):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    write_settings(home, config=f"[default]\n{LOGINS[login]}\n")
    with (
        S3FileSystem(endpoint_url=f"http://127.0.0.1:{unused_port()}", max_attempts=1) as file_system,
        pytest.raises(UnauthenticatedError, match="credentials could not be obtained"),
    ):
        file_system.stat("s3://bucket/key")


def test_an_endpoint_where_nobody_listens_is_unavailable(file_system, reader, proxy):
    closed = f"http://127.0.0.1:{unused_port()}"
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "max_attempts": 1}
    for endpoint in (closed, "http://nowhere.invalid"):
        with (
            S3FileSystem(endpoint_url=endpoint, **keys) as nowhere,
            pytest.raises(UnavailableError, match=endpoint),
        ):
            nowhere.stat("s3://bucket/key")
    proxy.__exit__(None, None, None)
    with pytest.raises(UnavailableError, match="refused"):
        reader.read(0, 5)


def test_somebody_listens_and_says_nothing(file_system, reader, proxy):
    answer_late(proxy)
    with pytest.raises(DeadlineExceededError):
        file_system.stat(reader.name)
    with pytest.raises(DeadlineExceededError):
        reader.read(0, 5)


def answer_late(proxy):
    """Have the proxy answer after the client's patience."""

    def late(request):
        time.sleep(2)

    proxy.rule = late


def test_a_server_of_another_kind(file_system, reader, proxy):
    page = b"<!doctype html><html><body><p>It works!<br></body></html>"
    proxy.rule = lambda request: Reply(200, {"Content-Type": "text/html"}, page)
    for attempt in (
        lambda: file_system.stat("s3://bucket/key"),
        lambda: file_system.new_writable_file("s3://bucket/key"),
    ):
        with pytest.raises(UnknownError, match="endpoint right"):
            attempt()
    for attempt in (lambda: list(file_system.list_directory("s3://bucket")), lambda: reader.read(0, 5)):
        with pytest.raises(RecordFSError):
            attempt()


def test_a_server_that_speaks_no_http(home):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet():
            try:
                while True:
                    connection, _ = listener.accept()
                    connection.sendall(b"220 mail.example ESMTP\r\n")
                    connection.close()
            except OSError:
                pass

        threading.Thread(target=greet, daemon=True).start()
        port = listener.getsockname()[1]
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "max_attempts": 1}
        with (
            S3FileSystem(endpoint_url=f"http://127.0.0.1:{port}", **keys) as file_system,
            pytest.raises(UnavailableError),
        ):
            file_system.stat("s3://bucket/key")
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", ["Bad_Name!", "arn:aws:s3:us-east-1:123456789012:accesspoint"])
def test_what_can_be_no_bucket(file_system, name):
    with pytest.raises(InvalidArgumentError, match="accesspoint:NAME"):
        file_system.stat(f"s3://{name}/key")


def test_a_bucket_that_is_missing(file_system):
    path = "s3://recordfs-is-not-there/key"
    for attempt in (
        lambda: file_system.stat(path),
        lambda: file_system.new_random_access_file(path),
        lambda: list(file_system.list_directory(path)),
    ):
        with pytest.raises(NotFoundError) as caught:
            attempt()
        assert caught.value.path == path


def run(*words, **variables):
    """Run the command line in a process of its own and return its status and all that it printed."""
    command = [sys.executable, "-m", "recordfs.cli", *words]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_doctor_shows_where_everything_came_from_and_no_secret(home, s3_server, root):
    status, shown = run(
        "doctor",
        root,
        "-o",
        f"aws_secret_access_key={WRONG}",
        "-o",
        f"aws_access_key_id={ACCESS_KEY}",
        AWS_SESSION_TOKEN=TOKEN,
        S3_ENDPOINT=s3_server.endpoint,
        AWS_REGION="us-east-1",
    )
    assert status == 1
    assert f"{s3_server.endpoint} (S3_ENDPOINT)" in shown
    assert "us-east-1 (AWS_REGION)" in shown
    assert "explicit" in shown
    assert "UnauthenticatedError" in shown
    for secret in (WRONG, TOKEN):
        assert secret not in shown
