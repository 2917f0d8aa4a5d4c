"""obstore's store for a bucket, reached and authenticated as google-cloud-storage's requests for it are."""

from __future__ import annotations

import datetime as dt
import os
import threading
from typing import TYPE_CHECKING

from google.auth.credentials import AnonymousCredentials
from obstore.store import GCSStore as ObstoreGCSStore

from recordfs.filesystems._object_store.obstore_options import client_options, retry_config
from recordfs.filesystems.gcs.errors import SDK_ERRORS, error_from_sdk
from recordfs.filesystems.gcs.tokens import renew_token
from recordfs.redaction import redacted_cause

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from obstore.store import ClientConfig, GCSCredential

    from recordfs.filesystems.gcs.client import Clients

__all__ = ["TokenProvider", "make_obstore"]


def make_obstore(clients: Clients, bucket: str) -> ObstoreGCSStore:
    """Return obstore's store for a bucket.

    obstore reads environment variables of its own, so everything that one of them could change is said here. It looks
    for default credentials, and fails on those of a kind that it does not know, unless it is given a provider.
    """
    settings = clients.settings
    endpoint = str(clients.storage.api_endpoint)
    credentials = clients.credentials
    anonymous = isinstance(credentials, AnonymousCredentials)
    # Objects stored with Content-Encoding: gzip are to come as they are stored, not unpacked on the way.
    headers = {"accept-encoding": "gzip"}
    if settings.user_project is not None:
        headers["x-goog-user-project"] = settings.user_project
    options: ClientConfig = {**client_options(settings, endpoint), "default_headers": headers}
    # As requests does for the SDK.
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if bundle and os.path.isfile(bundle):
        with open(bundle, "rb") as file:
            options["root_certificate"] = file.read()
    return ObstoreGCSStore(
        bucket,
        client_options=options,
        retry_config=retry_config(settings),
        credential_provider=_no_token if anonymous else TokenProvider(credentials, settings.timeout),
        base_url=endpoint,
        skip_signature=anonymous,
    )


def _no_token() -> GCSCredential:
    """Return what is not sent."""
    return {"token": "", "expires_at": None}


class TokenProvider:
    """Gives obstore the token as it is now; obstore asks again before it expires. Safe to use from any thread.

    Args:
        credentials: Of whatever kind.
        timeout: As of renew_token.
    """

    def __init__(self, credentials: Credentials, timeout: tuple[float, float]) -> None:
        self._credentials = credentials
        self._timeout = timeout
        self._lock = threading.Lock()

    def __call__(self) -> GCSCredential:
        """Return the token, refreshed if it was about to expire.

        Raises:
            UnauthenticatedError: It could not be refreshed.
        """
        credentials = self._credentials
        with self._lock:
            try:
                token = renew_token(credentials, self._timeout)
            except SDK_ERRORS as error:
                raise error_from_sdk(error, "gs://") from redacted_cause(error)
            expiry = credentials.expiry
        return {"token": token or "", "expires_at": None if expiry is None else expiry.replace(tzinfo=dt.UTC)}
