"""The state file of a directory of checkpoints: which is the newest, and which others are kept.

It is a ``CheckpointState`` message in protobuf's text format, one field a line. Source:
``tensorflow/python/training/checkpoint_state.proto``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from recordfs.checkpoint.file_names import index_path
from recordfs.checkpoint.publishing import publish
from recordfs.checkpoint.whole_file import read_whole_file
from recordfs.errors import DataLossError, InvalidArgumentError, NotFoundError
from recordfs.paths import basename, dirname, join, scheme_of
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

    Options = Mapping[str, Any] | None

__all__ = ["STATE_FILE", "CheckpointState", "parse_state", "read_state", "write_state"]

STATE_FILE = "checkpoint"
"""The name that TensorFlow gives the state file, too."""

_LARGEST_STATE = 64 << 20
"""Bytes of a state file that are taken for one."""


class CheckpointState(NamedTuple):
    """What a state file holds.

    Attributes:
        model_checkpoint_path: The prefix of the newest checkpoint; empty if there is none.
        all_model_checkpoint_paths: The prefixes of those that are kept, oldest first.
        all_model_checkpoint_timestamps: When each of them was saved, in seconds since 1970; may be empty.
        last_preserved_timestamp: When the last one was saved that is kept for good, in seconds since 1970.
    """

    model_checkpoint_path: str
    all_model_checkpoint_paths: tuple[str, ...] = ()
    all_model_checkpoint_timestamps: tuple[float, ...] = ()
    last_preserved_timestamp: float | None = None

    def within(self, directory: str, *, file_system: FileSystem | None = None) -> CheckpointState:
        """Return the state with prefixes that are relative to ``directory`` made full paths.

        One that lies in it, however it is spelled, becomes ``join(directory, name)``, so that prefixes can be compared.
        """
        file_system, text = resolve(directory, file_system=file_system)
        return self._replace(
            model_checkpoint_path=_full_path(file_system, text, self.model_checkpoint_path),
            all_model_checkpoint_paths=tuple(
                _full_path(file_system, text, path) for path in self.all_model_checkpoint_paths
            ),
        )


def _full_path(file_system: FileSystem, directory: str, path: str) -> str:
    if not path:
        return path
    full = path if scheme_of(path) or path.startswith("/") else join(directory, path)
    if not basename(full) or (scheme_of(full) or "file") != (scheme_of(directory) or "file"):
        return full  # another filesystem's, on which a directory may have the same path
    own, found = (file_system.canonical_path(each or ".").rstrip("/") for each in (directory, dirname(full)))
    return join(directory, basename(full)) if found == own else full


def _where_it_lies(prefix: str, directory: str, file_system: FileSystem) -> str:
    """Return where the checkpoint lies that a state file of ``directory`` names by a full path.

    Savers of TensorFlow 1 write full paths, which lead nowhere when the directory was moved, and to another machine's
    disk when it was copied to a bucket. Then the checkpoint of that name beside the state file is meant.
    """
    on_another = (scheme_of(prefix) or "file") != (scheme_of(directory) or "file")
    beside = join(directory, basename(prefix)) if directory else basename(prefix)
    if beside == prefix or not basename(prefix) or (on_another and scheme_of(prefix)):
        return prefix
    if not file_system.file_exists(index_path(beside)):
        return prefix
    return beside if on_another or not file_system.file_exists(index_path(prefix)) else prefix


def _relative(directory: str, path: str) -> str:
    """Return a prefix as the state file has it: bare where it lies in the directory, so that this can be moved."""
    return path.removeprefix(directory.rstrip("/") + "/") if directory else path


_STRING = re.compile(r"""\"((?:[^"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'""")
# One token: strings side by side, which are one, a word or number, or a sign. White space and comments lie between.
_TOKEN = re.compile(
    r"""(?:\s|\#[^\n]*+)*+(?:((?:"(?:[^"\\\n]|\\.)*"\s*+|'(?:[^'\\\n]|\\.)*'\s*+)+)|([\w.+-]+)|([:;,\[\]<>{}]))"""
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SINGLE = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def parse_state(text: str, *, path: str | None = None) -> CheckpointState:
    """Read the text of a state file, prefixes as they stand there.

    Args:
        text: Protobuf's text format.
        path: The file, for errors.

    Raises:
        DataLossError: It is no such text.
    """
    newest = ""
    kept: list[str] = []
    times: list[float] = []
    preserved: float | None = None
    for name, value in _fields(text, path):
        try:
            if name == "model_checkpoint_path":
                newest = _unescape(value)
            elif name == "all_model_checkpoint_paths":
                kept.append(_unescape(value))
            elif name == "all_model_checkpoint_timestamps":
                times.append(float(value))
            elif name == "last_preserved_timestamp":
                preserved = float(value)
        except ValueError as error:
            raise DataLossError(f"not a state file of checkpoints: {name} is {value}", path=path) from error
    return CheckpointState(newest, tuple(kept), tuple(times), preserved)


def _fields(text: str, path: str | None) -> Iterator[tuple[str, str]]:
    """Yield name and value of each scalar field; a list is several."""
    tokens = _tokens(text, path)
    for name in tokens:
        if next(tokens, "") != ":" or not name.isidentifier():
            raise DataLossError(f"not a state file of checkpoints: expected 'field: value' at {name!r}", path=path)
        value = next(tokens, "")
        if value == "[":
            for value in tokens:
                if value == "]":
                    break
                yield name, value
            continue
        if value in ("", ":", "]", "<", ">", "{", "}"):
            raise DataLossError(f"not a state file of checkpoints: {name} has no value", path=path)
        yield name, value


def _tokens(text: str, path: str | None) -> Iterator[str]:
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            if not re.sub(r"\#[^\n]*", "", text[position:]).strip():
                return
            raise DataLossError("not a state file of checkpoints: it is not protobuf text", path=path, offset=position)
        position = match.end()
        found = match[1] or match[2] or match[3]
        if found not in (";", ","):  # which may end a field or an element, and mean nothing
            yield found


def _unescape(token: str) -> str:
    """Return the text that a quoted string means. Its escapes make bytes, which are UTF-8 then."""
    literals = ["".join(groups) for groups in _STRING.findall(token)]
    if not literals:
        raise ValueError("not a string")

    def replace(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, short, long, single = match.groups()
        if octal is not None:
            return bytes([int(octal, 8) & 0xFF])
        if hexadecimal is not None:
            return bytes([int(hexadecimal, 16)])
        if short is not None or long is not None:
            return chr(int(short or long, 16)).encode("utf-8", "surrogatepass")
        return _SINGLE.get(single, single)

    raw = "".join(literals).encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(replace, raw).decode("utf-8", "surrogateescape")


def _escape(text: str) -> str:
    """Return a string as protobuf's text format quotes it, bytes beyond ASCII in octal."""
    parts = []
    for byte in text.encode("utf-8", "surrogateescape"):
        character = chr(byte)
        if character in "\"\\'":
            parts.append("\\" + character)
        elif character == "\n":
            parts.append("\\n")
        elif 32 <= byte < 127:
            parts.append(character)
        else:
            parts.append(f"\\{byte:03o}")
    return '"' + "".join(parts) + '"'


def format_state(state: CheckpointState) -> str:
    """Return the text of a state file, prefixes as they are given."""
    lines = [f"model_checkpoint_path: {_escape(state.model_checkpoint_path)}"]
    lines += [f"all_model_checkpoint_paths: {_escape(path)}" for path in state.all_model_checkpoint_paths]
    lines += [f"all_model_checkpoint_timestamps: {time!r}" for time in state.all_model_checkpoint_timestamps]
    if state.last_preserved_timestamp is not None:
        lines.append(f"last_preserved_timestamp: {state.last_preserved_timestamp!r}")
    return "\n".join(lines) + "\n"


def read_state(
    directory: PathInput, *, name: str = STATE_FILE, file_system: FileSystem | None = None, options: Options = None
) -> CheckpointState | None:
    """Return the state of a directory of checkpoints, prefixes as full paths; None if it has no state file.

    A full path that leads nowhere, because the directory was moved, is that of the checkpoint of its name in the
    directory, if there is one.

    Raises:
        DataLossError: The state file is no such text.
    """
    file_system, text = resolve(directory, file_system=file_system, options=options)
    path = join(text, name) if text else name
    try:
        data = read_whole_file(file_system, path, limit=_LARGEST_STATE)
    except NotFoundError:
        return None
    try:
        content = data.decode("utf-8", "surrogateescape")
    except UnicodeDecodeError as error:
        raise DataLossError("not a state file of checkpoints: it is not text", path=path) from error
    state = parse_state(content, path=path).within(text, file_system=file_system)
    return state._replace(
        model_checkpoint_path=_where_it_lies(state.model_checkpoint_path, text, file_system),
        all_model_checkpoint_paths=tuple(
            _where_it_lies(prefix, text, file_system) for prefix in state.all_model_checkpoint_paths
        ),
    )


def write_state(
    directory: PathInput,
    state: CheckpointState,
    *,
    name: str = STATE_FILE,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> None:
    """Replace the state file of a directory, all or nothing. Prefixes within it are stored relative to it.

    Args:
        directory: Where the checkpoints lie.
        state: What the file is to say.
        name: What the file is called.
        file_system: Serves the directory.
        options: For the filesystem of the directory.

    Raises:
        InvalidArgumentError: There are times, and not one for each prefix.
        NotFoundError and others: As writing the file.
    """
    file_system, text = resolve(directory, file_system=file_system, options=options)
    times = state.all_model_checkpoint_timestamps
    if times and len(times) != len(state.all_model_checkpoint_paths):
        raise InvalidArgumentError(
            f"a state has a time for each of its checkpoints, found {len(times)} for "
            f"{len(state.all_model_checkpoint_paths)}",
            path=text,
        )
    stored = state._replace(
        model_checkpoint_path=_relative(text, state.model_checkpoint_path),
        all_model_checkpoint_paths=tuple(_relative(text, path) for path in state.all_model_checkpoint_paths),
    )
    publish(file_system, join(text, name) if text else name, [format_state(stored).encode("utf-8", "surrogateescape")])
