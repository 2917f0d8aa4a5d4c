"""How to reach S3: endpoint, region, credentials and request options, and where each came from."""

from __future__ import annotations

import os
from typing import Any, NamedTuple, TypedDict

from recordfs.errors import InvalidArgumentError
from recordfs.filesystems._object_store.endpoint import checked_endpoint
from recordfs.filesystems._object_store.option_types import check_option_types, shown_options

__all__ = ["RequestOptions", "Settings"]

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT")

REGION_VARIABLES = ("AWS_REGION", "S3_REGION")
"""TensorFlow's, and with AWS_REGION that of every SDK but boto3, which asks AWS_DEFAULT_REGION after these."""

_FALSE = ("0", "false", "no")


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
        verify: False to accept any certificate of an https endpoint, or the name of a file with the certificates of
            the authorities to trust; None for TensorFlow's ``S3_VERIFY_SSL`` and ``S3_CA_FILE``, then
            ``AWS_CA_BUNDLE``.
        conditional_writes: Whether the store keeps If-Match and If-None-Match on writes; None to find out, which asks
            other stores than Amazon's once for each bucket.
        equal_parts: Whether all parts of an upload but the last have to be of one size; None for true at Cloudflare R2.
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
    verify: bool | str | None = None
    conditional_writes: bool | None = None
    equal_parts: bool | None = None
    max_attempts: int = 4
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    def __repr__(self) -> str:
        """Show everything but secrets."""
        return shown_options(self, ("aws_secret_access_key", "aws_session_token"))

    def checked(self) -> Settings:
        """Return itself.

        Raises:
            InvalidArgumentError: Something in it can never work.
        """
        check_option_types(self)
        if self.addressing_style not in ("auto", "path", "virtual"):
            raise InvalidArgumentError(
                f"addressing_style is 'auto', 'path' or 'virtual', found {self.addressing_style!r}"
            )
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise InvalidArgumentError("aws_access_key_id and aws_secret_access_key go together")
        if self.anonymous and (self.aws_access_key_id is not None or self.profile_name is not None):
            raise InvalidArgumentError("anonymous=True takes no keys and no profile")
        return self

    def endpoint(self, *, ignore_configured: bool = False) -> tuple[str | None, str]:
        """Return the endpoint with its scheme, or None to let the SDK choose, and where it came from.

        Args:
            ignore_configured: The SDK is told to ignore configured endpoints; S3_ENDPOINT is none of its own.

        Raises:
            InvalidArgumentError: It can be no endpoint.
        """
        # Without a scheme it is https, unless TensorFlow's variable says otherwise.
        scheme = "http" if os.environ.get("S3_USE_HTTPS", "1").lower() in _FALSE else "https"
        if self.endpoint_url is not None:
            return checked_endpoint(self.endpoint_url, "the option endpoint_url", scheme), "option endpoint_url"
        for variable in ENDPOINT_VARIABLES:
            value = os.environ.get(variable)
            if value and not (ignore_configured and variable.startswith("AWS_")):
                return checked_endpoint(value, variable, scheme), variable
        return None, "the SDK's own configuration"

    def region(self) -> tuple[str | None, str]:
        """Return the region, or None to let the SDK choose, and where it came from."""
        if self.region_name is not None:
            return self.region_name, "option region_name"
        for variable in REGION_VARIABLES:
            if os.environ.get(variable):
                return os.environ[variable], variable
        return None, "the SDK's own configuration"

    def trust(self) -> bool | str | None:
        """Return boto3's ``verify``: False, the name of a file with certificates, or None for the SDK's own choice."""
        if self.verify is not None:
            return self.verify
        if os.environ.get("S3_VERIFY_SSL", "1").lower() in _FALSE:
            return False
        return os.environ.get("S3_CA_FILE") or None

    def request_options(self) -> RequestOptions:
        """Return the parameters of every request."""
        return {"RequestPayer": "requester"} if self.requester_pays else {}

    def has_equal_parts(self, host: str) -> bool:
        """Tell whether the store at a host wants parts of one size.

        Source: Cloudflare R2's documentation, "Multipart upload": all parts but the last have the same size, and the
        last is no larger.
        """
        if self.equal_parts is None:
            return host.endswith(".r2.cloudflarestorage.com")
        return self.equal_parts

    def encryption(self) -> dict[str, Any]:
        """Return the parameters of every request that makes an object."""
        chosen: dict[str, Any] = {}
        if self.server_side_encryption is not None:
            chosen["ServerSideEncryption"] = self.server_side_encryption
        if self.ssekms_key_id is not None:
            chosen["SSEKMSKeyId"] = self.ssekms_key_id
        return chosen
