"""Paths as pure strings: scheme, authority, join, dirname and wildcard patterns.

Nothing here touches a filesystem. A path with ``scheme://`` in front belongs to the filesystem registered for that
scheme; every other string is a local path, a Windows drive letter included. Schemes compare in lower case. What
follows the scheme is taken verbatim: nothing is percent-decoded, and ``?`` and ``#`` are ordinary characters.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

from recordfs.errors import InvalidArgumentError

__all__ = [
    "TEMPORARY_NAME",
    "ParsedPath",
    "PathInput",
    "basename",
    "clean_path",
    "dirname",
    "has_wildcards",
    "is_plain_name",
    "is_temporary_name",
    "join",
    "join_entry",
    "match_component",
    "parse_path",
    "path_to_str",
    "published_names",
    "scheme_of",
    "split_pattern",
    "unescape_literal",
]

PathInput = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""What every public function takes as a path."""

TEMPORARY_NAME = ".recordfs-tmp"
"""How the names of what writers have not published begin. No pattern, walk or copy of a tree takes it for a file."""

_SCHEME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SCHEME_REST = _SCHEME_FIRST | frozenset("0123456789.+_-")
_WILDCARDS = frozenset("*?[")


class ParsedPath(NamedTuple):
    """The three parts of a path.

    Attributes:
        scheme: Lower case, without ``://``; empty for a local path.
        authority: What stands between ``://`` and the next slash (a bucket, a host and port); empty for local paths.
        path: The rest, with its leading slash where there is one.
    """

    scheme: str
    authority: str
    path: str


def path_to_str(path: PathInput) -> str:
    """Return a path as str.

    Raises:
        TypeError: It is neither str, bytes nor os.PathLike.
        InvalidArgumentError: It holds a NUL character, or half of a surrogate pair, which no filesystem can store.
    """
    text = os.fsdecode(path)
    if "\0" in text:
        raise InvalidArgumentError(
            f"a path cannot hold a NUL character, found one at index {text.index(chr(0))}", path=repr(text)
        )
    if not text.isascii():
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(
                f"a path is made of whole characters, found half of a surrogate pair at index {error.start}",
                path=ascii(text),
            ) from None
    return text


def scheme_of(path: str) -> str:
    """Return the scheme of a path in lower case, or an empty string for a local path.

    A scheme is a letter followed by letters, digits and ``.+_-``, before ``://``.
    """
    end = path.find("://")
    if end <= 0 or path[0] not in _SCHEME_FIRST or not _SCHEME_REST.issuperset(path[1:end]):
        return ""
    return path[:end].lower()


def parse_path(path: str) -> ParsedPath:
    """Split a path into scheme, authority and the rest, all verbatim but for the scheme's case."""
    scheme = scheme_of(path)
    if not scheme:
        return ParsedPath("", "", path)
    rest = path[len(scheme) + 3 :]
    authority, slash, tail = rest.partition("/")
    return ParsedPath(scheme, authority, slash + tail)


def _prefix_length(path: str) -> int:
    """Return how many characters of a path can never be taken off: ``s3://bucket``, ``/`` or nothing."""
    parsed = parse_path(path)
    if parsed.scheme:
        return len(parsed.scheme) + 3 + len(parsed.authority)
    return 1 if path.startswith("/") else 0


def _pattern_start(path: str) -> int:
    """Return where wildcards may begin: right after the scheme, but past an IPv6 host in brackets."""
    scheme = scheme_of(path)
    if not scheme:
        return _prefix_length(path)
    start = len(scheme) + 3
    return _prefix_length(path) if path.startswith("[", start) else start


def join(path: str, *paths: str) -> str:
    """Join path components with ``/``.

    A component with a scheme starts over. A component with a leading slash starts at the root: of the local
    filesystem, or of the bucket or host when what stands before it has a scheme (TensorFlow drops the bucket there).
    Empty components add a trailing slash at the end and nothing elsewhere.
    """
    joined = path
    for part in paths:
        if scheme_of(part):
            joined = part
        elif part.startswith("/"):
            joined = joined[: _prefix_length(joined)] + part if scheme_of(joined) else part
        elif not joined or joined.endswith("/"):
            joined += part
        else:
            joined += "/" + part
    return joined


def is_plain_name(name: str) -> bool:
    """Tell whether a name means one thing in a directory on every filesystem: no slash, not empty, ``.`` or ``..``."""
    return name not in ("", ".", "..") and "/" not in name


def is_temporary_name(name: str) -> bool:
    """Tell whether a bare name is one that a writer gives to what it has not published."""
    return name.startswith(TEMPORARY_NAME)


def published_names(names: list[str]) -> list[str]:
    """Return the bare names without those for which ``is_temporary_name`` holds.

    All are searched at once, because a call a name would take a tenth of a walk, and most directories have none.
    """
    if TEMPORARY_NAME not in "/".join(names):
        return names
    return [name for name in names if not is_temporary_name(name)]


def join_entry(directory: str, name: str, *, is_directory: bool) -> str:
    """Return the path of what a listing shows in a directory.

    As ``join``, but for the names that only a store of keys has, see ``FileSystem.tree_lister``: a directory without a
    name is the empty part between two slashes, and a file without one the directory's own key with its slash.
    """
    if not name and is_directory:
        return directory + ("/" if directory.endswith("/") else "//")
    return join(directory, name)


def dirname(path: str) -> str:
    """Return what stands before the last component; the root of a scheme or of the local tree is its own parent."""
    start = _prefix_length(path)
    tail = path[start:]
    head = tail[: tail.rfind("/") + 1]
    stripped = head.rstrip("/")
    return path[:start] + (stripped or head[:1])


