"""How to reach Google Cloud Storage: endpoint, project, credentials and request options, and where each came from."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

from recordfs.errors import InvalidArgumentError
from recordfs.filesystems._object_store.settings import StoreSettings, first_given

__all__ = ["Settings"]

EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Settings(StoreSettings):
    """What the options of GCSFileSystem decide about reaching the store, besides those of StoreSettings.

    Attributes:
        project: The project whose buckets are listed; objects need none.
        credentials_file: A JSON file of credentials of any kind that google-auth knows.
        token: An OAuth 2 access token, used as it is and never refreshed. Never printed.
        user_project: The project that pays for requests to requester-pays buckets.
        kms_key_name: The Cloud KMS key for new objects; None for the bucket's default.
    """

    project: str | None = None
    credentials_file: str | None = None
    token: str | None = None
    user_project: str | None = None
    kms_key_name: str | None = None

    hidden: ClassVar = ("token",)

    def checked(self) -> Self:
        """See StoreSettings."""
        super().checked()
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
        return self.endpoint_from([EMULATOR_VARIABLE], "https" if self.endpoint_url else "http")

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
        return first_given(self.project, "project", PROJECT_VARIABLES)[0]
