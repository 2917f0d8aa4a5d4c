"""Access tokens: renewed in time, whatever the server of tokens answers, and looked at before they are sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from requests.exceptions import RequestException

from recordfs.redaction import remember_secret

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

__all__ = ["renew_token"]


def renew_token(credentials: Credentials, timeout: tuple[float, float]) -> str | None:
    """Return the token as it is now, renewed if it was about to expire; None for anonymous requests.

    Args:
        credentials: Of whatever kind.
        timeout: Seconds to connect to the server of tokens, and to wait for its answer; google-auth waits two minutes.

    Raises:
        GoogleAuthError: There is none to be had.
        RequestException: The server of tokens could not be reached.
    """
    try:
        # Whatever kind of credentials these are, this refreshes them when they are due.
        credentials.before_request(partial(Request(), timeout=timeout), "GET", "https://storage.googleapis.com/", {})
    except (GoogleAuthError, RequestException):
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # google-auth takes an answer for a token's without looking: a page to sign in, for example.
        raise RefreshError(f"the server of tokens answered something else than a token ({error!r})") from error
    token: str | None = credentials.token
    if token is None:
        return None
    remember_secret(token)
    if not (token.isascii() and token.isprintable()) or " " in token:
        credentials.token = None  # so that nobody takes it for valid
        raise RefreshError("the access token has characters in it that no token has, such as the end of a line")
    return token
