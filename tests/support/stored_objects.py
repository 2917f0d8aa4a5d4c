"""What a store holds, seen through its own SDK and not through recordfs: the other pair of eyes of the tests."""

from __future__ import annotations

from typing import Any, Protocol

TEMPORARY_MARK = ".recordfs-tmp"


def split_path(path: str) -> tuple[str, str]:
    """Return the bucket and the key of a path."""
    bucket, _, key = path.partition("://")[2].partition("/")
    return bucket, key


class StoredObjects(Protocol):
    """The objects of one store; every method takes full paths."""

    def get(self, path: str) -> bytes:
        """Return an object's bytes."""

    def put(self, path: str, data: bytes, metadata: dict[str, str]) -> None:
        """Make or replace an object."""

    def size(self, path: str) -> int:
        """Return an object's size, as its description gives it."""

    def metadata(self, path: str) -> dict[str, str]:
        """Return an object's user metadata."""

    def leftovers(self, path: str) -> list[str]:
        """Return what writers of this path have staged in the store and not taken away."""


class S3Objects:
    """Through boto3."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def get(self, path: str) -> bytes:
        bucket, key = split_path(path)
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def put(self, path: str, data: bytes, metadata: dict[str, str]) -> None:
        bucket, key = split_path(path)
        self.client.put_object(Bucket=bucket, Key=key, Body=data, Metadata=metadata)

    def size(self, path: str) -> int:
        bucket, key = split_path(path)
        return self.client.head_object(Bucket=bucket, Key=key)["ContentLength"]

    def metadata(self, path: str) -> dict[str, str]:
        bucket, key = split_path(path)
        return self.client.head_object(Bucket=bucket, Key=key)["Metadata"]

    def leftovers(self, path: str) -> list[str]:
        bucket, key = split_path(path)
        found = self.client.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", [])
        return [upload["UploadId"] for upload in found if upload["Key"] == key]


class GCSObjects:
    """Through google-cloud-storage."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def blob(self, path: str) -> Any:
        bucket, key = split_path(path)
        return self.client.bucket(bucket).blob(key)

    def get(self, path: str) -> bytes:
        return self.blob(path).download_as_bytes()

    def put(self, path: str, data: bytes, metadata: dict[str, str]) -> None:
        blob = self.blob(path)
        blob.metadata = metadata
        blob.upload_from_string(data)

    def size(self, path: str) -> int:
        blob = self.blob(path)
        blob.reload()
        return blob.size

    def metadata(self, path: str) -> dict[str, str]:
        blob = self.blob(path)
        blob.reload()
        return blob.metadata

    def leftovers(self, path: str) -> list[str]:
        bucket, key = split_path(path)
        directory = key[: key.rfind("/") + 1]
        return [blob.name for blob in self.client.list_blobs(bucket, prefix=f"{directory}{TEMPORARY_MARK}/")]
