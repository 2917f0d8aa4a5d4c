"""boto3 clients: one for each process, made at first use, counting what they send."""

from __future__ import annotations

import os
import threading
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import botocore
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from urllib3 import HTTPResponse

from recordfs.errors import InvalidArgumentError
from recordfs.filesystems._object_store.clients import CONNECTIONS, SDKClients
from recordfs.filesystems.s3.errors import check_headers, error_from_login, error_from_sdk
from recordfs.redaction import redacted_cause, remember_secret

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.statistics import RequestCounter
    from recordfs.filesystems.s3.settings import Settings

__all__ = ["Clients", "Destination"]

_CHECKSUM_HEADER = "x-amz-checksum-crc32c"


class Destination(NamedTuple):
    """Where the SDK sends the requests for one object.

    Attributes:
        url: The whole address, the key in it.
        headers: The request's headers, its signature among them. Never printed.
    """

    url: str
    headers: dict[str, str]

    def __repr__(self) -> str:
        """Show no headers: they hold tokens."""
        return f"Destination(url={self.url!r})"


def _name_checksum(request: Any, **_others: object) -> None:
    """Tell the SDK that a body has a checksum already, before it signs the request.

    Over TLS a body with a checksum is not signed, which would take a SHA-256 of every byte. But the SDK knows only of
    checksums that it has worked out itself, and of Content-MD5.
    """
    if _CHECKSUM_HEADER in request.headers:
        found = {"algorithm": "crc32c", "in": "header", "name": _CHECKSUM_HEADER}
        request.context.setdefault("checksum", {}).setdefault("request_algorithm", found)


class Clients(SDKClients[tuple[Any, Any]]):
    """boto3's client and the botocore session that renews its credentials; see SDKClients."""

    settings: Settings

    def __init__(self, settings: Settings, counter: RequestCounter) -> None:
        super().__init__(settings, counter)
        self._thread = threading.local()

    @property
    def s3(self) -> Any:
        """The S3 client of this process."""
        return self._own.get()[0]

    @property
    def session(self) -> Any:
        """The botocore session of this process, which refreshes credentials."""
        return self._own.get()[1]

    def _close(self, own: tuple[Any, Any]) -> None:
        own[0].close()

    def _make(self) -> tuple[Any, Any]:
        """Return a client and its session."""
        settings = self.settings
        try:
            core = botocore.session.get_session()
            session = boto3.Session(
                botocore_session=core,
                profile_name=settings.profile_name,
                region_name=settings.region()[0],
                aws_access_key_id=settings.aws_access_key_id,
                aws_secret_access_key=settings.aws_secret_access_key,
                aws_session_token=settings.aws_session_token,
            )
            if not settings.anonymous:
                self._look_for_credentials(core)
            trust = settings.trust()
            if isinstance(trust, str) and not os.path.exists(trust):
                raise InvalidArgumentError(f"there is no certificate file {trust}")
            client = session.client("s3", endpoint_url=self._endpoint(core)[0], verify=trust, config=self._config())
        except Exception as error:  # noqa: BLE001 (what it means is raised)
            raise error_from_sdk(error, "s3://") from redacted_cause(error)
        client.meta.events.register("before-sign.s3", _name_checksum)
        client.meta.events.register("before-send.s3", self._before_send)
        return client, core

    @staticmethod
    def _look_for_credentials(session: Any) -> Any:
        """Return the credentials of a session, or None; what goes wrong on the way is said to be about them."""
        try:
            return session.get_credentials()
        except Exception as error:  # noqa: BLE001 (what it means is raised)
            raise error_from_login(error) from redacted_cause(error)

    def _endpoint(self, session: Any) -> tuple[str | None, str]:
        """Return the endpoint that the SDK has to be told, or None, and where it came from."""
        return self.settings.endpoint(
            ignore_configured=bool(session.get_config_variable("ignore_configured_endpoint_urls"))
        )

    def _config(self) -> Config:
        """Return botocore's configuration."""
        settings = self.settings
        chosen: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": settings.max_attempts},
            "connect_timeout": settings.connect_timeout,
            "read_timeout": settings.read_timeout,
            "max_pool_connections": CONNECTIONS,
            # Every body goes out with a CRC-32C of ours; a second checksum would only cost time and upset other stores.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        if settings.addressing_style != "auto":
            # Left alone it is what the profile says, else path where an endpoint is given and virtual at Amazon.
            chosen["s3"] = {"addressing_style": settings.addressing_style}
        if settings.anonymous:
            chosen["signature_version"] = botocore.UNSIGNED
        return Config(**chosen)

    def destination(self, bucket: str, key: str) -> Destination:
        """Return where a request for an object goes, decided by the SDK as for all others; nothing is sent.

        So everything that decides it is taken into account: profiles, partitions, FIPS, dual stack, acceleration, and
        the region that an earlier request for this bucket was redirected to.
        """
        self._thread.looks = True
        self._thread.found = None
        try:
            self.s3.head_object(Bucket=bucket, Key=key)
        except Exception as error:  # noqa: BLE001 (what it means is raised)
            raise error_from_sdk(error, f"s3://{bucket}") from redacted_cause(error)
        finally:
            self._thread.looks = False
        found: Destination | None = self._thread.found
        assert found is not None, "the SDK sent a request without telling"
        return found

    def _before_send(self, request: Any, event_name: str, **_others: object) -> AWSResponse | None:
        """Count a request as it leaves, retries too; or keep it from leaving, by an answer of our own."""
        if getattr(self._thread, "looks", False):
            # The SDK encodes some of its headers, not all.
            texts = {
                name: value.decode("latin-1") if isinstance(value, bytes) else value
                for name, value in request.headers.items()
            }
            self._thread.found = Destination(request.url, texts)
            return AWSResponse(request.url, 200, {}, HTTPResponse(BytesIO()))
        token = request.headers.get("X-Amz-Security-Token")
        if token is not None:  # a server may repeat the request in what it answers
            remember_secret(token.decode() if isinstance(token, bytes) else token)
        check_headers(request.headers.get("Authorization"), token)
        length = request.headers.get("Content-Length") or 0
        self.counter.add(event_name.rpartition(".")[2], requests=1, sent=int(length))
        return None

    def _describe(self, own: tuple[Any, Any]) -> dict[str, str]:
        client, session = own
        _, endpoint_source = self._endpoint(session)
        _, region_source = self.settings.region()
        profile = session.profile
        return {
            "endpoint": f"{client.meta.endpoint_url} ({endpoint_source})",
            "region": f"{client.meta.region_name} ({region_source})",
            "profile": str(profile) if profile else "none",
            "credentials": self._source_of_credentials(),
        }

    def _describe_settings(self) -> dict[str, str]:
        (endpoint, endpoint_source), (region, region_source) = self.settings.endpoint(), self.settings.region()
        variables = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
        profile = self.settings.profile_name or next(filter(None, map(os.environ.get, variables)), None)
        return {
            "endpoint": f"{endpoint or 'not looked for'} ({endpoint_source})",
            "region": f"{region or 'not looked for'} ({region_source})",
            "profile": profile or "none",
        }

    def _source_of_credentials(self) -> str:
        """Return by which of the SDK's ways credentials were found."""
        if self.settings.anonymous:
            return "anonymous (unsigned requests)"
        credentials = self._look_for_credentials(self.session)
        return "none found" if credentials is None else str(credentials.method)
