"""boto3 clients: one for each process, made at first use, counting what they send."""

from __future__ import annotations

import datetime as dt
import os
import threading
from typing import TYPE_CHECKING, Any

from recordfs.errors import MissingDependencyError, UnauthenticatedError

try:
    import boto3
    import botocore
    from botocore.config import Config
    from obstore.store import S3Store as ObstoreS3Store
except ImportError as missing:
    raise MissingDependencyError("s3:// needs boto3 and obstore: pip install 'recordfs[s3]'") from missing

from recordfs.filesystems.s3.errors import error_from_sdk

if TYPE_CHECKING:
    from obstore.store import S3Credential

    from recordfs.filesystems._object_store.statistics import RequestCounter
    from recordfs.filesystems.s3.settings import Settings

__all__ = ["Clients"]

CREDENTIAL_LIFETIME = dt.timedelta(minutes=5)
"""How long obstore may use what it was given; the session itself refreshes temporary credentials earlier."""

CONNECTIONS = 64
"""Connections that a client keeps: more than the requests this library ever has in flight on it."""


class Clients:
    """The clients of one filesystem. Safe to use from any thread, and after a fork.

    Args:
        settings: How to reach the store.
        counter: Where requests are counted.
    """

    def __init__(self, settings: Settings, counter: RequestCounter) -> None:
        self.settings = settings
        self.counter = counter
        self._lock = threading.Lock()
        self._owner = 0
        self._client: Any = None
        self._session: Any = None

    @property
    def s3(self) -> Any:
        """The S3 client of this process."""
        if self._owner != os.getpid():
            self._make()
        return self._client

    @property
    def session(self) -> Any:
        """The boto3 session of this process, which refreshes credentials."""
        if self._owner != os.getpid():
            self._make()
        return self._session

    def _make(self) -> None:
        """Make session and client; sockets and locks of a parent process are left alone."""
        lock = self._lock
        if self._owner and self._owner != os.getpid():
            # In a forked child the parent's lock may be held by a thread that is not here.
            self._lock = lock = threading.Lock()
        with lock:
            if self._owner == os.getpid():
                return
            settings = self.settings
            try:
                session = boto3.Session(
                    profile_name=settings.profile_name,
                    region_name=settings.region_name,
                    aws_access_key_id=settings.aws_access_key_id,
                    aws_secret_access_key=settings.aws_secret_access_key,
                    aws_session_token=settings.aws_session_token,
                )
                endpoint, _ = settings.endpoint()
                client = session.client("s3", endpoint_url=endpoint, config=self._config(endpoint))
            except Exception as error:
                raise error_from_sdk(error, "s3://") from error
            client.meta.events.register("before-send.s3", self._count)
            self._session, self._client, self._owner = session, client, os.getpid()

    def _config(self, endpoint: str | None) -> Config:
        """Return botocore's configuration."""
        settings = self.settings
        style = settings.addressing_style
        if style == "auto":
            style = "auto" if endpoint is None else "path"
        chosen: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": settings.max_attempts},
            "connect_timeout": settings.connect_timeout,
            "read_timeout": settings.read_timeout,
            "max_pool_connections": CONNECTIONS,
            "s3": {"addressing_style": style},
            # Every body goes out with a CRC-32C of ours; a second checksum would only cost time and upset other stores.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        if settings.anonymous:
            chosen["signature_version"] = botocore.UNSIGNED
        return Config(**chosen)

    def obstore_for(self, bucket: str) -> ObstoreS3Store:
        """Return obstore's store for a bucket, reached and authenticated as the client is."""
        client, settings = self.s3, self.settings
        endpoint = str(client.meta.endpoint_url)
        virtual = client.meta.config.s3.get("addressing_style") == "virtual"
        if settings.endpoint()[0] is None:
            # Amazon itself: a bucket is served only in its own region.
            region, virtual = self._region_of(bucket), True
            endpoint = f"https://{bucket}.s3.{region}.amazonaws.com"
        else:
            region = str(client.meta.region_name or "us-east-1")
            if virtual:
                scheme, _, host = endpoint.partition("://")
                endpoint = f"{scheme}://{bucket}.{host}"
        chosen: dict[str, Any] = {
            "endpoint": endpoint,
            "region": region,
            "virtual_hosted_style_request": virtual,
            "request_payer": settings.requester_pays,
        }
        if settings.anonymous:
            chosen["skip_signature"] = True
        else:
            chosen["credential_provider"] = self._credentials_for_obstore
        return ObstoreS3Store(
            bucket,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": dt.timedelta(seconds=settings.connect_timeout),
                "read_timeout": dt.timedelta(seconds=settings.read_timeout),
            },
            retry_config={"max_retries": settings.max_attempts - 1, "retry_timeout": dt.timedelta(seconds=60)},
            **chosen,
        )

    def _region_of(self, bucket: str) -> str:
        """Return the region that a bucket is in."""
        try:
            answer = self.s3.head_bucket(Bucket=bucket)
        except Exception as error:
            raise error_from_sdk(error, f"s3://{bucket}") from error
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("x-amz-bucket-region") or self.s3.meta.region_name or "us-east-1")

    def _credentials_for_obstore(self) -> S3Credential:
        """Return the session's credentials as they are now; obstore asks again before they expire."""
        credentials = self.session.get_credentials()
        if credentials is None:
            raise UnauthenticatedError("no credentials were found; see the docs on S3 credentials", path="s3://")
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": dt.datetime.now(dt.UTC) + CREDENTIAL_LIFETIME,
        }

    def _count(self, request: Any, event_name: str, **_others: object) -> None:
        """Count a request as it leaves, retries too."""
        length = request.headers.get("Content-Length") or 0
        self.counter.add(event_name.rpartition(".")[2], requests=1, sent=int(length))

    def describe(self) -> dict[str, str]:
        """Return which endpoint, region and source of credentials are in use, for people to read; no secrets."""
        client = self.s3
        _, endpoint_source = self.settings.endpoint()
        if self.settings.anonymous:
            source = "anonymous (unsigned requests)"
        else:
            try:
                credentials = self.session.get_credentials()
            except Exception as error:
                raise error_from_sdk(error, "s3://") from error
            source = "none found" if credentials is None else str(credentials.method)
        return {
            "endpoint": f"{client.meta.endpoint_url} ({endpoint_source})",
            "region": str(client.meta.region_name),
            "credentials": source,
        }
