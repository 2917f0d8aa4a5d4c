"""No secret comes out: planted ones are looked for in everything that is printed."""

import io
import logging
import pickle
import traceback

import pytest

from recordfs import RecordReader, RecordWriter, gfile, operations
from recordfs.cli import main
from recordfs.errors import NotFoundError, RecordFSError, UnavailableError
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.redaction import HIDDEN, RedactedError, redact, redacted_cause, remember_secret
from support.framing import record as framed
from support.web_server import serve

SECRET = "PLANTED-s3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f"http://host/f?X-Amz-Signature={SECRET}&X-Amz-Security-Token={SECRET}&x=1",
        f"https://storage.googleapis.com/b/f?X-Goog-Signature={SECRET}",
        f"https://account.blob.core.windows.net/c/f?sv=2024&sig={SECRET}&se=1",
        f"https://host/f?Policy={SECRET}&Key-Pair-Id=K&Signature={SECRET}",
        f"http://user:{SECRET}@host/f",
        f"ftp://user:p@{SECRET}@host/f",
        f"https://{SECRET}@host/f",
        f"Authorization: Bearer {SECRET}",
        f"{{'Authorization': 'Basic {SECRET}'}}",
        f'{{"access_token": "{SECRET}", "expires": 1}}',
        f"<SessionToken>{SECRET}</SessionToken>",
        f"x-amz-security-token:{SECRET}\nhost:x",
        f"AWS4-HMAC-SHA256 Credential={SECRET}/2026/x, SignedHeaders=host, Signature={SECRET}",
        f"aws_secret_access_key={SECRET}",
        f"https://host/dir/token={SECRET}/f",
        f"client_kwargs={{'auth': BasicAuth(login='u', password='{SECRET}')}}",
        f"password='two words, {SECRET}'",
        f'{{\\"access_token\\": \\"{SECRET}\\"}}',
        f"&lt;SessionToken&gt;{SECRET}&lt;/SessionToken&gt;",
        f"headers=[(b'x-goog-iam-authorization-token', b'{SECRET}')]",
        f"http://host/login?next=http%3A%2F%2Fhost%2Ff%3FX-Amz-Signature%3D{SECRET}%26x%3D1",
        f"http://host/?headers=Host%3A+h%0AAuthorization%3A+Bearer+{SECRET}",
        f"http://host/f;jsessionid={SECRET}",
        f"http://host/webhdfs/v1/f?delegation={SECRET}&op=OPEN",
        f"AccountName=a;AccountKey={SECRET}==;EndpointSuffix=core.windows.net",
        f"{{'private_key': '-----BEGIN PRIVATE KEY-----\\n{SECRET}\\n-----END PRIVATE KEY-----'}}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}",
        f"passphrase: {SECRET}",
        f"Set-Cookie: sid={SECRET}; path=/",
        f"X-Auth-Key: {SECRET}",
        f"Authorization: AWS AKIA:{SECRET}",
        f"Authorization: Digest username=u, response={SECRET}",
        f"'GET /\\r\\nAuthorization: Bearer {SECRET}\\r\\n'",
        f"invalid assertion eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9.{SECRET}",
        f"refused ya29.a0{SECRET}",
    ],
)
def test_a_secret_goes_and_the_rest_stays(text):
    shown = redact(text)
    assert SECRET not in shown
    assert HIDDEN in shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "/tmp/x: no such file",
        "s3://bucket/passwords/x.tfrecord: expected 3 tokens: found 4",
        "runs/tokens-00001: permission denied",
        "s3://bucket/data.v2/secret: permission denied",
        "the first is a/b.c/token.tfrecord: truncated record",
        "sftp://me@host/f",
        "abfs://container@account.dfs.core.windows.net/f",
        "the option token takes str, found int",
        "authorization failed: 403",
        "gs://b/key?generation=12 (at byte 5)",
        "token, 'expected', found",
        "s3://b/cookies/private_keys/f: no such object",
        "data/cookie: Permission denied",
    ],
)
def test_what_is_no_secret_is_left_alone(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "piece", ["a-", "token", "token=", "token='", "a:", "x://", "authorization: ", "%3F", "x://a:"]
)
def test_a_long_text_of_a_hostile_server_takes_no_longer_than_its_length(piece):
    """Any of these would take hours if each place of the text were looked at from each other place."""
    text = piece * 100_000 + ": "  # which makes it worth looking at
    assert len(redact(text)) <= len(text) + len(HIDDEN)


def test_a_value_that_a_client_remembers_goes_wherever_it_stands():
    remember_secret("remembered/value+1")
    remember_secret("short")
    assert redact("<Message>remembered/value+1</Message> short") == f"<Message>{HIDDEN}</Message> short"


