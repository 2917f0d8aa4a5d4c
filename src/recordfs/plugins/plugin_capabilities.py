"""What a plugin can do: what its table of operations shows, and what the user says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import InvalidArgumentError
from recordfs.filesystem import Capabilities
from recordfs.filesystem.types import LEAST_CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs.plugins.operations import PluginOperations

__all__ = ["declared_capabilities"]

# The operation that a plugin has to have for what may be said of it.
_NEEDS = {
    "write": "new_writable_file",
    "append": "new_appendable_file",
    "rename_directory": "rename_file",
    "atomic_rename": "rename_file",
    "memory_region": "new_read_only_memory_region_from_file",
    "server_side_copy": "copy_file",
    "modification_time": "stat",
}

# What no operation of the interface does.
_NEVER = ("truncate", "exclusive_create", "atomic_write", "update_in_place", "detects_replacement", "versions")


def declared_capabilities(operations: PluginOperations, said: Mapping[str, object]) -> Capabilities:
    """Return what a plugin's table shows, with what the user says of it.

    Raises:
        InvalidArgumentError: A name is unknown, or the plugin lacks the operation for it.
    """
    present = set(operations.operations)
    # What no table can show, the least is said of.
    shown = LEAST_CAPABILITIES._replace(
        write="new_writable_file" in present,
        append="new_appendable_file" in present,
        flush_visibility="flush" if "writable_file.flush" in present else "close",
        memory_region="new_read_only_memory_region_from_file" in present,
        server_side_copy="copy_file" in present,
        modification_time="stat" in present,
    )
    for name, value in said.items():
        if name not in Capabilities._fields:
            known = ", ".join(Capabilities._fields)
            raise InvalidArgumentError(f"there is no capability {name!r}; there are {known}")
        if value and (name in _NEVER or _NEEDS.get(name, name) not in {*present, name}):
            lacking = f"the operation {_NEEDS[name]}" if name in _NEEDS else "any operation for it"
            raise InvalidArgumentError(f"the plugin for {operations.scheme}:// cannot have {name}: it lacks {lacking}")
    return shown._replace(**said)  # type: ignore[arg-type]  # the names were checked above
