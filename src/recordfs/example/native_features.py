"""Features as native code takes them: which keys to read, and which of them make a column together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from recordfs.errors import InvalidArgumentError
from recordfs.example.features import (
    Feature,
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    SparseFeature,
    UniformRowLength,
    VarLenFeature,
    default_values,
)
from recordfs.example.numpy_module import np

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NativeFeature", "native_features"]

_KINDS: dict[type, str] = {bytes: "bytes", np.float32: "float32", np.int64: "int64"}

NativeFeature: TypeAlias = tuple[str, str, str, int, str, list[Any] | None]


def native_features(features: Mapping[str, Feature]) -> tuple[list[NativeFeature], list[list[int]]]:
    """The native parser's description of the features, and for each of them the places in it of what it is made of.

    Columns that read the same key share a place. The values come first, then what cuts them or places them.

    Raises:
        InvalidArgumentError: Something that is not a feature, or one key asked for as two different things.
    """
    plans: dict[str, NativeFeature] = {}
    keys = []
    for name, feature in features.items():
        parts = _native_parts(name, feature)
        for plan in parts:
            if plans.setdefault(plan[0], plan) != plan:
                raise InvalidArgumentError(f"feature {name!r}: the key {plan[0]!r} is asked for in two different ways")
        keys.append([plan[0] for plan in parts])
    places = {key: place for place, key in enumerate(plans)}
    return list(plans.values()), [[places[key] for key in of_feature] for of_feature in keys]


def _native_parts(name: str, feature: Feature) -> list[NativeFeature]:
    """What a feature is made of: the values, and any features that cut them or place them."""
    match feature:
        case SparseFeature(index_key, value_key, dtype):
            indices = (index_key,) if isinstance(index_key, str) else index_key
            return [_ragged(value_key, dtype), *(_ragged(key, np.int64) for key in indices)]
        case RaggedFeature(dtype, value_key, partitions):
            cuts = [partition for partition in partitions if not isinstance(partition, UniformRowLength)]
            return [_ragged(value_key or name, dtype), *(_ragged(cut.key, np.int64) for cut in cuts)]
        case _:
            return [_native_feature(name, feature)]


def _ragged(key: str, dtype: type) -> NativeFeature:
    return (key, _KINDS[dtype], "ragged", 0, "absent", None)


def _native_feature(name: str, feature: Feature) -> NativeFeature:
    if not isinstance(name, str):
        raise InvalidArgumentError(f"a feature's name has to be a str, found {name!r}")
    match feature:
        case FixedLenFeature(shape, dtype, None):
            return (name, _KINDS[dtype], "fixed", math.prod(shape), "refuse", None)
        case FixedLenFeature(shape, dtype, default):
            elements = math.prod(shape)
            # As in TensorFlow, a default without values is none.
            return (name, _KINDS[dtype], "fixed", elements, "default" if elements else "refuse",
                    default_values(default, dtype, elements) or None)  # fmt: skip
        case FixedLenSequenceFeature(shape, dtype, allow_missing, default):
            padding = None if default is None else default_values(default, dtype, 1)
            missing = "absent" if allow_missing else "refuse"
            return (name, _KINDS[dtype], "sequence", math.prod(shape), missing, padding)
        case VarLenFeature(dtype):
            return _ragged(name, dtype)
        case _:
            raise InvalidArgumentError(
                f"feature {name!r} has to be a FixedLenFeature, VarLenFeature, RaggedFeature, "
                f"FixedLenSequenceFeature or SparseFeature, found {feature!r}"
            )