@pytest.mark.parametrize(
    "shown", ['to/ken+1&"2"', "to%2Fken%2B1%26%222%22", "to/ken+1&amp;&quot;2&quot;", 'to/ken+1&\\"2\\"']
)
def test_a_remembered_value_goes_however_a_server_repeats_it(shown):
    remember_secret('to/ken+1&"2"')
    assert redact(f"the server said {shown} twice") == f"the server said {HIDDEN} twice"


def test_an_error_shows_no_secret_in_message_repr_or_pickle():
    error = NotFoundError(f"the server said: x-amz-security-token: {SECRET}", path=f"http://u:{SECRET}@host/f")
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert SECRET not in f"{each} {each!r} {each.message} {each.args}"
        assert each.path == f"http://u:{SECRET}@host/f", "the path is needed to open it again"


def chained(*, suppressed):
    """Return an error that came of one with a secret in it."""
    error = ValueError("wrapped")
    error.__context__ = ConnectionError(f"Authorization: Bearer {SECRET}")
    error.__suppress_context__ = suppressed
    return error


def test_a_cause_with_a_secret_is_named_without_it_and_another_stays():
    sound, hidden = ValueError("no such thing"), chained(suppressed=True)
    assert redacted_cause(sound) is sound
    assert redacted_cause(hidden) is hidden, "what was raised from None is not shown"
    stand_in = redacted_cause(chained(suppressed=False))
    assert isinstance(stand_in, RedactedError)
    assert str(stand_in) == "ValueError: wrapped"
    assert SECRET not in "".join(traceback.format_exception(stand_in))


@pytest.fixture
def site():
    with serve() as site:
        site.files["/sound"] = framed(b"record") * 3
        site.files["/broken"] = framed(b"record") + b"garbage that is no record at all"
        yield site


def urls_of(site, path):
    yield f"{site.url}{path}?X-Amz-Signature={SECRET}&X-Amz-Security-Token={SECRET}"
    yield f"http://user:{SECRET}@{site.url.removeprefix('http://')}{path}"


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_no_way_out_of_http_shows_the_secret_of_a_url(site, capfd, caplog, status):
    caplog.set_level(logging.DEBUG, "recordfs")
    shown = io.StringIO()
    for url in (*urls_of(site, "/f"), *urls_of(site, "/broken"), *urls_of(site, "/sound")):
        path = url.replace(site.url, "").partition("?")[0].rpartition("@")[2]
        if path.endswith("/f"):
            site.statuses[url.replace(site.url, "") if "?" in url else "/f"] = status
        elif "?" in url:
            site.files[url.replace(site.url, "")] = site.files[path]
        for call in (
            lambda url=url: list(RecordReader(url)),
            lambda url=url: gfile.GFile(url, "rb").read(),
            lambda url=url: gfile.stat(url),
            lambda url=url: operations.copy(url, "ram://unit-redaction/f", overwrite=True),
            lambda url=url: operations.stat(url),
            lambda url=url: RecordWriter(url),
        ):
            try:
                print(call(), file=shown)
            except RecordFSError as error:
                traceback.print_exception(error, file=shown)
                print(repr(error), error.__cause__, file=shown)
        print(repr(gfile.GFile(url, "rb")), file=shown)
        try:
            with RecordReader(url, on_error="skip") as reader:
                list(reader)
                print(repr(reader.tell()), reader.tell(), repr(reader.report), reader.report, file=shown)
        except RecordFSError as error:
            print(repr(error), file=shown)
        for command in ("stat", "cat", "doctor", "verify", "head"):
            main([command, url])
    out, err = capfd.readouterr()
    assert SECRET not in shown.getvalue()
    assert SECRET not in err
    assert SECRET not in caplog.text
    assert SECRET not in "".join(line for line in out.splitlines() if line.startswith(("path:", "stat:", "options:")))
    operations.rmtree("ram://unit-redaction")


def test_no_way_out_of_the_fsspec_bridge_shows_the_secret_of_a_url(monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    def refuse(self, *arguments, **keywords):
        raise ConnectionError(f"GET ftp://user:{SECRET}@host/f with Authorization: Bearer {SECRET} failed")

    for name in ("info", "ls", "_open", "open"):
        monkeypatch.setattr(MemoryFileSystem, name, refuse)
    file_system = FsspecFileSystem("memory")
    for call in (file_system.stat, file_system.new_random_access_file, file_system.new_writable_file):
        with pytest.raises(UnavailableError) as caught:
            call("memory://f")
        assert SECRET not in "".join(traceback.format_exception(caught.value))
