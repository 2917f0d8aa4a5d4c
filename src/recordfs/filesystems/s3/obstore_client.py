"""obstore's store for a bucket, reached and authenticated exactly as boto3's requests for it are."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.store import S3Store as ObstoreS3Store

from recordfs.errors import InvalidArgumentError, UnauthenticatedError
from recordfs.filesystems._object_store.obstore_options import client_options, retry_config
from recordfs.filesystems.s3.errors import NO_CREDENTIALS, check_headers, error_from_login
from recordfs.redaction import redacted_cause, remember_secret

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Credential

    from recordfs.filesystems.s3.client import Clients

__all__ = ["CredentialProvider", "make_obstore"]

CREDENTIAL_LIFETIME = dt.timedelta(minutes=5)
"""How long obstore may use what it was given. It asks again five minutes before the end (at most every 0.1 s), so it
asks the session each time, which refreshes temporary credentials when they are due."""

_KEY = "k"


def make_obstore(clients: Clients, bucket: str) -> ObstoreS3Store | None:
    """Return obstore's store for a bucket, or None where obstore cannot do what the SDK does.

    obstore reads environment variables of its own, so everything that one of them could change is said here.
    """
    if bucket.endswith("--x-s3"):
        return None  # directory buckets take session credentials, which only the SDK makes
    destination = clients.destination(bucket, _KEY)
    settings = clients.settings
    base = destination.url.removesuffix(f"/{_KEY}")
    virtual = not urlsplit(base).path.endswith(f"/{bucket}")
    endpoint = base if virtual else base.removesuffix(f"/{bucket}")
    chosen: dict[str, Any] = {
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "virtual_hosted_style_request": virtual,
        "request_payer": settings.requester_pays,
        "skip_signature": settings.anonymous,
        "s3_express": False,
        "region": "us-east-1",
    }
    if not settings.anonymous:
        region = _signing_region(destination.headers)
        if region is None:
            return None
        chosen["region"] = region
        chosen["credential_provider"] = CredentialProvider(clients)
    options: ClientConfig = {**client_options(settings, endpoint), **_trust(clients)}
    return ObstoreS3Store(bucket, client_options=options, retry_config=retry_config(settings), **chosen)


def _signing_region(headers: dict[str, str]) -> str | None:
    """Return the region that the SDK signs for, or None where it signs otherwise than obstore can.

    Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API reference:
    ``AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/s3/aws4_request, ...``.
    """
    method, _, rest = headers.get("Authorization", "").partition(" ")
    scope = rest.partition("Credential=")[2].partition(",")[0].split("/")
    if method != "AWS4-HMAC-SHA256" or scope[-2:] != ["s3", "aws4_request"]:
        return None
    return scope[-3]


def _trust(clients: Clients) -> ClientConfig:
    """Return which certificates to take, as the SDK does."""
    trust = clients.settings.trust()
    if trust is None:
        trust = clients.session.get_config_variable("ca_bundle")
    if trust is False:
        return {"allow_invalid_certificates": True}
    if not isinstance(trust, str):
        return {"allow_invalid_certificates": False}
    try:
        with open(trust, "rb") as file:
            return {"allow_invalid_certificates": False, "root_certificate": file.read()}
    except OSError as error:
        raise InvalidArgumentError(f"the certificate file {trust} cannot be read: {error.strerror}") from error


class CredentialProvider:
    """Hands the session's credentials to obstore, from any thread."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def __call__(self) -> S3Credential:
        """Return the credentials as they are now.

        Raises:
            UnauthenticatedError: There are none, or they could not be refreshed.
        """
        try:
            credentials = self._clients.session.get_credentials()
            if credentials is None:
                raise UnauthenticatedError(NO_CREDENTIALS, path="s3://")
            frozen = credentials.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 (what it means is raised)
            raise error_from_login(error) from redacted_cause(error)
        remember_secret(frozen.token)
        check_headers(frozen.access_key, frozen.token)
        latest = dt.datetime.now(dt.UTC) + CREDENTIAL_LIFETIME
        # Only temporary credentials end; botocore keeps the moment to itself.
        expires = getattr(credentials, "_expiry_time", None)
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": latest if expires is None else min(latest, expires.astimezone(dt.UTC)),
        }
