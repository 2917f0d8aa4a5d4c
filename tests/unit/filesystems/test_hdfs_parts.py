"""What HDFS needs no cluster for: errors by Java's class, Hadoop's configuration, the bytes that a writer holds."""

import threading
import time

import pytest

from recordfs.errors import (
    DataLossError,
    DeadlineExceededError,
    DirectoryNotEmptyError,
    InternalError,
    InvalidArgumentError,
    IsADirectoryError,
    MissingDependencyError,
    NotADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from recordfs.filesystems.hdfs.block_stream import BlockStream
from recordfs.filesystems.hdfs.configuration import HadoopConfiguration, Namenode
from recordfs.filesystems.hdfs.errors import CutOffError, LeaseHeldError, LeaseLostError, error_from_native
from recordfs.filesystems.hdfs.limited_calls import CallLeftError, CallPanickedError, call_within
from recordfs.filesystems.hdfs.settings import Settings
from recordfs.filesystems.hdfs.unacknowledged import Unacknowledged

PATH = "hdfs://nn/d/f"


def rpc(java, message):
    return RuntimeError(f'RPCError("{java}", "{message}\\\\n\\\\tat org.apache.Some.method(Some.java:1)")')


@pytest.mark.parametrize(
    ("raised", "expected", "words"),
    [
        (FileNotFoundError("/d/f"), NotFoundError, "no such file"),
        (FileNotFoundError("Path is not a file: /d\n\tat org.x"), IsADirectoryError, "Path is not a file: /d"),
        (FileNotFoundError("File does not exist: /d/f (inode 7) Holder c does not have any open files.\n\tat x"),
         LeaseLostError, "another program"),
        (FileExistsError("Failed to APPEND_FILE /f for a because this file lease is currently owned by b\n\tat x"),
         LeaseHeldError, "owned by b"),
        (rpc("org.apache.hadoop.security.AccessControlException", "Permission denied: user=mallory"),
         PermissionDeniedError, "mallory"),
        (rpc("org.apache.hadoop.security.AccessControlException", "/d/f (is not a directory)"),
         NotADirectoryError, "not a directory"),
        (rpc("org.apache.hadoop.fs.PathIsNotEmptyDirectoryException", "`/d is non empty'"),
         DirectoryNotEmptyError, "non empty"),
        (rpc("org.apache.hadoop.hdfs.protocol.NSQuotaExceededException", "The NameSpace quota is exceeded"),
         ResourceExhaustedError, "quota"),
        (rpc("org.apache.hadoop.hdfs.server.namenode.SafeModeException", "Name node is in safe mode."),
         UnavailableError, "safe mode"),
        (rpc("org.apache.hadoop.hdfs.protocol.RecoveryInProgressException", "wait"), LeaseHeldError, "wait"),
        (rpc("org.apache.hadoop.fs.InvalidPathException", "Invalid path name /a:b"), InvalidArgumentError, "/a:b"),
        (rpc("com.example.NeverHeardOfException", "something"), UnknownError, "something"),
        (RuntimeError('DataTransferError("All nodes failed for write")'), UnavailableError, "All nodes failed"),
        (RuntimeError('OperationFailed("hsync is not supported for erasure-coded files")'),
         UnimplementedError, "hsync"),
        (RuntimeError('SASLError("no ticket")'), UnauthenticatedError, "kinit"),
        (RuntimeError('GSSAPIError(GssMajorCodes { raw: "0x7" }, 25, "No credentials were supplied")'),
         UnauthenticatedError, "No credentials were supplied; Kerberos needs a ticket"),
        (OSError("RPC listener disconnected"), CutOffError, "wants Kerberos"),
        (OSError("Connection reset by peer (os error 104)"), CutOffError, "reset"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), InvalidArgumentError, "valid Unicode"),
        (RuntimeError('OperationFailed("Failed to load libgssapi_krb5.so")'), MissingDependencyError, "apt-get"),
        (OSError("Connection refused (os error 111)"), UnavailableError, "Connection refused"),
        (CallPanickedError("index out of bounds"), InternalError, "index out of bounds"),
        (RuntimeError("no form that anybody knows"), UnknownError, "no form"),
    ],
)  # fmt: skip
def test_what_the_native_client_raises_becomes_the_error_of_its_class_in_java(raised, expected, words):
    error = error_from_native(raised, PATH)
    assert type(error) is expected
    assert error.path == PATH
    assert words in error.message
    assert "\tat " not in error.message


