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
    from collections.abc import Callable

__all__ = ["HIDDEN", "RedactedError", "redact", "redacted_cause", "remember_secret"]

HIDDEN = "***"
"""What stands where a secret was."""

_SHORTEST_SECRET = 8
"""Characters; what is shorter stands in other words too."""

_MOST_SECRETS = 1000

_secrets: dict[str, None] = {}

# The names of parameters, headers and fields whose values are secrets. A run of characters is looked at once, from its
# beginning, and as a whole: a server may send any text, and no text may take long.
_NAME_OF_SECRET = (
    r"(?<![\w.-])(?>[\w.-]*"  # noqa: S105 (a pattern)
    r"(?:signature|credential|token|secret|passw|passphrase|pwd|(?:api|access|account|auth|private)[-_]?key"
    r"|authorization|cookie|jsessionid|delegation|x-amz-cred)[\w.-]*)"
)

# How an Authorization header begins; that much may be told.
_METHOD = r"((?:bearer|basic|negotiate|digest|aws4-hmac-sha256)\s+)?+"

# What a text must hold for a pattern below to match.
_MARKS = ("=", ":", ">", "%3", "', ", '", ', "&gt;", "earer ", "eyJ", "ya29.", "-----BEGIN ")


def remember_secret(value: str | None) -> None:
    """Take a value out of every text from now on, wherever it stands; a client calls it with its credentials.

    The last thousand are remembered. Safe to call from any thread.
    """
    if value is None or len(value) < _SHORTEST_SECRET:
        return
    for written in {value, *_other_spellings(value)}:
        _secrets.pop(written, None)
        _secrets[written] = None
    while len(_secrets) > _MOST_SECRETS:
        _secrets.pop(next(iter(_secrets)), None)


def _other_spellings(value: str) -> tuple[str, ...]:
    """Return a value as URLs, web pages and JSON show it, whatever may repeat it."""
    if value.isalnum():
        return ()
    import html  # with the two below: costs milliseconds that only a client's making pays
    import json
    from urllib.parse import quote

    return quote(value), quote(value, safe=""), html.escape(value), json.dumps(value)[1:-1]


def redact(text: str) -> str:
    """Return a text without the secrets in it: passwords and signatures of URLs, tokens, keys, remembered values."""
    for secret in tuple(_secrets):
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if not any(mark in text for mark in _MARKS):
        return text
    for pattern, replacement in _patterns():
        text = pattern.sub(replacement, text)
    return text


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]:
    import re  # costs 5 ms of import, and is needed when something went wrong

    return (
        # `scheme://user:password@host`: up to the last @ before the path, because passwords hold them too.
        (re.compile(r"(?<=://)[^/\s'\"<>?#]*@"), lambda found: f"{HIDDEN}@" if ":" in found[0] else found[0]),
        # On the web the user alone is a token.
        (re.compile(r"(?<=http://)[^/\s'\"<>?#]+@|(?<=https://)[^/\s'\"<>?#]+@"), f"{HIDDEN}@"),
        # Parameters of URLs; short names only there.
        (
            re.compile(rf"(?i)([?&;](?:{_NAME_OF_SECRET}|sig|key|policy|jwt|hmac|auth|hdne[at]|hdnts)=)[^&;\s'\"<>#]*"),
            rf"\g<1>{HIDDEN}",
        ),
        # A URL inside a URL: `next=http%3A%2F%2Fhost%3Fsig%3Dvalue`.
        (
            re.compile(
                rf"(?i)((?:{_NAME_OF_SECRET}|%26sig|%3Fsig)(?:%3D|%3A(?:%20|\+)*))(?:(?!%26|%0A|%0D)[^&\s'\"<>])+"
            ),
            rf"\g<1>{HIDDEN}",
        ),
        # A private key is many lines, or one with `\n` in it.
        (re.compile(r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----)(?!\*\*\*).*?(-----END|$)"), rf"\g<1>{HIDDEN}\g<2>"),
        # Headers whose whole value is the secret, whatever words and commas are in it; the method may be told.
        (
            re.compile(
                r"(?i)((?<![\w.-])(?<!\w/)(?>[\w.-]*(?:authorization|cookie))[\"'\\]*\s*"
                r"(?:[:=]|(?<=[\"']),(?=\s*b?[\"']))\s*\[?(?:b(?=[\"']))?[\"'\\]*)"
                rf"{_METHOD}(?!\*\*\*)[^\s\"'<>\\][^\"'\r\n<>\\]*"
            ),
            rf"\g<1>\g<2>{HIDDEN}",
        ),
        # Fields in quotes: `"name": "value"`, `name='value'`, `(b'name', b'value')`, `\"name\": \"value\"`.
        (
            re.compile(
                rf"(?i)((?<![\w.-])(?:(?<!\w/)|(?=[\w.-]+=)){_NAME_OF_SECRET}[\"'\\]*(?:\s*[:=]\s*|(?<=[\"']),\s*(?=b?[\"']))b?(\\*[\"']))"
                rf"{_METHOD}(?!\*\*\*|-----BEGIN).+?(?=\2)"
            ),
            rf"\g<1>\g<3>{HIDDEN}",
        ),
        # Others: `name: value`, `name=value`, `<name>value<`, `&lt;name&gt;value&lt;`. After a
        # slash only `=` makes one: the error of a path is `dir/tokens: Permission denied`.
        (
            re.compile(
                rf"(?i)((?<![\w.-])(?:(?<!\w/)|(?=[\w.-]+=)){_NAME_OF_SECRET}[\"']?(?:\s*[:=]\s*|>|&gt;))"
                rf"{_METHOD}(?!\*\*\*|-----BEGIN)[^\s\"'<>,;&)}}\\\[{{(]{{6,}}"
            ),
            rf"\g<1>\g<2>{HIDDEN}",
        ),
        (re.compile(r"(?i)(\bbearer\s+)(?!\*\*\*)[A-Za-z0-9._~+/=-]{8,}"), rf"\g<1>{HIDDEN}"),
        # Tokens that their first characters give away: signed JSON, and Google's.
        (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|\bya29\.[\w.-]{8,}"), HIDDEN),
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
