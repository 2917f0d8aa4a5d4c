"""Object stores for the benchmarks: servers that a row starts for itself, and how each client reaches them.

What is measured is the cost of a client on one machine: the servers run beside it on loopback, without TLS, their data
in memory-backed storage.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from tools.fault_proxy import FaultProxy
from tools.servers import ACCESS_KEY, SECRET_KEY, FakeGcsServer, SeaweedFS, VersityGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tools.servers import Server

BUCKET = "benchmark"
REGION = "us-east-1"

S3_SERVERS: dict[str, type[Server]] = {"SeaweedFS": SeaweedFS, "versitygw": VersityGateway}

# How each client reaches S3; the sources of contestants begin with one of these.

RECORDFS = """
import recordfs

recordfs.configure_file_system(
    "s3", endpoint_url=endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
)
store = recordfs.get_file_system(f"s3://{bucket}/")
"""

BOTO3 = """
import boto3
from botocore.config import Config

client = boto3.client(
    "s3",
    endpoint_url=endpoint,
    aws_access_key_id=access_key,
    aws_secret_access_key=secret_key,
    region_name=region,
    config=Config(s3={"addressing_style": "path"}, max_pool_connections=64),
)
"""

OBSTORE = """
import obstore
from obstore.store import S3Store

store = S3Store(
    bucket,
    endpoint=endpoint,
    access_key_id=access_key,
    secret_access_key=secret_key,
    region=region,
    virtual_hosted_style_request=False,
    client_options={"allow_http": True},
)
"""

S3FS = """
import s3fs

store = s3fs.S3FileSystem(
    key=access_key, secret=secret_key, client_kwargs={"endpoint_url": endpoint, "region_name": region}
)
"""


# And how each reaches Google Cloud Storage.

GCS_RECORDFS = """
import recordfs

recordfs.configure_file_system("gs", endpoint_url=endpoint, project=project, anonymous=True)
store = recordfs.get_file_system(f"gs://{bucket}/")
"""

GOOGLE = """
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from requests.adapters import HTTPAdapter

client = storage.Client(
    project=project, credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
)
client._http.mount("http://", HTTPAdapter(pool_maxsize=64))
"""

GCSFS = """
import gcsfs

store = gcsfs.GCSFileSystem(project=project, token="anon", endpoint_url=endpoint)
"""

GCS_OBSTORE = """
import obstore
from obstore.store import GCSStore

store = GCSStore(
    bucket,
    base_url=endpoint,
    credential_provider=lambda: {"token": "anything", "expires_at": None},  # without, it would ask Google's own hosts
    client_options={"allow_http": True},
)
"""


def s3_variables(endpoint: str) -> dict[str, Any]:
    """Return the variables that the sources above use."""
    return {
        "endpoint": endpoint,
        "bucket": BUCKET,
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "region": REGION,
        "scheme": "s3",
    }


def s3_client(endpoint: str) -> Any:
    """Return a boto3 client of this process: it makes the bucket and the data, and looks at what others wrote."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}),
    )


def s3_running(
    server: str, fill: Callable[[Any], dict[str, Any]] | None = None, *, latency_seconds: float = 0.0
) -> Callable[[str], AbstractContextManager[dict[str, Any]]]:
    """Return what a row runs meanwhile: an S3 server with a bucket and what ``fill`` puts there.

    Args:
        server: A key of S3_SERVERS.
        fill: Takes a client, puts objects into BUCKET, and returns further variables.
        latency_seconds: How long each request of the contestants waits in front of the server.
    """

    @contextlib.contextmanager
    def running(directory: str) -> Iterator[dict[str, Any]]:
        with S3_SERVERS[server](directory) as started:
            client = s3_client(started.endpoint)
            client.create_bucket(Bucket=BUCKET)
            filled = fill(client) if fill is not None else {}
            if not latency_seconds:
                yield s3_variables(started.endpoint) | filled
                return
            with FaultProxy(started.port) as proxy:
                proxy.fail("", "delay", count=sys.maxsize, seconds=latency_seconds)
                yield s3_variables(proxy.endpoint) | filled

    return running


def gcs_variables(endpoint: str) -> dict[str, Any]:
    """Return the variables that the sources for Google Cloud Storage use."""
    return {"endpoint": endpoint, "bucket": BUCKET, "project": "test", "scheme": "gs"}


def gcs_client(endpoint: str) -> Any:
    """Return a client of this process; see ``s3_client``."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    return storage.Client(project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint})


def gcs_running(
    fill: Callable[[Any], dict[str, Any]] | None = None,
) -> Callable[[str], AbstractContextManager[dict[str, Any]]]:
    """Return what a row runs meanwhile: fake-gcs-server, as ``s3_running``."""

    @contextlib.contextmanager
    def running(directory: str) -> Iterator[dict[str, Any]]:
        with FakeGcsServer(directory) as started:
            client = gcs_client(started.endpoint)
            client.create_bucket(BUCKET)
            yield gcs_variables(started.endpoint) | (fill(client) if fill is not None else {})

    return running


class Observed:
    """A server behind a proxy that counts and makes faults, and a look at its objects past that proxy.

    Attributes:
        proxy: What the contestants talk to.
        variables: For their sources.
    """

    def __init__(self, proxy: FaultProxy, variables: dict[str, Any], look: Callable[[str], bytes | None]) -> None:
        self.proxy = proxy
        self.variables = variables
        self._look = look

    def content(self, key: str) -> bytes | None:
        """Return an object's bytes; None if there is none."""
        return self._look(key)


@contextlib.contextmanager
def observed_s3(directory: str) -> Iterator[Observed]:
    """Run SeaweedFS behind the proxy."""
    with SeaweedFS(directory) as server, FaultProxy(server.port) as proxy:
        client = s3_client(server.endpoint)
        client.create_bucket(Bucket=BUCKET)

        def look(key: str) -> bytes | None:
            try:
                content: bytes = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            except client.exceptions.NoSuchKey:
                return None
            return content

        yield Observed(proxy, s3_variables(proxy.endpoint), look)


@contextlib.contextmanager
def observed_gcs(directory: str) -> Iterator[Observed]:
    """Run fake-gcs-server behind the proxy, which it names in the addresses that it gives out."""
    with FaultProxy(0) as proxy, FakeGcsServer(directory, public_port=proxy.port) as server:
        proxy.upstream_port = server.port
        client = gcs_client(server.endpoint)
        client.create_bucket(BUCKET)

        def look(key: str) -> bytes | None:
            from google.cloud.exceptions import NotFound

            try:
                content: bytes = client.bucket(BUCKET).blob(key).download_as_bytes()
            except NotFound:
                return None
            return content

        yield Observed(proxy, gcs_variables(proxy.endpoint), look)
