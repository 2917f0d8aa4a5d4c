"""TensorFlow's checkpoints (V2, "tensor bundles") on every filesystem, without TensorFlow.

Reading: ``CheckpointReader``, and as in ``tf.train``: ``load_checkpoint``, ``list_variables``, ``load_variable``,
``latest_checkpoint``, ``get_checkpoint_state``, ``checkpoint_exists``, ``checkpoints_iterator``.
Writing: ``save_checkpoint``, ``CheckpointWriter``, ``save_async``, ``CheckpointManager``; several writers:
``merge_parts``, ``merge_checkpoints``. Deleting: ``delete_checkpoint``, ``remove_leftovers``. The state file:
``read_state``, ``write_state``.

They need NumPy, and for bfloat16 and smaller types ml_dtypes: ``pip install 'recordfs[checkpoint]'``. The format:
``docs/formats/tensor-bundle.md``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recordfs.checkpoint.deletion import Leftover, delete_checkpoint, find_leftovers, remove_leftovers
    from recordfs.checkpoint.entries import StoredSlice, TensorEntry
    from recordfs.checkpoint.manager import CheckpointManager
    from recordfs.checkpoint.merging import merge_checkpoints, merge_parts
    from recordfs.checkpoint.object_graph import ObjectAttribute, ObjectGraph, ObjectNode, SlotVariable
    from recordfs.checkpoint.reader import CheckpointReader, TensorNotFoundError
    from recordfs.checkpoint.saving import PendingSave, Snapshots, save_async
    from recordfs.checkpoint.state import CheckpointState, read_state, write_state
    from recordfs.checkpoint.tensor_types import TensorType
    from recordfs.checkpoint.tf_names import (
        checkpoint_exists,
        checkpoints_iterator,
        get_checkpoint_state,
        latest_checkpoint,
        list_variables,
        load_checkpoint,
        load_variable,
    )
    from recordfs.checkpoint.writer import CheckpointWriter, save_checkpoint

_HOME = {
    "CheckpointManager": "manager",
    "CheckpointReader": "reader",
    "CheckpointState": "state",
    "CheckpointWriter": "writer",
    "Leftover": "deletion",
    "ObjectAttribute": "object_graph",
    "ObjectGraph": "object_graph",
    "ObjectNode": "object_graph",
    "PendingSave": "saving",
    "SlotVariable": "object_graph",
    "Snapshots": "saving",
    "StoredSlice": "entries",
    "TensorEntry": "entries",
    "TensorNotFoundError": "reader",
    "TensorType": "tensor_types",
    "checkpoint_exists": "tf_names",
    "checkpoints_iterator": "tf_names",
    "delete_checkpoint": "deletion",
    "find_leftovers": "deletion",
    "get_checkpoint_state": "tf_names",
    "latest_checkpoint": "tf_names",
    "list_variables": "tf_names",
    "load_checkpoint": "tf_names",
    "load_variable": "tf_names",
    "merge_checkpoints": "merging",
    "merge_parts": "merging",
    "read_state": "state",
    "remove_leftovers": "deletion",
    "save_async": "saving",
    "save_checkpoint": "writer",
    "write_state": "state",
}

__all__ = [
    "CheckpointManager",
    "CheckpointReader",
    "CheckpointState",
    "CheckpointWriter",
    "Leftover",
    "ObjectAttribute",
    "ObjectGraph",
    "ObjectNode",
    "PendingSave",
    "SlotVariable",
    "Snapshots",
    "StoredSlice",
    "TensorEntry",
    "TensorNotFoundError",
    "TensorType",
    "checkpoint_exists",
    "checkpoints_iterator",
    "delete_checkpoint",
    "find_leftovers",
    "get_checkpoint_state",
    "latest_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
    "merge_checkpoints",
    "merge_parts",
    "read_state",
    "remove_leftovers",
    "save_async",
    "save_checkpoint",
    "write_state",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'recordfs.checkpoint' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"recordfs.checkpoint.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name everything public, loaded or not."""
    return sorted({*globals(), *__all__})
