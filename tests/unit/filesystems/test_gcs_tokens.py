"""Access tokens: what a server of tokens may answer instead of one, and that none is shown."""

import datetime as dt
import json
import socket
import traceback

import pytest
from google.oauth2.service_account import Credentials

from recordfs.errors import InvalidArgumentError, UnauthenticatedError
from recordfs.filesystems.gcs import GCSFileSystem
from recordfs.filesystems.gcs.tokens import renew_token
from support.lying_gcs import Answer, LyingGCS

SECRET = "sekrit-token-0123456789"


@pytest.fixture
def store():
    """A store, which gives out tokens, too."""
    with LyingGCS() as store:
        store.put("a", b"0123456789")
        store.has_xml_api = True
        yield store


@pytest.fixture(scope="module")
def key():
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    from cryptography.hazmat.primitives import serialization

    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def account(key, token_uri):
    return {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "k",
        "private_key": key,
        "client_email": "account@example.com",
        "token_uri": token_uri,
    }


@pytest.fixture
def gcs(store, key, tmp_path):
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account(key, f"{store.endpoint}/token")))
    with GCSFileSystem(credentials_file=str(path), endpoint_url=store.endpoint, max_attempts=1) as file_system:
        yield file_system


def answer_tokens(store, body):
    store.twist = lambda asked, sound: Answer(200, body) if asked.what == "other.request" else sound


NO_TOKENS = {
    "a page": b"<html>sign in</html>",
    "a list": [1],
    "nothing": {},
    "null": {"access_token": None, "expires_in": 3600},
    "a number": {"access_token": 5, "expires_in": 3600},
    "a header more": {"access_token": f"{SECRET}\r\nX-Other: 1", "expires_in": 3600},
    "an end in words": {"access_token": SECRET, "expires_in": "soon"},
    "an end after all times": {"access_token": SECRET, "expires_in": 10**18},
}


@pytest.mark.parametrize("answer", NO_TOKENS.values(), ids=NO_TOKENS.keys())
def test_an_answer_without_a_token_is_a_failed_login_through_both_clients(store, gcs, answer):
    answer_tokens(store, {"access_token": SECRET, "expires_in": 3600})
    file = gcs.new_random_access_file("gs://bucket/a")
    answer_tokens(store, answer)
    credentials = gcs._clients.credentials
    for ask in (lambda: gcs.stat("gs://bucket/a"), lambda: file.read(2, 3)):
        credentials.token = None
        with pytest.raises(UnauthenticatedError) as caught:
            ask()
        shown = "".join(traceback.format_exception(caught.value))
        assert SECRET not in shown
        assert "eyJ" not in shown, "what was sent to have a token"
    file.close()


def test_a_server_of_tokens_that_never_answers_is_waited_for_as_for_the_store(key):
    """google-auth waits two minutes, again and again."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        token_uri = f"http://127.0.0.1:{silent.getsockname()[1]}/token"
        credentials = Credentials.from_service_account_info(account(key, token_uri), scopes=["scope"])
        from google.auth.exceptions import TransportError

        began = dt.datetime.now()
        with pytest.raises(TransportError, match="timed out"):
            renew_token(credentials, (0.2, 0.2))
        assert dt.datetime.now() - began < dt.timedelta(seconds=60)


@pytest.mark.parametrize("token", [f"{SECRET}\n", f" {SECRET}", f"{SECRET}\r\nX-Other: 1"])
def test_a_token_with_the_end_of_its_line_is_refused_and_not_shown(token):
    with pytest.raises(InvalidArgumentError, match="option token") as caught:
        GCSFileSystem(token=token)
    assert SECRET not in str(caught.value)
