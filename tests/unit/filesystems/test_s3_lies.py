"""An S3 whose answers have something else in them than was asked for."""

import re
import traceback

import pytest

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    InvalidArgumentError,
    UnauthenticatedError,
    UnknownError,
)
from recordfs.filesystem import FileStatistics
from recordfs.filesystems.s3 import S3FileSystem
from support.recording_proxy import RecordingProxy, Reply, unused_port

DATA = b"0123456789"
ETAG = '"781e5e245d69b566979b86e28d23f2c7"'
XML = {"Content-Type": "application/xml"}
D = "s3://bucket/d"
KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret-of-a-key"}


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """The filesystem, one for all tests: making boto3's client takes half a second."""
    with pytest.MonkeyPatch.context() as patch, RecordingProxy(unused_port()) as server:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with S3FileSystem(endpoint_url=server.endpoint, max_attempts=1, **KEYS) as file_system:
            file_system.server = server
            yield file_system


@pytest.fixture
def server(s3):
    """What answers: its rule gets each request."""
    s3.server.requests.clear()
    return s3.server


def listing(inner, more=""):
    body = (
        f"<ListBucketResult><Name>bucket</Name><IsTruncated>{bool(more)}</IsTruncated>{more}{inner}</ListBucketResult>"
    )
    return Reply(200, XML, body.replace("True", "true").replace("False", "false").encode())


def an_object(**fields):
    fields = {"Key": "d/a", "Size": "10", "ETag": "&quot;e&quot;", "LastModified": "2026-11-27T10:00:00Z", **fields}
    return "".join(
        [
            "<Contents>",
            *(f"<{name}>{text}</{name}>" for name, text in fields.items() if text is not None),
            "</Contents>",
        ]
    )


LISTINGS = {
    "no key": an_object(Key=None),
    "no size": an_object(Size=None),
    "a size below nothing": an_object(Size="-4"),
    "no version": an_object(ETag=None),
    "no time": an_object(LastModified=None),
    "a directory without a name": "<CommonPrefixes></CommonPrefixes>",
    "a key of another directory": an_object(Key="other/a"),
    "a key that was not decoded": an_object(Key="d%2Fa"),
}


@pytest.mark.parametrize("inner", LISTINGS.values(), ids=LISTINGS.keys())
def test_a_listing_of_another_shape_is_an_unknown_answer(server, s3, inner):
    server.rule = lambda request: listing(inner)
    with pytest.raises(UnknownError):
        s3.get_children(D)
    with pytest.raises(UnknownError):
        s3.delete_recursively("s3://bucket/d/")
    assert not [request for request in server.requests if request.method in ("DELETE", "POST")]


def test_a_listing_that_goes_round_is_an_error(server, s3):
    def rule(request):
        following = "B" if "continuation-token=A" in request.target else "A"
        return listing(an_object(), f"<NextContinuationToken>{following}</NextContinuationToken>")

    server.rule = rule
    with pytest.raises(UnknownError, match="does not end"):
        s3.get_children(D)


def test_buckets_without_names_are_an_unknown_answer(server, s3):
    body = b"<ListAllMyBucketsResult><Buckets><Bucket></Bucket></Buckets></ListAllMyBucketsResult>"
    server.rule = lambda request: Reply(200, XML, body)
    with pytest.raises(UnknownError):
        s3.get_children("s3://")


def test_errors_of_a_bulk_deletion_that_name_no_key_are_asked_for_one_by_one(server, s3):
    def rule(request):
        if request.method == "GET":
            return listing("" if "delimiter" in request.target else an_object())
        if request.method == "POST":
            return Reply(200, XML, b"<DeleteResult><Error><Code>AccessDenied</Code></Error></DeleteResult>")
        return Reply(204, {})

    server.rule = rule
    s3.delete_recursively("s3://bucket/d/")
    assert [request.target.partition("?")[0] for request in server.requests if request.method == "DELETE"] == [
        "/bucket/d/a"
    ]


