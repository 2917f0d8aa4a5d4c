"""How S3 is reached: endpoints, options, and what is refused before any request."""

import os
import signal

import pytest

from recordfs.errors import InvalidArgumentError
from recordfs.filesystems.s3 import S3FileSystem
from recordfs.filesystems.s3.settings import Settings

VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT", "S3_USE_HTTPS")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_endpoints_are_taken_in_order(monkeypatch):
    assert Settings().endpoint() == (None, "the SDK's own configuration")
    for variable in reversed(VARIABLES[:3]):
        monkeypatch.setenv(variable, f"http://{variable.lower()}")
        assert Settings().endpoint() == (f"http://{variable.lower()}", variable)
    assert Settings(endpoint_url="http://mine:1").endpoint() == ("http://mine:1", "option endpoint_url")


def test_an_endpoint_without_a_scheme(monkeypatch):
    monkeypatch.setenv("S3_ENDPOINT", "localhost:9000")
    assert Settings().endpoint()[0] == "https://localhost:9000"
    monkeypatch.setenv("S3_USE_HTTPS", "0")
    assert Settings().endpoint()[0] == "http://localhost:9000"


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "http://typo"},
        {"addressing_style": "other"},
        {"aws_access_key_id": "alone"},
        {"anonymous": True, "profile_name": "p"},
        {"max_attempts": 0},
        {"max_attempts": "4"},
        {"max_attempts": True},
        {"connect_timeout": -1.0},
        {"read_timeout": float("nan")},
        {"anonymous": "false"},
        {"requester_pays": 1},
        {"endpoint_url": ""},
        {"endpoint_url": 5},
        {"region_name": ""},
        {"part_size": 1000},
    ],
)
def test_options_that_can_never_work_are_refused_at_once(options):
    with pytest.raises(InvalidArgumentError):
        S3FileSystem(**options)


def test_a_secret_of_the_wrong_type_is_not_shown():
    with pytest.raises(InvalidArgumentError, match="aws_secret_access_key takes str") as caught:
        S3FileSystem(aws_access_key_id="id", aws_secret_access_key=b"hidden")
    assert "hidden" not in str(caught.value)


def test_secrets_are_not_shown():
    shown = repr(Settings(aws_access_key_id="id", aws_secret_access_key="secret-1", aws_session_token="secret-2"))
    assert "secret" not in shown.replace("aws_secret_access_key", "")
    assert "id" in shown


@pytest.mark.parametrize("path", ["s3://", "s3:///key"])
def test_a_path_without_a_bucket_names_no_file(path):
    with pytest.raises(InvalidArgumentError, match="bucket"):
        S3FileSystem().new_writable_file(path)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_was_forked_while_a_client_was_made_makes_its_own():
    file_system = S3FileSystem(endpoint_url="http://127.0.0.1:1", aws_access_key_id="id", aws_secret_access_key="key")
    with file_system._clients._own._lock:  # as a thread that is not in the child
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os._exit(0 if file_system.describe()["credentials"] == "explicit" else 1)
    assert os.waitpid(child, 0)[1] == 0
