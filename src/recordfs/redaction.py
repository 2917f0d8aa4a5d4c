"""Secrets taken out of text that people will see: errors, reprs, reports, warnings, and what the command line prints.

Signed URLs carry their signature, ``user:password@`` stands in URLs of many protocols, and servers repeat headers and
parameters in their error pages. Every text that leaves recordfs for a person or a log goes through ``redact``; values
that are needed to do the work (a path to open again) stay what they are.

This module imports nothing from recordfs.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

__all__ = ["HIDDEN", "RedactedError", "redact", "redacted_cause", "remember_secret"]

HIDDEN = "***"
"""What stands where a secret was."""

_SHORTEST_SECRET = 8
"""Characters; what is shorter stands in other words too."""

_MOST_SECRETS = 1000

_secrets: dict[str, None] = {}

# Parts of the names of parameters, headers and fields whose values are secrets.
_NAME_OF_SECRET = (
    r"[\w.-]*(?:signature|credential|token|secret|passw|pwd|api[-_]?key|access[-_]?key|authorization|x-amz-cred)[\w.-]*"  # noqa: S105 (a pattern)
)


def remember_secret(value: str | None) -> None:
    """Take a value out of every text from now on, wherever it stands; a client calls it with its credentials.

    The last thousand are remembered. Safe to call from any thread.
    """
    if value is None or len(value) < _SHORTEST_SECRET:
        return
    _secrets.pop(value, None)
    _secrets[value] = None
    while len(_secrets) > _MOST_SECRETS:
        _secrets.pop(next(iter(_secrets)), None)


def redact(text: str) -> str:
    """Return a text without the secrets in it: passwords and signatures of URLs, tokens, keys, remembered values."""
    for secret in tuple(_secrets):
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if "=" not in text and ":" not in text and ">" not in text and "earer " not in text:
        return text  # nothing below is without one of these
    for pattern, replacement in _patterns():
        text = pattern.sub(replacement, text)
    return text


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    import re  # costs 5 ms of import, and is needed when something went wrong

    return (
        # `scheme://user:password@host`: up to the last @ before the path, because passwords hold them too.
        (re.compile(r"(?<=://)[^/\s'\"<>?#]*:[^/\s'\"<>?#]*@"), f"{HIDDEN}@"),
        # On the web the user alone is a token.
        (re.compile(r"(?<=http://)[^/\s'\"<>?#]+@|(?<=https://)[^/\s'\"<>?#]+@"), f"{HIDDEN}@"),
        # Parameters of URLs; short names only there.
        (
            re.compile(rf"(?i)([?&;](?:{_NAME_OF_SECRET}|sig|key|policy|jwt|hmac|auth)=)[^&;\s'\"<>#]*"),
            rf"\g<1>{HIDDEN}",
        ),
        # Headers and fields: `name: value`, `name=value`, `"name": "value"`, `<name>value<`. After a slash
        # only `=` makes one: the error of a path is `dir/tokens: Permission denied`.
        (
            re.compile(
                rf"(?i)((?<![\w.-])(?:(?<!\w/)|(?=[\w.-]+=)){_NAME_OF_SECRET}[\"']?(?:\s*[:=]\s*|>)[\"']?)"
                r"((?:bearer|basic|negotiate|aws4-hmac-sha256)\s+)?(?!\*\*\*|bearer\s|basic\s|negotiate\s|aws4-)[^\s\"'<>,;&)}]{6,}"
            ),
            rf"\g<1>\g<2>{HIDDEN}",
        ),
        (re.compile(r"(?i)(\bbearer\s+)(?!\*\*\*)[A-Za-z0-9._~+/=-]{8,}"), rf"\g<1>{HIDDEN}"),
    )


class RedactedError(Exception):
    """Stands for the error of another library whose text held secrets; says what it said, without them."""


def redacted_cause(error: BaseException) -> BaseException:
    """Return what to name as the cause of an error: the error given, or one that says the same without its secrets.

    A traceback shows every error of a chain, those of other libraries as well.
    """
    link: BaseException | None = error
    seen: list[BaseException] = []
    while link is not None and link not in seen:
        seen.append(link)
        if _shows_secrets(link):
            return RedactedError(redact(f"{type(error).__name__}: {error}"))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return error


def _shows_secrets(error: BaseException) -> bool:
    shown = f"{error}\n{error!r}\n" + "\n".join(getattr(error, "__notes__", ()))
    return redact(shown) != shown