def test_escaped_characters_in_a_message_are_shown_as_they_were():
    raised = RuntimeError(r'RPCError("java.io.IOException", "a \"name\" with \\ and \u{fc}\nmore\n\tat x")')
    assert error_from_native(raised, PATH).message == 'a "name" with \\ and ü\nmore'


def write_site(directory, **properties):
    rows = (f"<property><name>{name}</name><value>{value}</value></property>" for name, value in properties.items())
    (directory / "hdfs-site.xml").write_text(f"<configuration>{''.join(rows)}</configuration>")


def test_namenodes_and_their_web_servers_come_from_the_configuration(tmp_path, monkeypatch):
    write_site(
        tmp_path,
        **{
            "dfs.nameservices": "pair",
            "dfs.ha.namenodes.pair": "a, b",
            "dfs.namenode.rpc-address.pair.a": "one:8020",
            "dfs.namenode.http-address.pair.a": "0.0.0.0:9000",
            "dfs.namenode.rpc-address.pair.b": "two:8020",
        },
    )
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    configuration = HadoopConfiguration.load(None, {})
    pair = [Namenode("one:8020", "http://one:9000"), Namenode("two:8020", "http://two:9870")]
    assert configuration.namenodes("pair") == pair
    assert configuration.namenodes("one:8020") == pair[:1]
    assert configuration.namenodes("other") == [Namenode("other:8020", "http://other:9870")]
    secure = HadoopConfiguration.load(None, {"dfs.http.policy": "HTTPS_ONLY"})
    assert secure.namenodes("other:1") == [Namenode("other:1", "https://other:9871")]


def test_a_web_server_is_that_of_its_own_cluster_and_of_no_other():
    single = HadoopConfiguration({"fs.defaultFS": "hdfs://one:8020", "dfs.namenode.http-address": "0.0.0.0:9000"})
    assert single.namenodes("one:8020") == [Namenode("one:8020", "http://one:9000")]
    assert single.namenodes("one") == [Namenode("one:8020", "http://one:9000")]
    assert single.namenodes("two:8020") == [Namenode("two:8020", "http://two:9870")]
    federated = HadoopConfiguration(
        {
            "dfs.nameservices": "x,y",
            "dfs.namenode.rpc-address.x": "one:8020",
            "dfs.namenode.http-address.x": "one:1",
            "dfs.namenode.rpc-address.y": "two:8020",
            "dfs.namenode.http-address.y": "two:2",
        }
    )
    assert federated.namenodes("x") == federated.namenodes("one:8020") == [Namenode("one:8020", "http://one:1")]
    assert federated.namenodes("two:8020") == [Namenode("two:8020", "http://two:2")]


def test_a_mount_table_leads_to_the_longest_link():
    table = "fs.viewfs.mounttable.t"
    configuration = HadoopConfiguration(
        {f"{table}.link./a": "hdfs://one/x", f"{table}.link./a/b": "hdfs://two:9/", f"{table}.link./c": "s3://bucket/"}
    )
    assert configuration.resolve_mount("t", "/a") == ("one", "/x")
    assert configuration.resolve_mount("t", "/a/bc") == ("one", "/x/bc")
    assert configuration.resolve_mount("t", "/a/b") == ("two:9", "/")
    assert configuration.resolve_mount("t", "/a/b/f") == ("two:9", "/f")
    with pytest.raises(NotFoundError, match="its links: /a, /a/b, /c"):
        configuration.resolve_mount("t", "/d")
    with pytest.raises(InvalidArgumentError, match="s3://bucket/"):
        configuration.resolve_mount("t", "/c/f")
    fallback = HadoopConfiguration({f"{table}.linkFallback": "hdfs://one/home"})
    assert fallback.resolve_mount("t", "/d/f") == ("one", "/home/d/f")


def test_a_configuration_that_cannot_be_right_is_an_error_that_says_where(tmp_path):
    with pytest.raises(InvalidArgumentError, match="config_dir"):
        HadoopConfiguration.load(str(tmp_path / "missing"), {})
    (tmp_path / "core-site.xml").write_text("<configuration><property>")
    with pytest.raises(InvalidArgumentError, match=r"core-site\.xml"):
        HadoopConfiguration.load(str(tmp_path), {})
    with pytest.raises(InvalidArgumentError, match=r"fs\.defaultFS"):
        _ = HadoopConfiguration({"fs.defaultFS": "file:///"}).default_authority


