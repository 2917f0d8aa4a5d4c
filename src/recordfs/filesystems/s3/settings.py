"""How to reach S3: endpoint, region, credentials and request options, and where each came from."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, ClassVar, Self

from recordfs.errors import InvalidArgumentError
from recordfs.filesystems._object_store.settings import StoreSettings, first_given

__all__ = ["Settings"]

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT")

REGION_VARIABLES = ("AWS_REGION", "S3_REGION")
"""TensorFlow's, and with AWS_REGION that of every SDK but boto3, which asks AWS_DEFAULT_REGION after these."""

_FALSE = ("0", "false", "no")


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Settings(StoreSettings):
    """What the options of S3FileSystem decide about reaching the store, besides those of StoreSettings.

    Attributes:
        region_name: The region.
        profile_name: A profile of the shared configuration files.
        aws_access_key_id: With ``aws_secret_access_key``, explicit keys.
        aws_secret_access_key: As above. Never printed.
        aws_session_token: For temporary keys. Never printed.
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
    """

    region_name: str | None = None
    profile_name: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = None
    aws_session_token: str | None = None
    addressing_style: str = "auto"
    requester_pays: bool = False
    server_side_encryption: str | None = None
    ssekms_key_id: str | None = None
    verify: bool | str | None = None
    conditional_writes: bool | None = None
    equal_parts: bool | None = None

    hidden: ClassVar = ("aws_secret_access_key", "aws_session_token")

    def checked(self) -> Self:
        """See StoreSettings."""
        super().checked()
        if self.addressing_style not in ("auto", "path", "virtual"):
            raise InvalidArgumentError(
                f"addressing_style has to be 'auto', 'path' or 'virtual', found {self.addressing_style!r}"
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
        ignored = "AWS_" if ignore_configured else "none of them"
        return self.endpoint_from([name for name in ENDPOINT_VARIABLES if not name.startswith(ignored)], scheme)

    def region(self) -> tuple[str | None, str]:
        """Return the region, or None to let the SDK choose, and where it came from."""
        return first_given(self.region_name, "region_name", REGION_VARIABLES)

    def trust(self) -> bool | str | None:
        """Return boto3's ``verify``: False, the name of a file with certificates, or None for the SDK's own choice."""
        if self.verify is not None:
            return self.verify
        if os.environ.get("S3_VERIFY_SSL", "1").lower() in _FALSE:
            return False
        return os.environ.get("S3_CA_FILE") or None

    def request_options(self) -> dict[str, str]:
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
        chosen = {"ServerSideEncryption": self.server_side_encryption, "SSEKMSKeyId": self.ssekms_key_id}
        return {name: value for name, value in chosen.items() if value is not None}
