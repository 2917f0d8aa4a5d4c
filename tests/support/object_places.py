"""A place on an object store for tests that every store has to pass: a directory, ways to reach it, another client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.servers import ACCESS_KEY, SECRET_KEY
from support.stored_objects import GCSObjects, S3Objects

if TYPE_CHECKING:
    from recordfs.filesystem import FileSystem
    from support.fault_proxy import FaultProxy
    from support.servers import Server
    from support.stored_objects import StoredObjects

__all__ = ["BUCKET", "ObjectPlace", "gcs_place", "s3_place"]

BUCKET = "recordfs-tests"


class ObjectPlace:
    """A fresh directory on a store.

    Attributes:
        root: The directory's path.
        file_system: Reaches it through the proxy.
        options: Reach it without the proxy, for other processes.
        environment: Credentials for the command line.
        proxy: Counts and makes faults.
        stored: What the store holds, through another client.
    """

    def __init__(
        self,
        root: str,
        file_system: FileSystem,
        options: dict[str, Any],
        environment: dict[str, str],
        proxy: FaultProxy,
        stored: StoredObjects,
    ) -> None:
        self.root = root
        self.file_system = file_system
        self.options = options
        self.environment = environment
        self.proxy = proxy
        self.stored = stored

    def put(self, path: str, data: bytes) -> None:
        """Make or replace an object through the other client."""
        self.stored.put(path, data, {})

    def get(self, path: str) -> bytes:
        """Return an object's bytes through the other client."""
        return self.stored.get(path)


def s3_place(server: Server, proxy: FaultProxy, directory: str) -> ObjectPlace:
    """Return a place on a server of S3, with boto3 as the other client."""
    import boto3
    from botocore.config import Config

    from recordfs.filesystems.s3 import S3FileSystem

    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=server.endpoint, config=Config(s3={"addressing_style": "path"}), **keys)
    try:
        client.head_bucket(Bucket=BUCKET)
    except client.exceptions.ClientError:
        client.create_bucket(Bucket=BUCKET)
    return ObjectPlace(
        f"s3://{BUCKET}/{directory}",
        S3FileSystem(endpoint_url=proxy.endpoint, **keys),
        {"endpoint_url": server.endpoint, **keys},
        {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        proxy,
        S3Objects(client),
    )


def gcs_place(server: Server, proxy: FaultProxy, directory: str) -> ObjectPlace:
    """Return a place on a server of Google Cloud Storage, with google-cloud-storage as the other client."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    from recordfs.filesystems.gcs import GCSFileSystem

    client = storage.Client(
        project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": server.endpoint}
    )
    if not client.bucket(BUCKET).exists():
        client.create_bucket(BUCKET)
    return ObjectPlace(
        f"gs://{BUCKET}/{directory}",
        GCSFileSystem(endpoint_url=proxy.endpoint, project="test"),
        {"endpoint_url": server.endpoint, "project": "test"},
        {},
        proxy,
        GCSObjects(client),
    )