def basename(path: str) -> str:
    """Return the last component, empty when the path ends with a slash or is a bare root."""
    tail = path[_prefix_length(path) :]
    return tail[tail.rfind("/") + 1 :]


def clean_path(path: str) -> str:
    """Return a local path without ``//``, ``.`` and ``..``, by text alone, as TensorFlow cleans local names.

    The empty path stays empty; one that cleans to nothing is ``.``.
    """
    if not path:
        return ""
    cleaned = os.path.normpath(path)
    # POSIX gives exactly two leading slashes a meaning of their own; no filesystem here does.
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def has_wildcards(path: str) -> bool:
    """Tell whether a path holds an unescaped ``*``, ``?`` or ``[`` after its scheme."""
    position = _pattern_start(path)
    while position < len(path):
        character = path[position]
        if character == "\\":
            position += 2
            continue
        if character in _WILDCARDS:
            return True
        position += 1
    return False


def unescape_literal(pattern: str) -> str:
    r"""Return the name that a pattern without wildcards stands for: ``\c`` becomes ``c``."""
    if "\\" not in pattern:
        return pattern
    characters: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern[position] == "\\" and position + 1 < len(pattern):
            position += 1
        characters.append(pattern[position])
        position += 1
    return "".join(characters)


def split_pattern(pattern: str) -> tuple[str, list[str]]:
    """Split a pattern into the fixed directory before its first wildcard and the components that follow.

    ``s3://b/logs/*/events.*`` gives ``("s3://b/logs/", ["*", "events.*"])``. The fixed part keeps its trailing slash
    and is empty for a relative pattern that begins with a wildcard. What follows the scheme is a component like
    any other (``ram://*``), but for an IPv6 host in brackets.
    """
    start = _pattern_start(pattern)
    components = pattern[start:].split("/")
    fixed = 0
    while fixed < len(components) and not has_wildcards(components[fixed]):
        fixed += 1
    head = "/".join(components[:fixed])
    if fixed:
        head += "/"
    return pattern[:start] + unescape_literal(head), components[fixed:]


def match_component(pattern: str) -> Callable[[str], object]:
    r"""Compile one component of a pattern (no slash in it) into a test of a bare name: true or false, of any type.

    ``*`` matches any run of characters, ``?`` one, ``[abc]``, ``[a-z]``, ``[!a]`` and ``[^a]`` one of a class, and
    ``\c`` the character itself. ``[[:digit:]]`` and POSIX's other classes are those of ASCII. Names that begin with a
    dot match like others, and case counts. A ``[`` that is never closed is a character like others.

    Source: ``fnmatch(3)`` with FNM_PATHNAME, which is what TensorFlow's Env::MatchPath calls.
    """
    import re  # costs 5 ms of import that a program without patterns need not pay

    # Itself: a call around it would take a sixth of a glob.
    return re.compile(_component_expression(pattern, re.escape), re.DOTALL).fullmatch


def _component_expression(pattern: str, escape: Callable[[str], str]) -> str:
    """Translate one component into a regular expression."""
    # What stands between two stars; each piece always matches the same number of characters.
    pieces = [""]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "[^/]"
        elif character == "\\" and position < len(pattern):
            pieces[-1] += escape(pattern[position])
            position += 1
        elif character == "[" and (translated := _class_expression(pattern, position, escape)) is not None:
            piece, position = translated
            pieces[-1] += piece
        else:
            pieces[-1] += escape(character)
    if len(pieces) == 1:
        return pieces[0]
    # The first place where a piece between two stars fits is as good as any other. Atomic groups say so to the
    # matcher, which would else try all of them: a pattern with many stars took it exponentially long.
    middle = "".join(f"(?>[^/]*?{piece})" for piece in pieces[1:-1] if piece)
    return f"{pieces[0]}{middle}[^/]*{pieces[-1]}"


def _class_expression(pattern: str, position: int, escape: Callable[[str], str]) -> tuple[str, int] | None:
    """Translate a bracket expression that opens before ``position``; None if it is never closed."""
    negated = pattern[position : position + 1] in ("!", "^")
    if negated:
        position += 1
    members: list[str] = []
    first = True
    while position < len(pattern):
        character = pattern[position]
        if character == "]" and not first:
            # An empty class (every range in it was reversed) matches nothing; negated it matches all.
            inside = "".join(members)
            if not inside:
                return ("[^/]" if negated else "(?!)"), position + 1
            return (f"[^/{inside}]" if negated else f"(?!/)[{inside}]"), position + 1
        first = False
        if (named := _named_class(pattern, position)) is not None:
            inside, position = named
            members.append(inside)
            continue
        low, position = _class_member(pattern, position)
        if pattern[position : position + 1] == "-" and pattern[position + 1 : position + 2] not in ("", "]"):
            high, position = _class_member(pattern, position + 1)
            if low <= high:
                members.append(f"{escape(low)}-{escape(high)}")
        else:
            members.append(escape(low))
    return None


_NAMED_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r" \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
"""POSIX's classes of characters, as they stand in a class of a regular expression."""


def _named_class(pattern: str, position: int) -> tuple[str, int] | None:
    """Read ``[:name:]`` inside brackets; None if that is not what stands there. An unknown name has no characters."""
    end = pattern.find(":]", position + 2)
    name = pattern[position + 2 : end]
    if not pattern.startswith("[:", position) or end < 0 or not (name.isascii() and name.isalpha()):
        return None
    return _NAMED_CLASSES.get(name, ""), end + 2


def _class_member(pattern: str, position: int) -> tuple[str, int]:
    """Read one possibly escaped character inside brackets."""
    if pattern[position] == "\\" and position + 1 < len(pattern):
        position += 1
    return pattern[position], position + 1
