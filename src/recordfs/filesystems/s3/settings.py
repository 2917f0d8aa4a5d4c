"""How to reach S3: endpoint, region, credentials and request options, and where each came from."""

from __future__ import annotations

import os
from typing import Any, NamedTuple, TypedDict

from recordfs.errors import InvalidArgumentError

__all__ = ["RequestOptions", "Settings", "endpoint_from_environment", "with_scheme"]

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT")


class RequestOptions(TypedDict, total=False):
    """Parameters that go with requests, in boto3's spelling."""

    RequestPayer: str
    ServerSideEncryption: str
    SSEKMSKeyId: str


class Settings(NamedTuple):
    """What the options of S3FileSystem decide about reaching the store. None asks the SDK's own chain.

    Attributes:
        endpoint_url: The store's address, with or without scheme; None for the environment, then Amazon.
        region_name: The region.
        profile_name: A profile of the shared configuration files.
        aws_access_key_id: With ``aws_secret_access_key``, explicit keys.
        aws_secret_access_key: As above. Never printed.
        aws_session_token: For temporary keys. Never printed.
        anonymous: Send unsigned requests, as public buckets take them.
        addressing_style: "path" (host/bucket/key), "virtual" (bucket.host/key), or "auto": path where an endpoint is
            given, else virtual.
        requester_pays: Agree to pay for requests.
        server_side_encryption: "AES256", "aws:kms" or "aws:kms:dsse" for new objects; None for the bucket's default.
        ssekms_key_id: Which key, with the two latter.
        max_attempts: How often a request is sent at most.
        connect_timeout: Seconds to connect.
        read_timeout: Seconds without an answer.
    """

    endpoint_url: str | None = None
    region_name: str | None = None
    profile_name: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = None
    aws_session_token: str | None = None
    anonymous: bool = False
    addressing_style: str = "auto"
    requester_pays: bool = False
    server_side_encryption: str | None = None
    ssekms_key_id: str | None = None
    max_attempts: int = 4
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    def __repr__(self) -> str:
        """Show everything but secrets."""
        hidden = {"aws_secret_access_key", "aws_session_token"}
        shown = (
            f"{name}={'<hidden>' if name in hidden else value!r}"
            for name, value in zip(self._fields, self, strict=True)
            if value != self._field_defaults[name]
        )
        return f"Settings({', '.join(shown)})"

    def checked(self) -> Settings:
        """Return itself.

        Raises:
            InvalidArgumentError: Something in it can never work.
        """
        if self.addressing_style not in ("auto", "path", "virtual"):
            raise InvalidArgumentError(
                f"addressing_style is 'auto', 'path' or 'virtual', found {self.addressing_style!r}"
            )
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise InvalidArgumentError("aws_access_key_id and aws_secret_access_key go together")
        if self.anonymous and (self.aws_access_key_id is not None or self.profile_name is not None):
            raise InvalidArgumentError("anonymous=True takes no keys and no profile")
        if self.max_attempts < 1:
            raise InvalidArgumentError(f"max_attempts has to be at least 1, found {self.max_attempts}")
        return self

    def endpoint(self) -> tuple[str | None, str]:
        """Return the endpoint with its scheme, or None to let the SDK choose, and where it came from."""
        if self.endpoint_url is not None:
            return with_scheme(self.endpoint_url), "option endpoint_url"
        return endpoint_from_environment()

    def request_options(self) -> RequestOptions:
        """Return the parameters of every request."""
        return {"RequestPayer": "requester"} if self.requester_pays else {}

    def encryption(self) -> dict[str, Any]:
        """Return the parameters of every request that makes an object."""
        chosen: dict[str, Any] = {}
        if self.server_side_encryption is not None:
            chosen["ServerSideEncryption"] = self.server_side_encryption
        if self.ssekms_key_id is not None:
            chosen["SSEKMSKeyId"] = self.ssekms_key_id
        return chosen


def endpoint_from_environment() -> tuple[str | None, str]:
    """Return the endpoint that the environment names, or None, and the variable's name."""
    for variable in ENDPOINT_VARIABLES:
        value = os.environ.get(variable)
        if value:
            return with_scheme(value), variable
    return None, "the SDK's own configuration"


def with_scheme(endpoint: str) -> str:
    """Return an endpoint as a URL. Without a scheme it is https, unless ``S3_USE_HTTPS=0`` as in TensorFlow."""
    if "://" in endpoint:
        return endpoint
    plain = os.environ.get("S3_USE_HTTPS", "1").lower() in ("0", "false")
    return f"{'http' if plain else 'https'}://{endpoint}"
