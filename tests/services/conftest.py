"""Stores for the tests: each server is started once a session, each test gets a fresh directory."""

import itertools
import os
import shutil
import tempfile

import pytest

from support.account_server import BUCKET, AccountServer
from support.fault_proxy import FaultProxy
from support.object_places import gcs_place, s3_place
from support.servers import (
    ACCESS_KEY,
    SECRET_KEY,
    GcpStorageEmulator,
    HdfsCluster,
    SeaweedFS,
    StrictFakeGcsServer,
    VersityGateway,
)

_numbers = itertools.count()

S3_SERVERS = {"seaweedfs": SeaweedFS, "versitygw": VersityGateway}

GCS_SERVERS = {"fake-gcs-server": StrictFakeGcsServer, "gcp-storage-emulator": GcpStorageEmulator}

S3_OPTIONS = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": "us-east-1"}


@pytest.fixture(scope="session")
def server_directory():
    """Make directories for what servers keep, on the disk and removed at the end: these are gigabytes."""
    directories = []

    def make(name):
        directories.append(tempfile.mkdtemp(prefix=f"recordfs-{name}-"))
        return directories[-1]

    yield make
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def servers(server_directory):
    """Start a server when it is first asked for, and stop all of them at the end."""
    running = {}

    def start(kinds, name):
        if name not in running:
            server = kinds[name](server_directory(name))
            server.start()
            running[name] = server
        return running[name]

    yield start
    for server in running.values():
        server.stop()


@pytest.fixture(params=list(S3_SERVERS))
def s3_server(request, servers):
    """A running S3 server."""
    return servers(S3_SERVERS, request.param)


@pytest.fixture
def s3(fault_proxy):
    """An S3FileSystem on that server, behind the proxy."""
    from recordfs.filesystems.s3 import S3FileSystem

    with S3FileSystem(endpoint_url=fault_proxy.endpoint, **S3_OPTIONS) as file_system:
        yield file_system


@pytest.fixture
def boto3_client(s3_server):
    """Another client of the same server, so that what is stored is seen through other eyes."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3", endpoint_url=s3_server.endpoint, config=Config(s3={"addressing_style": "path"}), **S3_OPTIONS
    )


@pytest.fixture
def bucket(boto3_client):
    """The name of the bucket that all tests of a server share: SeaweedFS sets disk space aside for each."""
    name = "recordfs-tests"
    try:
        boto3_client.head_bucket(Bucket=name)
    except boto3_client.exceptions.ClientError:
        boto3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def root(bucket):
    """A fresh directory in that bucket."""
    return f"s3://{bucket}/test-{next(_numbers)}"


@pytest.fixture
def fault_proxy(s3_server):
    """A proxy in front of the server, which must have had no trouble of its own at the end."""
    with FaultProxy(s3_server.port, serialize=True) as proxy:
        yield proxy
        assert not proxy.errors


@pytest.fixture(params=["fake-gcs-server"])
def gcs_server(request, servers):
    """A running server of Google Cloud Storage: the stricter one, where a test asks for no other."""
    return servers(GCS_SERVERS, request.param)


@pytest.fixture
def gcs(gcs_proxy):
    """A GCSFileSystem on that server, behind the proxy."""
    from recordfs.filesystems.gcs import GCSFileSystem

    with GCSFileSystem(endpoint_url=gcs_proxy.endpoint, project="test") as file_system:
        yield file_system


@pytest.fixture
def google_client(gcs_server):
    """Another client of the same server."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    with storage.Client(
        project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": gcs_server.endpoint}
    ) as client:
        yield client


@pytest.fixture
def gcs_bucket(google_client):
    """The name of the bucket that all tests of a server share."""
    name = "recordfs-tests"
    if not google_client.bucket(name).exists():
        google_client.create_bucket(name)
    return name


@pytest.fixture
def gcs_root(gcs_bucket):
    """A fresh directory in that bucket."""
    return f"gs://{gcs_bucket}/test-{next(_numbers)}"


@pytest.fixture
def gcs_proxy(gcs_server):
    """A proxy in front of the server, which must have had no trouble of its own at the end."""
    with FaultProxy(gcs_server.port, serialize=True) as proxy:
        yield proxy
        assert not proxy.errors


@pytest.fixture(params=[*S3_SERVERS, "fake-gcs-server"])
def object_place(request, servers):
    """A place on every store in turn, whose proxy must have had no trouble of its own at the end."""
    kinds, make = (S3_SERVERS, s3_place) if request.param in S3_SERVERS else (GCS_SERVERS, gcs_place)
    server = servers(kinds, request.param)
    with FaultProxy(server.port, serialize=True) as proxy:
        place = make(server, proxy, f"test-{next(_numbers)}")
        with place.file_system:
            yield place
        assert not proxy.errors


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home directory and an environment without any S3 settings; the instance metadata service is off."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "S3_")) or name.upper() in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / ".aws").mkdir()
    return tmp_path


@pytest.fixture(scope="session")
def accounts(server_directory):
    """A server with accounts and a bucket."""
    with AccountServer(server_directory("accounts")) as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture(scope="session")
def hdfs_cluster(server_directory):
    """A running HDFS with three datanodes, one for the whole session: whoever breaks it repairs it."""
    # A datanode that recovers a block asks all others; it need not ask dead ones for ten seconds.
    # Datanodes get their orders with heartbeats: to recover a lease, to copy a block.
    words = (
        "ipc.client.connect.max.retries=1",
        "dfs.heartbeat.interval=1",
        "dfs.namenode.redundancy.interval.seconds=1s",
    )
    with HdfsCluster(server_directory("hdfs"), *words) as cluster:
        yield cluster


@pytest.fixture
def hdfs_root(hdfs_cluster):
    """A fresh directory on it."""
    path = f"/test-{next(_numbers)}"
    hdfs_cluster.shell("-mkdir", path)
    return hdfs_cluster.url + path


@pytest.fixture
def hdfs(hdfs_cluster):
    """An HdfsFileSystem on it."""
    from recordfs.filesystems.hdfs import HdfsFileSystem

    with HdfsFileSystem(webhdfs=f"http://{hdfs_cluster.http_address}") as file_system:
        yield file_system
