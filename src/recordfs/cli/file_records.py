"""Files as records: which record files a folder becomes, what a record holds, and where a record may be unpacked to.

A packed file is one record, a ``tf.train.Example`` with two features of one bytes value each: ``path``, the name
relative to the folder with ``/`` between its parts, and ``content``. Whatever reads Examples reads such files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from recordfs.errors import FailedPreconditionError, InvalidArgumentError, RecordFSError
from recordfs.example import decode_example, encode_example
from recordfs.operations.walking import entries_below
from recordfs.paths import basename, is_plain_name, is_temporary_name, match_component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from recordfs.filesystem import FileSystem

__all__ = [
    "FoundFile",
    "assign_shards",
    "check_unpacked_name",
    "decode_file",
    "encode_file",
    "find_files",
    "shard_names",
    "shard_pattern",
]

MAX_FILE_LENGTH = (1 << 31) - (1 << 16)
"""A protobuf message holds less than 2 GiB, the name and the framing included."""

MOST_SHARDS = 99_999
"""The five digits of a shard's name count no further."""

PATH_FEATURE = "path"
CONTENT_FEATURE = "content"


class FoundFile(NamedTuple):
    """A file to pack: its path, its name relative to the folder, and its length in bytes."""

    path: str
    name: str
    length: int


def find_files(
    file_system: FileSystem,
    directory: str,
    excluded: Sequence[str],
    on_link: Callable[[FailedPreconditionError], object],
) -> Iterator[FoundFile]:
    """Yield every file below a directory, sorted by name within each directory; links to directories are not followed.

    Args:
        file_system: Serves the directory.
        directory: Where to begin.
        excluded: Patterns of bare names; a file of such a name is passed over, a directory with all in it.
        on_link: Called with what to say of each link to a directory.

    Raises:
        NotFoundError, NotADirectoryError: As ``list_directory``.
        InvalidArgumentError: A name in a store of keys can be no file's.
    """
    tests = [match_component(pattern) for pattern in excluded]
    for path, name, entry in entries_below(
        file_system, directory, is_left_out=lambda name: is_temporary_name(name) or any(test(name) for test in tests)
    ):
        if not is_plain_name(entry.name.removesuffix("/")):
            raise InvalidArgumentError(
                f"the name {entry.name!r} cannot be packed: no file of that name could be unpacked. Rename it, or "
                "leave it out with --exclude",
                path=path,
            )
        if entry.is_directory and entry.is_symbolic_link:
            on_link(
                FailedPreconditionError(
                    "not packed: this is a link to a directory, and links are not followed; --exclude its name if that "
                    "is right",
                    path=path,
                )
            )
        elif not entry.is_directory:
            length = entry.length if entry.length is not None else file_system.stat(path).length
            yield FoundFile(path, name, length)


def shard_names(target: str, count: int) -> list[str]:
    """Return the names of ``count`` record files: ``target`` itself for one, else ``name-00000-of-00004.extension``."""
    if count == 1:
        return [target]
    stem, extension = _split_extension(target)
    return [f"{stem}-{index:05d}-of-{count:05d}{extension}" for index in range(count)]


def shard_pattern(target: str) -> str:
    """Return the pattern that the shards of a target match, however many there are."""
    stem, extension = _split_extension(target)
    return f"{_escaped(stem)}-[0-9]*-of-[0-9]*{_escaped(extension)}"


def _split_extension(path: str) -> tuple[str, str]:
    """Split ``dir/name.ext`` into ``dir/name`` and ``.ext``; a name that only begins with a dot has no extension."""
    name = basename(path)
    dot = name.rfind(".")
    if dot <= 0:
        return path, ""
    return path[: len(path) - len(name) + dot], name[dot:]


def _escaped(text: str) -> str:
    """Return a pattern that matches just this text."""
    return "".join("\\" + character if character in "*?[]\\" else character for character in text)


def assign_shards(files: Sequence[FoundFile], count: int) -> list[list[FoundFile]]:
    """Divide files into ``count`` runs, at least 1, of about the same number of bytes, in order. A run can be empty."""
    # Each file counts for one byte more than it has, so that empty files are divided too.
    total = sum(file.length + 1 for file in files)
    shards: list[list[FoundFile]] = [[] for _ in range(count)]
    before = 0
    for file in files:
        shards[min(count - 1, before * count // total)].append(file)
        before += file.length + 1
    return shards


def encode_file(name: str, content: bytes) -> bytes:
    """Return the record that holds a file."""
    return encode_example({PATH_FEATURE: name.encode("utf-8", "surrogateescape"), CONTENT_FEATURE: content})


def decode_file(record: bytes) -> tuple[str, bytes]:
    """Return the name and the content of the file that a record holds.

    Raises:
        InvalidArgumentError: The record holds no file, or one whose name leads out of the folder it is unpacked to.
    """
    try:
        features = decode_example(record)
    except RecordFSError as error:
        raise InvalidArgumentError(f"this record holds no packed file: {error.message}") from error
    path, content = features.get(PATH_FEATURE), features.get(CONTENT_FEATURE)
    if not (_is_one_bytes_value(path) and _is_one_bytes_value(content)):
        raise InvalidArgumentError(
            f"this record holds no packed file: expected the features {PATH_FEATURE!r} and {CONTENT_FEATURE!r} with "
            f"one bytes value each, found {', '.join(sorted(features)) or 'none'}"
        )
    name = path[0].decode("utf-8", "surrogateescape")
    check_unpacked_name(name)
    return name, content[0]


def _is_one_bytes_value(values: object) -> TypeGuard[list[bytes]]:
    """Tell whether a feature is a list of just one bytes value."""
    return isinstance(values, list) and len(values) == 1 and isinstance(values[0], bytes)


def check_unpacked_name(name: str) -> None:
    """Refuse a name that would be written anywhere but below the folder that it is unpacked to.

    Raises:
        InvalidArgumentError: It is empty or absolute, or has an empty part, ``.`` or ``..`` in it, or a NUL.
    """
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise InvalidArgumentError(
            f"the packed file's name {name!r} is refused: it has to be relative, without empty parts, '.' and '..'"
        )
