r"""Attribute paths, such as ``model/layers/0/kernel``, and the names of tensors that TensorFlow makes of them.

A path is names joined by ``/``. Keys of dicts are names, too, and may hold anything: a slash in a name is written
``\/``, and a backslash ``\\``. Names of tensors have their own escapes. Source of these: ``_escape_local_name`` and
``slot_variable_key`` in ``tensorflow/python/checkpoint/trackable_view.py`` and ``util.py``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["VALUE", "StoredValue", "attribute_key", "join_names", "parse_key", "split_names"]

VALUE = "VARIABLE_VALUE"
"""What the value of a variable is called among what an object saved."""

_NAME = re.compile(r"(?:[^/\\]|\\[/\\])*+")
_KEY = re.compile(r"(?:(?P<owner>.*)/)?\.ATTRIBUTES/(?P<name>[^/]+)", re.DOTALL)
_SLOT = "/.OPTIMIZER_SLOT/"


class StoredValue(NamedTuple):
    """What the name of a tensor tells.

    Attributes:
        owner: The names of the attributes that lead to the object that saved it; of a slot variable, to the variable.
        name: What it is called among what the object saved, such as ``"VARIABLE_VALUE"``.
        slot: For a slot variable the names that lead to its optimizer, and last what the optimizer calls it.
    """

    owner: tuple[str, ...]
    name: str
    slot: tuple[str, ...] | None


def join_names(names: Iterable[str]) -> str:
    """Return the path of names."""
    return "/".join(name.replace("\\", "\\\\").replace("/", "\\/") for name in names)


def split_names(path: str) -> tuple[str, ...]:
    """Return the names of a path; none of the empty one.

    Raises:
        InvalidArgumentError: A backslash stands before anything but a slash or a backslash, or at the end.
    """
    names = []
    position = 0
    while path:
        match = _NAME.match(path, position)
        assert match is not None, "nothing is a name, too"
        names.append(re.sub(r"\\(.)", r"\1", match[0]))
        position = match.end()
        if position == len(path):
            break
        if path[position] == "\\":
            raise InvalidArgumentError(
                f"in the attribute path {path!r} a backslash stands before neither a slash nor a backslash; one that "
                "belongs to a name is written twice"
            )
        position += 1
    return tuple(names)


def attribute_key(path: str) -> str:
    """Return the name that TensorFlow gives the tensor of a variable.

    Args:
        path: The attributes that lead to it. What is such a name itself, of a slot variable or of what another object
            saved, stays as it is.
    """
    if _KEY.fullmatch(path):
        return path
    names = (name.replace(".", "..").replace("/", ".S") for name in split_names(path))
    return f"{'/'.join(names)}/.ATTRIBUTES/{VALUE}"


def parse_key(key: str) -> StoredValue | None:
    """Return what the name of a tensor tells; None if no object of ``tf.train.Checkpoint`` gave it."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    owner, marker, slot = (match["owner"] or "").partition(_SLOT)
    return StoredValue(_local_names(owner), match["name"], _local_names(slot) if marker else None)


def _local_names(text: str) -> tuple[str, ...]:
    """Return names without the escapes that they have in the names of tensors."""
    parts = text.split("/") if text else []
    return tuple(re.sub(r"\.([.S])", lambda match: "." if match[1] == "." else "/", part) for part in parts)
