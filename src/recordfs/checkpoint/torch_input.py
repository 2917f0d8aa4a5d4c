"""Tensors of PyTorch as arrays. It imports no torch, because whoever has a tensor has imported it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from recordfs.checkpoint.tensor_types import type_for
from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from recordfs.checkpoint.array_memory import Array

__all__ = ["array_of_torch", "is_torch_tensor"]


def is_torch_tensor(value: Any) -> bool:
    """Tell whether a value is a ``torch.Tensor``."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def array_of_torch(tensor: Any) -> Array:
    """Return the elements of a ``torch.Tensor``, on whatever device it is, with the memory of one that is on the CPU.

    PyTorch makes no array of a tensor that gradients are kept for, nor of bfloat16 and the floats of 8 bits; these are
    those of ``ml_dtypes``, bit by bit.

    Raises:
        TypeError: Its layout or its type has no array, such as a sparse or a quantized tensor's.
        MissingDependencyError: Its type comes with ``ml_dtypes``, which is not installed.
    """
    torch = sys.modules["torch"]
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    try:
        kind = type_for(str(plain.dtype).removeprefix("torch."))
    except InvalidArgumentError:
        kind = None
    if kind is not None and kind.needs_ml_dtypes and plain.layout == torch.strided:
        bits = torch.uint8 if plain.element_size() == 1 else torch.int16
        found: Array = plain.contiguous().view(bits).numpy().view(kind.numpy_type())
    else:
        found = plain.numpy()
    return found