def test_a_deletion_that_is_answered_otherwise_costs_a_look_only_until_it_is_known(server, s3):
    server.rule = lambda request: Reply(404 if request.method == "HEAD" else 200, {})
    for key in ("a", "b"):
        s3._store.delete("bucket", key)
    assert [request.method for request in server.requests] == ["DELETE", "HEAD", "DELETE"]
    page = Reply(200, {"Content-Type": "text/html"}, b"<html>sign in</html>")
    there = Reply(200, {"ETag": ETAG, "Last-Modified": "Fri, 27 Nov 2026 10:00:00 GMT", "Content-Length": "10"})
    server.rule = lambda request: there if request.method == "HEAD" else page
    with pytest.raises(UnknownError, match="still there"):
        s3._store.delete("bucket", "c")


def test_a_directory_whose_making_got_no_answer_is_made(server, s3):
    """The second attempt, the SDK's own, finds what the first has made."""
    made = {}

    def rule(request):
        if request.method == "GET":
            return listing("")
        if request.method == "PUT":
            made.update((name, text) for name, text in request.headers.items() if name.startswith("x-amz-meta-"))
            return Reply(412, XML, b"<Error><Code>PreconditionFailed</Code></Error>")
        told = {"ETag": ETAG, "Last-Modified": "Fri, 27 Nov 2026 10:00:00 GMT", "Content-Length": "0"}
        return Reply(200, {**told, **made}) if made else Reply(404, {})

    server.rule = rule
    s3.create_dir(f"{D}/mine")
    made["x-amz-meta-recordfs-writer"] = "another's"
    server.rule = lambda request: Reply(412, XML, b"<Error/>") if request.method == "PUT" else rule(request)
    with pytest.raises(AlreadyExistsError):
        s3._store.put_marker("bucket", "d/others/")


def serve(told, **more):
    """Return a rule that serves one object with what HEAD and GET tell of its version."""

    def rule(request):
        headers = {"ETag": told[request.method], "Last-Modified": "Fri, 27 Nov 2026 10:00:00 GMT"}
        if request.method == "HEAD":
            return Reply(200, {**headers, "Content-Length": str(len(DATA))})
        start, end = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["range"]).groups())
        return Reply(
            206, {**headers, "Content-Range": f"bytes {start}-{end}/{len(DATA)}", **more}, DATA[start : end + 1]
        )

    return rule


@pytest.mark.parametrize("key", ["d/by-obstore", "d//by-the-sdk"])
@pytest.mark.parametrize(("head", "get"), [(ETAG, ETAG.strip('"')), (ETAG.strip('"'), ETAG), (ETAG, f"W/{ETAG}")])
def test_a_version_is_the_same_in_any_quotes(server, s3, key, head, get):
    server.rule = serve({"HEAD": head, "GET": get})
    with s3.new_random_access_file(f"s3://bucket/{key}") as file:
        assert file.read(3, 4) == DATA[3:7]


@pytest.mark.parametrize("key", ["d/by-obstore", "d//by-the-sdk"])
def test_bytes_of_another_version_are_never_handed_out(server, s3, key):
    """As from a server, or a cache in front of it, that does not look at If-Match."""
    server.rule = serve({"HEAD": ETAG, "GET": '"another"'})
    with s3.new_random_access_file(f"s3://bucket/{key}") as file, pytest.raises(AbortedError, match="version"):
        file.read(3, 4)


@pytest.mark.parametrize("name", ["aws_secret_access_key", "aws_session_token"])
@pytest.mark.parametrize("value", ["secret-of-a-key\n", " secret-of-a-key", "secret-of\r\na-key"])
def test_a_key_with_the_end_of_its_line_is_refused_and_not_shown(name, value):
    with pytest.raises(InvalidArgumentError, match=f"option {name}") as caught:
        S3FileSystem(**{**KEYS, name: value})
    assert "secret-of" not in str(caught.value)


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_a_key_of_the_environment_with_the_end_of_its_line_is_told_by_both_clients(server, monkeypatch, variable):
    """obstore would panic."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "secret-of-a-key\n" if name == variable else "secret-of-a-key")
    server.rule = serve({"HEAD": ETAG, "GET": ETAG})
    known = FileStatistics(10, 0, False, ETAG)
    with S3FileSystem(endpoint_url=server.endpoint, max_attempts=1) as file_system:
        for key in ("d/by-obstore", "d//by-the-sdk"):
            file = file_system.new_pinned_random_access_file(f"s3://bucket/{key}", known)
            with file, pytest.raises(UnauthenticatedError, match="end of a line") as caught:
                file.read(3, 4)
            assert "secret-of" not in "".join(traceback.format_exception(caught.value))
