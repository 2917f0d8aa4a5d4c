"""Clients of Google Cloud Storage: one for each process, made at first use, counting what they send."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import google.auth
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.oauth2.credentials import Credentials as AccessToken
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from recordfs.filesystems._object_store.clients import CONNECTIONS, SDKClients
from recordfs.filesystems.gcs.errors import SDK_ERRORS, error_from_sdk
from recordfs.filesystems.gcs.tokens import renew_token
from recordfs.redaction import redacted_cause, remember_secret

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from requests import PreparedRequest, Response

    from recordfs.filesystems._object_store.statistics import RequestCounter
    from recordfs.filesystems.gcs.settings import Settings

__all__ = ["Clients", "operation_of"]

GOOGLE = "googleapis.com"

UNAUTHORIZED = 401


class _Own(NamedTuple):
    """What belongs to one process."""

    client: storage.Client
    credentials: Credentials
    source: str


class Clients(SDKClients[_Own]):
    """google-cloud-storage's client and its credentials; see SDKClients."""

    settings: Settings

    @property
    def storage(self) -> storage.Client:
        """The SDK's client of this process."""
        return self._own.get().client

    def _make(self) -> _Own:
        """Find credentials and make the client."""
        try:
            credentials, project, source = self._credentials()
            session = _CountingSession(credentials, self.counter, self.settings.timeout)
            options: dict[str, str] = {}
            endpoint, _ = self.settings.endpoint()
            if endpoint is not None:
                options["api_endpoint"] = endpoint
            elif credentials.universe_domain != GOOGLE:
                options["universe_domain"] = credentials.universe_domain
            client = storage.Client(project=project, credentials=credentials, _http=session, client_options=options)
        except SDK_ERRORS as error:
            raise error_from_sdk(error, "gs://") from redacted_cause(error)
        return _Own(client, credentials, source)

    def _credentials(self) -> tuple[Credentials, str | None, str]:
        """Return credentials, the project that goes with them, and where they came from."""
        settings = self.settings
        project = settings.project_from_environment()
        without, why = settings.needs_no_credentials()
        if without:
            return AnonymousCredentials(), project, why
        if settings.token is not None:
            return AccessToken(settings.token), project, "option token"
        scopes = storage.Client.SCOPE
        if settings.credentials_file is not None:
            with warnings.catch_warnings():
                # It warns of files from strangers; this one is the caller's own, like that of the default credentials.
                warnings.simplefilter("ignore", DeprecationWarning)
                credentials, found = google.auth.load_credentials_from_file(settings.credentials_file, scopes=scopes)
            source = "option credentials_file"
        else:
            credentials, found = google.auth.default(scopes=scopes)
            named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
            source = "GOOGLE_APPLICATION_CREDENTIALS" if named else "application default credentials"
        module = type(credentials).__module__.removeprefix("google.")
        return credentials, project or found, f"{source} ({module})"

    @property
    def credentials(self) -> Credentials:
        """What this process's requests are authorized with."""
        return self._own.get().credentials

    def _close(self, own: _Own) -> None:
        own.client.close()

    def _describe(self, own: _Own) -> dict[str, str]:
        described = {
            "endpoint": f"{own.client.api_endpoint} ({self.settings.endpoint()[1]})",
            "project": str(own.client.project or "none: buckets cannot be listed"),
            "credentials": own.source,
        }
        if self.settings.user_project is not None:
            described["pays"] = self.settings.user_project
        return described

    def _describe_settings(self) -> dict[str, str]:
        endpoint, source = self.settings.endpoint()
        project = self.settings.project_from_environment()
        return {"endpoint": f"{endpoint or 'not looked for'} ({source})", "project": project or "not looked for"}


class _NoCookies(RequestsCookieJar):
    """A jar that takes no cookies: the API sets none.

    The usual one takes a lock that all threads share where an interrupt may leave it taken, and every request after
    that would wait for ever.
    """

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take nothing."""


class _CountingSession(AuthorizedSession):  # type: ignore[misc]  # the base has no types
    """A session that counts each request as it leaves, retries too.

    Args:
        credentials: What requests are authorized with.
        counter: Where they are counted.
        timeout: As of renew_token.
    """

    def __init__(self, credentials: Credentials, counter: RequestCounter, timeout: tuple[float, float]) -> None:
        super().__init__(credentials)
        self._counter = counter
        self._timeout_of_tokens = timeout
        self.cookies = _NoCookies()
        self.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))
        self.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
        self.configure_mtls_channel()

    def request(self, method: str, url: str, *arguments: Any, **keywords: Any) -> Response:
        """Send a request; see AuthorizedSession."""
        if not self.credentials.valid:
            renew_token(self.credentials, self._timeout_of_tokens)  # which the base does without a look at the answer
        response: Response = super().request(method, url, *arguments, **keywords)
        return response

    def send(self, request: PreparedRequest, **keywords: Any) -> Response:
        """Count and send a prepared request."""
        # A server may repeat the request in what it answers.
        remember_secret(str(request.headers.get("Authorization") or "").removeprefix("Bearer "))
        length = request.headers.get("Content-Length") or "0"
        self._counter.add(operation_of(request.method or "", request.url or ""), requests=1, sent=int(length))
        response: Response = super().send(request, **keywords)
        if response.status_code == UNAUTHORIZED:
            # Whoever renews the credentials drops this answer: read, it gives its connection back.
            _ = response.content
        return response


_ON_ALL = {"GET": "list", "POST": "insert"}


def operation_of(method: str, url: str) -> str:
    """Return the JSON API's name for a request: ``objects.insert``, ``objects.compose``, ``buckets.get`` ...

    Source: "JSON API: resource types" in the service's reference.
    """
    path = url.partition("://")[2].partition("/")[2].partition("?")[0]
    if path.startswith("upload/"):
        return "objects.insert"
    parts = path.removeprefix("download/").split("/")
    if parts[:3] != ["storage", "v1", "b"]:
        return "other"
    rest = parts[3:]
    if len(rest) > 1 and rest[1] != "o":
        return "other"
    kind, names = ("buckets", rest) if len(rest) < 2 else ("objects", rest[2:])
    if len(names) > 1:
        return f"{kind}.{names[1].removesuffix('To')}"
    return f"{kind}.{method.lower() if names else _ON_ALL.get(method, method.lower())}"
