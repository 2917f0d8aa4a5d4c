"""How to reach Google Cloud Storage: endpoint, project, credentials and request options, and where each came from."""

from __future__ import annotations

import os
from typing import NamedTuple

from recordfs.errors import InvalidArgumentError
from recordfs.filesystems._object_store.endpoint import checked_endpoint
from recordfs.filesystems._object_store.option_types import check_option_types, shown_options

__all__ = ["Settings"]

EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")


class Settings(NamedTuple):
    """What the options of GCSFileSystem decide about reaching the store. None asks Google's own chain.

    Attributes:
        endpoint_url: The store's address, with or without scheme; None for ``STORAGE_EMULATOR_HOST``, then Google.
        project: The project whose buckets are listed; objects need none.
        credentials_file: A JSON file of credentials of any kind that google-auth knows.
        token: An OAuth 2 access token, used as it is and never refreshed. Never printed.
        anonymous: Send no credentials, as public buckets and emulators take requests.
        user_project: The project that pays for requests to requester-pays buckets.
        kms_key_name: The Cloud KMS key for new objects; None for the bucket's default.
        max_attempts: How often a request is sent at most.
        connect_timeout: Seconds to connect.
        read_timeout: Seconds without an answer.
    """

    endpoint_url: str | None = None
    project: str | None = None
    credentials_file: str | None = None
    token: str | None = None
    anonymous: bool = False
    user_project: str | None = None
    kms_key_name: str | None = None
    max_attempts: int = 4
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    def __repr__(self) -> str:
        """Show everything but secrets."""
        return shown_options(self, ("token",))

    def checked(self) -> Settings:
        """Return itself.

        Raises:
            InvalidArgumentError: Something in it can never work.
        """
        check_option_types(self)
        given = [name for name in ("credentials_file", "token") if getattr(self, name) is not None]
        if self.anonymous:
            given.append("anonymous")
        if len(given) > 1:
            raise InvalidArgumentError(f"give one source of credentials, found {' and '.join(given)}")
        return self

    def endpoint(self) -> tuple[str | None, str]:
        """Return the endpoint with its scheme, or None to let the SDK choose, and where it came from.

        Raises:
            InvalidArgumentError: It can be no endpoint.
        """
        if self.endpoint_url is not None:
            return checked_endpoint(self.endpoint_url, "the option endpoint_url", "https"), "option endpoint_url"
        emulator = os.environ.get(EMULATOR_VARIABLE)
        if emulator:
            return checked_endpoint(emulator, EMULATOR_VARIABLE, "http"), EMULATOR_VARIABLE
        return None, "the SDK's own configuration"

    def needs_no_credentials(self) -> tuple[bool, str]:
        """Tell whether requests go out without credentials, and why: asked for, or to an emulator."""
        if self.anonymous:
            return True, "anonymous"
        endpoint, source = self.endpoint()
        explicit = self.token is not None or self.credentials_file is not None
        if source == EMULATOR_VARIABLE and not explicit:
            return True, f"anonymous, as {EMULATOR_VARIABLE} is set"
        if endpoint is not None and endpoint.startswith("http://") and not explicit:
            return True, "anonymous, as the endpoint is plain http, where a token could be overheard"
        return False, ""

    def project_from_environment(self) -> str | None:
        """Return the project that was given, or the one that the environment names."""
        if self.project is not None:
            return self.project
        return next((os.environ[name] for name in PROJECT_VARIABLES if os.environ.get(name)), None)
