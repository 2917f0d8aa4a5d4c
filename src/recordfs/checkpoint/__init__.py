"""TensorFlow's checkpoints (V2, "tensor bundles") on every filesystem, without TensorFlow.

Reading: ``CheckpointReader``, and as in ``tf.train``: ``load_checkpoint``, ``list_variables``, ``load_variable``,
``latest_checkpoint``, ``get_checkpoint_state``, ``checkpoint_exists``, ``checkpoints_iterator``.
Writing: ``save_checkpoint``, ``CheckpointWriter``, ``save_async``, ``CheckpointManager``; several writers:
``merge_parts``, ``merge_checkpoints``. Deleting: ``delete_checkpoint``, ``remove_leftovers``. The state file:
``read_state``, ``write_state``. Looking after them: ``find_checkpoints``, ``verify_checkpoint``,
``compare_checkpoints``, ``convert_checkpoint``.

They need NumPy, and for bfloat16 and smaller types ml_dtypes: ``pip install 'recordfs[checkpoint]'``. The format:
``docs/formats/tensor-bundle.md``.
"""

from typing import TYPE_CHECKING

from recordfs.lazy_names import lazy_names

if TYPE_CHECKING:
    from recordfs.checkpoint.comparison import TensorDifference, compare_checkpoints
    from recordfs.checkpoint.conversion import Conversion, convert_checkpoint, rename_by_patterns
    from recordfs.checkpoint.deletion import Leftover, delete_checkpoint, find_leftovers, remove_leftovers
    from recordfs.checkpoint.entries import StoredSlice, TensorEntry
    from recordfs.checkpoint.inventory import FoundCheckpoint, Inventory, find_checkpoints
    from recordfs.checkpoint.manager import CheckpointManager
    from recordfs.checkpoint.merging import merge_checkpoints, merge_parts
    from recordfs.checkpoint.object_graph import ObjectAttribute, ObjectGraph, ObjectNode, SlotVariable
    from recordfs.checkpoint.reader import CheckpointReader, TensorNotFoundError
    from recordfs.checkpoint.saving import PendingSave, Snapshots, save_async, save_checkpoint
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
    from recordfs.checkpoint.verification import BrokenTensor, CheckpointReport, verify_checkpoint
    from recordfs.checkpoint.writer import CheckpointWriter

_HOME = {
    "BrokenTensor": "verification",
    "CheckpointManager": "manager",
    "CheckpointReader": "reader",
    "CheckpointReport": "verification",
    "CheckpointState": "state",
    "CheckpointWriter": "writer",
    "Conversion": "conversion",
    "FoundCheckpoint": "inventory",
    "Inventory": "inventory",
    "Leftover": "deletion",
    "ObjectAttribute": "object_graph",
    "ObjectGraph": "object_graph",
    "ObjectNode": "object_graph",
    "PendingSave": "saving",
    "SlotVariable": "object_graph",
    "Snapshots": "saving",
    "StoredSlice": "entries",
    "TensorDifference": "comparison",
    "TensorEntry": "entries",
    "TensorNotFoundError": "reader",
    "TensorType": "tensor_types",
    "checkpoint_exists": "tf_names",
    "checkpoints_iterator": "tf_names",
    "compare_checkpoints": "comparison",
    "convert_checkpoint": "conversion",
    "delete_checkpoint": "deletion",
    "find_checkpoints": "inventory",
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
    "rename_by_patterns": "conversion",
    "save_async": "saving",
    "save_checkpoint": "saving",
    "verify_checkpoint": "verification",
    "write_state": "state",
}

__all__ = [
    "BrokenTensor",
    "CheckpointManager",
    "CheckpointReader",
    "CheckpointReport",
    "CheckpointState",
    "CheckpointWriter",
    "Conversion",
    "FoundCheckpoint",
    "Inventory",
    "Leftover",
    "ObjectAttribute",
    "ObjectGraph",
    "ObjectNode",
    "PendingSave",
    "SlotVariable",
    "Snapshots",
    "StoredSlice",
    "TensorDifference",
    "TensorEntry",
    "TensorNotFoundError",
    "TensorType",
    "checkpoint_exists",
    "checkpoints_iterator",
    "compare_checkpoints",
    "convert_checkpoint",
    "delete_checkpoint",
    "find_checkpoints",
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
    "rename_by_patterns",
    "save_async",
    "save_checkpoint",
    "verify_checkpoint",
    "write_state",
]

if not TYPE_CHECKING:  # a type checker that saw a __getattr__ would take every misspelt name for one of ours
    __getattr__, __dir__ = lazy_names(__name__, _HOME)