@pytest.mark.parametrize(
    "wrong",
    [
        {"replication": 0},
        {"replication": "many"},
        {"block_size": -1},
        {"namenode_timeout": 0},
        {"data_timeout": "soon"},
        {"permission": 0o7777777},
        {"webhdfs": "namenode:9870"},
        {"kerberos_principal": "me@REALM"},
    ],
)
def test_options_that_can_never_work_are_refused(wrong):
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Settings(**wrong).checked()


def test_the_native_client_gives_up_before_our_time_limit_and_keeps_what_was_configured():
    unset = HadoopConfiguration({})
    assert int(Settings().native_properties(unset, 2)["dfs.client.failover.max.attempts"]) == 8
    assert Settings(namenode_timeout=1).native_properties(unset, 1)["dfs.client.failover.max.attempts"] == "0"
    given = HadoopConfiguration({"dfs.client.failover.max.attempts": "3"})
    assert "dfs.client.failover.max.attempts" not in Settings().native_properties(given, 1)


def test_what_a_failed_pipeline_lacks_is_handed_on_again_wherever_it_broke():
    pieces = [bytes([number]) * 10 for number in range(5)]
    whole = b"".join(pieces)
    for length in range(len(whole) + 1):
        held = Unacknowledged(100, limit=1000)
        for piece in pieces:
            held.add(piece)
        assert b"".join(held.after(100 + length, PATH)) == whole[length:]


def test_only_what_the_datanodes_may_lack_is_held():
    held = Unacknowledged(0, limit=25)
    for number in range(6):
        held.add(bytes([number]) * 10)
        assert held.end - held.start <= 34
    assert (held.start, held.end) == (30, 60)
    with pytest.raises(DataLossError, match="10 bytes are lost"):
        held.after(20, PATH)
    held.acknowledge()
    assert held.after(60, PATH) == []


def test_what_an_append_took_back_may_stand_in_the_file_and_is_known():
    held = Unacknowledged(0, limit=1000)
    held.add(b"kept")
    held.add(b"half")
    held.take_back(6)
    assert (held.end, held.sent, held.after(0, PATH)) == (6, 8, [b"kept", b"ha"])
    held.cut()
    assert held.sent == 6


def test_a_call_is_left_when_its_time_is_up_and_panics_are_no_end_of_the_program():
    class PanicException(BaseException):
        pass

    def panic():
        raise PanicException("inside")

    assert call_within(60, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        call_within(60, lambda: 1 / 0)
    with pytest.raises(CallPanickedError, match="inside"):
        call_within(60, panic)
    release = threading.Event()
    with pytest.raises(CallLeftError):
        call_within(0.01, release.wait)
    release.set()


def test_a_stream_gives_every_byte_once_in_order_and_holds_little():
    taken = []
    data = [bytes([number % 251]) * 65_536 for number in range(400)]

    def chunks():
        for chunk in data:
            taken.append(len(chunk))
            yield chunk

    stream = BlockStream(chunks(), 1000, lambda size: None)
    first = stream.take(10, 60)
    deadline = time.monotonic() + 60
    while len(taken) < 128 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert sum(taken) <= 10 << 20
    parts = [*first]
    while pieces := stream.take(100_000, 60):
        parts += pieces
    assert b"".join(parts) == b"".join(data)
    assert stream.position == 1000 + sum(map(len, data))


def test_a_stream_ends_with_its_error_after_all_bytes_before_it_and_with_its_reader():
    def broken():
        yield b"x" * 200_000
        yield b"x" * 100_000
        raise OSError("a datanode went")

    stream = BlockStream(broken(), 0, lambda size: None)
    assert sum(len(piece) for _ in range(300) for piece in stream.take(1000, 60)) == 300_000
    with pytest.raises(OSError, match="a datanode went"):
        stream.take(1000, 60)
    never = threading.Event()
    waiting = BlockStream(iter(lambda: never.wait() and b"", b""), 0, lambda size: None)
    with pytest.raises(DeadlineExceededError, match="data_timeout"):
        waiting.take(1, 0.01)
    waiting.stop()
    never.set()
