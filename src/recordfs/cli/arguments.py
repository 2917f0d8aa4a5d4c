"""Arguments that many commands share: paths, patterns, and options for the filesystems behind them."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError
from recordfs.paths import parse_path, scheme_of
from recordfs.registry import configure_file_system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "add_common_arguments",
    "add_compression",
    "add_paths",
    "apply_filesystem_options",
    "at_least",
    "compression_of",
    "number_at_least",
    "parse_filesystem_options",
    "remote_places",
]

_PATH_DESTINATIONS = "path_destinations"


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command has."""
    group = parser.add_argument_group("common options")
    group.add_argument("-h", "--help", action="help", help="show this help and exit")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress and no remarks, only results and errors")
    group.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    group.add_argument(
        "--stats",
        action="store_true",
        help="at the end, show on standard error what was asked of each store: operation, requests, bytes",
    )
    group.add_argument(
        "-o",
        dest="filesystem_options",
        metavar="[SCHEME.]KEY=VALUE",
        action="append",
        default=[],
        help="an option of the filesystem, as its class takes it: of every remote path in this command, or of one "
        "scheme ('file' is the local one); true, false, null, numbers and quoted strings are read as JSON",
    )


def add_paths(parser: argparse.ArgumentParser, name: str, *, nargs: str | None = None, **settings: Any) -> None:
    """Add a positional argument that takes a path or several.

    Args:
        parser: The command's.
        name: The argument's name, also in the namespace.
        nargs: As in ``add_argument``; None takes exactly one.
        settings: Further keywords for ``add_argument``.
    """
    if nargs is not None:
        settings["nargs"] = nargs
    parser.add_argument(name, **settings)
    known: tuple[str, ...] = parser.get_default(_PATH_DESTINATIONS) or ()
    parser.set_defaults(**{_PATH_DESTINATIONS: (*known, name)})


def add_compression(parser: argparse.ArgumentParser) -> None:
    """Add ``--compression`` for a command that reads records."""
    parser.add_argument(
        "--compression",
        choices=["auto", "none", "GZIP", "ZLIB"],
        default="auto",
        help="how the files are compressed (default: auto, which recognises it)",
    )


def compression_of(arguments: argparse.Namespace) -> str:
    """Return what ``--compression`` says as the library takes it."""
    return "" if arguments.compression == "none" else str(arguments.compression)


def at_least(minimum: int, *, at_most: int | None = None) -> Callable[[str], int]:
    """Return a type for ``add_argument``: a whole number that is not less than ``minimum``, nor over ``at_most``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from None
        if number < minimum:
            raise argparse.ArgumentTypeError(f"expected at least {minimum}, found {number}")
        if at_most is not None and number > at_most:
            raise argparse.ArgumentTypeError(f"expected at most {at_most}, found {number}")
        return number

    return parse


def number_at_least(minimum: float) -> Callable[[str], float]:
    """Return a type for ``add_argument``: a number that is not less than ``minimum``; NaN is none."""

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a number, found {text!r}") from None
        if not number >= minimum:
            raise argparse.ArgumentTypeError(f"expected at least {minimum:g}, found {text}")
        return number

    return parse


def parse_filesystem_options(texts: list[str]) -> dict[str, dict[str, Any]]:
    """Turn ``-o`` texts into options for each scheme.

    Returns:
        ``{scheme: {key: value}}``; ``"*"`` holds what names no scheme, ``"file"`` what is for local paths.

    Raises:
        InvalidArgumentError: A text is not ``[SCHEME.]KEY=VALUE``.
    """
    options: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        scheme, dot, key = name.rpartition(".")
        if not (equals and key.isidentifier() and bool(dot) == bool(scheme)):
            raise InvalidArgumentError(f"-o takes [SCHEME.]KEY=VALUE, found {text!r}")
        options.setdefault(scheme.lower() or "*", {})[key] = _parse_value(value)
    return options


def _parse_value(text: str) -> Any:
    """Read a value as JSON where it is a plain one, or as Python writes these, else as text."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, (dict, list)) else value


def apply_filesystem_options(arguments: argparse.Namespace) -> list[str]:
    """Give the filesystems of a command's paths their ``-o`` options, for this process.

    Returns:
        The schemes that were configured; ``configure_file_system(scheme)`` undoes it.

    Raises:
        InvalidArgumentError: An option is malformed, or no path of the command has its scheme.
    """
    options = parse_filesystem_options(arguments.filesystem_options)
    if not options:
        return []
    schemes = {scheme_of(path) or "file" for path in _paths_in(arguments)}
    everywhere = options.pop("*", {})
    remote = schemes - {"file"}
    if everywhere and not remote:
        raise InvalidArgumentError(
            f"-o {next(iter(everywhere))}=... is for remote paths, and this command has none; "
            "write -o file.KEY=VALUE for the local filesystem"
        )
    merged = {scheme: dict(everywhere) for scheme in remote if everywhere}
    for scheme, chosen in options.items():
        merged.setdefault(scheme, {}).update(chosen)
    for scheme, chosen in merged.items():
        configure_file_system(scheme, **chosen)
    return list(merged)


def remote_places(arguments: argparse.Namespace) -> list[str]:
    """Return the stores and hosts of a command's paths, each once: ``s3://bucket``."""
    parsed = [parse_path(path) for path in _paths_in(arguments)]
    return sorted({f"{each.scheme}://{each.authority}" for each in parsed if each.scheme not in ("", "file", "ram")})


def _paths_in(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield every path that the user typed."""
    for destination in getattr(arguments, _PATH_DESTINATIONS, None) or ():
        value = getattr(arguments, destination)
        if isinstance(value, str):
            yield value
        elif value is not None:
            yield from value
