"""decode_example and the encoders beside protobuf's own implementation."""

from __future__ import annotations

import random
import struct
from typing import Any

import numpy as np
import pytest

from recordfs.errors import InvalidArgumentError
from recordfs.example import (
    FixedLenFeature,
    VarLenFeature,
    decode_example,
    decode_sequence_example,
    encode_example,
    encode_examples,
    encode_sequence_example,
    parse_example,
)
from support.hostile_examples import NAMED, SEQUENCE_NAMED, random_examples, random_sequence_examples
from support.peers import call_peer

pytestmark = pytest.mark.peer

# NaN is not equal to itself and JSON has no infinity: floats travel as their bits.
THEIR_DECODER = """
    import struct
    import tensorflow as tf

    def values(feature):
        kind = feature.WhichOneof("kind")
        if kind is None:
            return None
        found = list(getattr(feature, kind).value)
        return [struct.unpack("<I", struct.pack("<f", v))[0] for v in found] if kind == "float_list" else found

    def features(message):
        return {key: values(message.feature[key]) for key in sorted(message.feature)}

    def read(record):
        message = tf.train.SequenceExample.FromString(record) if sequence else tf.train.Example.FromString(record)
        if not sequence:
            return features(message.features)
        lists = message.feature_lists.feature_list
        return [features(message.context), {key: [values(s) for s in lists[key].feature] for key in sorted(lists)}]

    def attempt(record):
        try:
            return read(record)
        except Exception as error:
            assert type(error).__name__ == "DecodeError", error
            return None

    result = [attempt(record) for record in records]
"""


def as_bits(values: Any) -> Any:
    if values and isinstance(values[0], float):
        return [struct.unpack("<I", struct.pack("<f", value))[0] for value in values]
    return values


def our_features(features: dict[str, Any]) -> dict[str, Any]:
    return {key: as_bits(features[key]) for key in sorted(features)}


def ours(record: bytes, *, sequence: bool) -> Any:
    try:
        if not sequence:
            return our_features(decode_example(record))
        context, lists = decode_sequence_example(record)
    except InvalidArgumentError:
        return None
    return [our_features(context), {key: [as_bits(step) for step in lists[key]] for key in sorted(lists)}]


@pytest.mark.parametrize("sequence", [False, True])
def test_decoding_gives_what_protobuf_gives(sequence: bool) -> None:
    records = [*NAMED.values(), *SEQUENCE_NAMED.values(), *random_examples(3, 4000), *random_sequence_examples(5, 3000)]
    theirs = call_peer("tensorflow", THEIR_DECODER, records=records, sequence=sequence)
    mine = [ours(record, sequence=sequence) for record in records]
    assert sum(value is not None for value in mine) > 2000
    differences = [
        f"{record.hex(' ')}\n  protobuf {their}\n  recordfs {our}"
        for record, our, their in zip(records, mine, theirs, strict=True)
        if our != their
    ]
    assert not differences, "\n".join(differences[:20])


THEIR_ENCODER = """
    import tensorflow as tf

    def feature(value):
        if value is None:
            return tf.train.Feature()
        kind, values = value
        lists = {"int64": tf.train.Int64List, "float": tf.train.FloatList, "bytes": tf.train.BytesList}
        fields = {"int64": "int64_list", "float": "float_list", "bytes": "bytes_list"}
        return tf.train.Feature(**{fields[kind]: lists[kind](value=values)})

    def features(values):
        return tf.train.Features(feature={key: feature(value) for key, value in values})

    def encode(item):
        if lists is None:
            return tf.train.Example(features=features(item)).SerializeToString(deterministic=True)
        context, steps = item
        message = tf.train.SequenceExample(
            context=features(context),
            feature_lists=tf.train.FeatureLists(
                feature_list={k: tf.train.FeatureList(feature=[feature(s) for s in v]) for k, v in steps}
            ),
        )
        return message.SerializeToString(deterministic=True)

    result = [encode(item) for item in items]
"""


def random_value(rng: random.Random) -> Any:
    count = rng.choice([0, 1, 2, 50])
    match rng.randrange(4):
        case 0:
            return None
        case 1:
            return ["int64", [rng.randrange(-(2**63), 2**63) >> rng.randrange(64) for _ in range(count)]]
        case 2:
            return ["float", [struct.unpack("<f", struct.pack("<f", rng.gauss(0, 1e10)))[0] for _ in range(count)]]
        case _:
            return ["bytes", [rng.randbytes(rng.choice([0, 1, 5, 200])) for _ in range(count)]]


def random_features(rng: random.Random) -> list[list[Any]]:
    names = ["", "a", "b", "aa", "Zz", "grün", "\U0001f40d", "x" * 200]
    return [[name, random_value(rng)] for name in rng.sample(names, rng.randrange(len(names)))]


def as_given(value: Any) -> Any:
    if value is None:
        return None
    kind, values = value
    dtype = {"int64": np.int64, "float": np.float32, "bytes": object}[kind]
    return np.array(values, dtype=dtype)


def test_encoding_gives_protobufs_deterministic_bytes() -> None:
    rng = random.Random(11)
    items = [random_features(rng) for _ in range(300)]
    theirs = call_peer("tensorflow", THEIR_ENCODER, items=items, lists=None)
    mine = [encode_example({key: as_given(value) for key, value in item}) for item in items]
    assert mine == theirs


def test_encoding_sequences_gives_protobufs_deterministic_bytes() -> None:
    rng = random.Random(12)
    items = [[random_features(rng), [[key, [value, value]] for key, value in random_features(rng)]] for _ in range(200)]
    theirs = call_peer("tensorflow", THEIR_ENCODER, items=items, lists=True)
    mine = [
        encode_sequence_example(
            {key: as_given(value) for key, value in context},
            {key: [as_given(step) for step in steps] for key, steps in lists},
        )
        for context, lists in items
    ]
    assert mine == theirs


def test_columns_encode_to_protobufs_deterministic_bytes() -> None:
    rng = random.Random(13)
    values = [[rng.randrange(-5, 10**6) for _ in range(3)] for _ in range(40)]
    names = [[rng.randbytes(4) for _ in range(rng.randrange(3))] for _ in range(40)]
    items = [[["v", ["int64", value]], ["n", ["bytes", name]]] for value, name in zip(values, names, strict=True)]
    theirs = call_peer("tensorflow", THEIR_ENCODER, items=items, lists=None)
    columns = parse_example(theirs, {"v": FixedLenFeature((3,), np.int64), "n": VarLenFeature(bytes)})
    assert encode_examples(columns) == theirs
    assert encode_examples({"n": names, "v": values}) == theirs
