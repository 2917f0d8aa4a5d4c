"""parse_example and its siblings beside TensorFlow, record by record, sound and hostile."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from recordfs.errors import InvalidArgumentError
from recordfs.example import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedColumn,
    RaggedFeature,
    SparseColumn,
    SparseFeature,
    VarLenFeature,
    encode_example,
    encode_sequence_example,
    parse_example,
    parse_sequence_example,
    parse_single_example,
)
from support.hostile_examples import NAMED, SEQUENCE_NAMED, random_examples, random_sequence_examples
from support.peers import call_peer

pytestmark = pytest.mark.peer

FEATURES = {
    "a": FixedLenFeature([2], np.int64, [7, 8]),
    "f": RaggedFeature(np.float32),
    "b": VarLenFeature(bytes),
    "s": FixedLenSequenceFeature([2], np.int64, allow_missing=True, default_value=-1),
}
REQUIRED = {"a": FixedLenFeature([2], np.int64), "b": FixedLenFeature([], bytes, b"none")}

# How TensorFlow writes down what it finds: None for an error, else plain lists. Sparse tensors as their three parts.
THEIR_VALUES = """
    import tensorflow as tf

    def plain(value):
        if isinstance(value, tf.SparseTensor):
            return [value.indices.numpy().tolist(), value.values.numpy().tolist(), value.dense_shape.numpy().tolist()]
        if isinstance(value, tf.RaggedTensor):
            return [plain(value.values), value.row_splits.numpy().tolist(), value.row_splits.dtype.name]
        return value.numpy().tolist()

    def attempt(call):
        try:
            return call()
        except tf.errors.InvalidArgumentError:
            return None
        except UnicodeDecodeError:  # TensorFlow's own error message quotes the record
            return None

    features = {
        "a": tf.io.FixedLenFeature([2], tf.int64, [7, 8]),
        "f": tf.io.RaggedFeature(tf.float32),
        "b": tf.io.VarLenFeature(tf.string),
        "s": tf.io.FixedLenSequenceFeature([2], tf.int64, allow_missing=True, default_value=-1),
    }
    required = {"a": tf.io.FixedLenFeature([2], tf.int64), "b": tf.io.FixedLenFeature([], tf.string, b"none")}
    context = {"a": tf.io.FixedLenFeature([2], tf.int64, [7, 8]), "b": tf.io.VarLenFeature(tf.string)}
    lists = {
        "t": tf.io.FixedLenSequenceFeature([2], tf.int64, allow_missing=True),
        "w": tf.io.RaggedFeature(tf.float32),
        "x": tf.io.VarLenFeature(tf.string),
    }
"""

CONTEXT = {"a": FixedLenFeature([2], np.int64, [7, 8]), "b": VarLenFeature(bytes)}
LISTS = {
    "t": FixedLenSequenceFeature([2], np.int64, allow_missing=True),
    "w": RaggedFeature(np.float32),
    "x": VarLenFeature(bytes),
}


def ours_as_plain(value: Any, *, sparse: bool) -> Any:
    if isinstance(value, RaggedColumn):
        if sparse:
            return [value.indices.tolist(), value.flat_values.tolist(), value.dense_shape.tolist()]
        return [ours_as_plain(value.values, sparse=False), value.row_splits.tolist(), value.row_splits.dtype.name]
    return value if isinstance(value, bytes) else value.tolist()


def attempt(parse: Any) -> Any:
    try:
        return parse()
    except InvalidArgumentError:
        return None


def ours(record: bytes, features: Any) -> Any:
    parsed = attempt(lambda: parse_example([record], features))
    return parsed and {
        name: ours_as_plain(value, sparse=isinstance(features[name], VarLenFeature)) for name, value in parsed.items()
    }


def show(record: bytes, names: dict[str, bytes]) -> str:
    return next((name for name, named in names.items() if named == record), record.hex(" "))


def as_text(values: Any) -> str:
    """In which a NaN is equal to itself."""
    return json.dumps(values, sort_keys=True, default=repr)


def assert_same(records: list[bytes], our_values: list[Any], their_values: list[Any], names: dict[str, bytes]) -> None:
    differences = [
        f"{show(record, names)}:\n  TensorFlow {theirs}\n  recordfs   {ours}"
        for record, ours, theirs in zip(records, our_values, their_values, strict=True)
        if as_text(ours) != as_text(theirs)
    ]
    assert not differences, "\n".join(differences[:20])


def example_records() -> list[bytes]:
    return [*NAMED.values(), *random_examples(20251121, 4000)]


def test_single_records_of_a_batch_give_what_tensorflow_gives() -> None:
    records = example_records()
    theirs = call_peer(
        "tensorflow",
        THEIR_VALUES
        + """
    def parse(record, features):
        return {key: plain(value) for key, value in tf.io.parse_example([record], features).items()}

    result = [[attempt(lambda: parse(record, chosen)) for record in records] for chosen in (features, required)]
    """,
        records=records,
    )
    assert_same(records, [ours(record, FEATURES) for record in records], theirs[0], NAMED)
    assert_same(records, [ours(record, REQUIRED) for record in records], theirs[1], NAMED)


def test_parse_single_example_gives_what_tensorflow_gives() -> None:
    records = example_records()
    theirs = call_peer(
        "tensorflow",
        THEIR_VALUES
        + """
    def parse(record):
        parsed = tf.io.parse_single_example(record, features)
        values = {key: plain(value) for key, value in parsed.items()}
        values["b"] = values["b"][1]
        return values

    result = [attempt(lambda: parse(record)) for record in records]
    """,
        records=records,
    )
    mine = [attempt(lambda: parse_single_example(record, FEATURES)) for record in records]  # noqa: B023  # called at once
    plain = [values and {name: value.tolist() for name, value in values.items()} for values in mine]
    assert_same(records, plain, theirs, NAMED)


@pytest.mark.parametrize("threads", [1, 3])
def test_whole_batches_give_what_tensorflow_gives(threads: int) -> None:
    sound = [record for record in example_records() if ours(record, FEATURES) is not None]
    assert len(sound) > 1000
    theirs = call_peer(
        "tensorflow",
        THEIR_VALUES
        + "    result = {key: plain(value) for key, value in tf.io.parse_example(records, features).items()}\n",
        records=sound,
    )
    parsed = parse_example(sound, FEATURES, threads=threads)
    mine = {name: ours_as_plain(value, sparse=name == "b") for name, value in parsed.items()}
    assert as_text(mine) == as_text(theirs)


def ours_sequence(records: list[bytes]) -> Any:
    parsed = attempt(lambda: parse_sequence_example(records, CONTEXT, LISTS))
    if parsed is None:
        return None
    context, lists, lengths = parsed
    sparse = {"b", "x"}
    return [
        {name: ours_as_plain(value, sparse=name in sparse) for name, value in context.items()},
        {name: ours_as_plain(value, sparse=name in sparse) for name, value in lists.items()},
        {name: value.tolist() for name, value in lengths.items()},
    ]


THEIR_SEQUENCES = (
    THEIR_VALUES
    + """
    def parse(records):
        parsed = tf.io.parse_sequence_example(records, context, lists)
        return [{key: plain(value) for key, value in part.items()} for part in parsed]
"""
)


def kills_tensorflow(record: bytes) -> bool:
    """A string longer than its list in a SequenceExample: recordfs refuses it, TensorFlow 2.21 dies by SIGSEGV."""
    try:
        parse_sequence_example([record], CONTEXT, LISTS)
    except InvalidArgumentError as error:
        return "bytes list" in str(error)
    return False


def sequence_records(seed: int) -> list[bytes]:
    records = [*SEQUENCE_NAMED.values(), *random_sequence_examples(seed, 3000)]
    return [record for record in records if not kills_tensorflow(record)]


def test_sequence_examples_give_what_tensorflow_gives() -> None:
    records = sequence_records(20251121)
    theirs = call_peer(
        "tensorflow",
        THEIR_SEQUENCES + "    result = [attempt(lambda: parse([record])) for record in records]\n",
        records=records,
    )
    assert_same(records, [ours_sequence([record]) for record in records], theirs, SEQUENCE_NAMED)


def test_batches_of_sequence_examples_give_what_tensorflow_gives() -> None:
    sound = [record for record in sequence_records(7) if ours_sequence([record]) is not None]
    assert len(sound) > 500
    theirs = call_peer("tensorflow", THEIR_SEQUENCES + "    result = parse(records)\n", records=sound)
    assert as_text(ours_sequence(sound)) == as_text(theirs)


LENGTHS, UNIFORM = "RaggedFeature.RowLengths", "RaggedFeature.UniformRowLength(2)"

# What several features make. Names and fields are TensorFlow's, so that one text makes the features on both sides.
COMPOSITES = {
    "sparse": "SparseFeature('i', 'v', int64, 100)",
    "sparse, sorted": "SparseFeature('i', 'v', int64, 100, already_sorted=True)",
    "sparse of two": "SparseFeature(['i', 'j'], 'v', int64, [100, 20])",
    "sparse of bytes": "SparseFeature('i', 'b', string, 100)",
    "splits": "RaggedFeature(int64, 'v', [RaggedFeature.RowSplits('splits')])",
    "lengths": "RaggedFeature(int64, 'v', [RaggedFeature.RowLengths('lengths')], row_splits_dtype=int64)",
    "starts": "RaggedFeature(int64, 'v', [RaggedFeature.RowStarts('starts')])",
    "limits": "RaggedFeature(string, 'b', [RaggedFeature.RowLimits('limits')])",
    "row ids": "RaggedFeature(int64, 'v', [RaggedFeature.ValueRowIds('ids')])",
    "uniform": "RaggedFeature(int64, 'v', [RaggedFeature.UniformRowLength(2)])",
    "two": "RaggedFeature(int64, 'v', [RaggedFeature.RowSplits('outer'), RaggedFeature.RowLengths('lengths')])",
    "uniform within": f"RaggedFeature(int64, 'v', [{LENGTHS}('halves'), {UNIFORM}])",
    "uniform around": f"RaggedFeature(int64, 'v', [{UNIFORM}, {LENGTHS}('lengths')])",
    "number as shape": "FixedLenFeature(2, int64, [1, 2])",
}


def cut_records(count: int) -> list[dict[str, list[Any] | None]]:
    """Features of records whose values, a multiple of two, are cut into an even number of rows."""
    random = np.random.default_rng(20261127)
    records: list[dict[str, list[Any] | None]] = []
    for number in range(count):
        rows = 2 * int(random.integers(0, 4))
        lengths = random.integers(0, 4, rows)
        if rows:
            lengths[-1] += 2 - int(lengths.sum()) % 2  # the last row is never empty: row ids could not show it
        size = int(lengths.sum())
        limits = np.cumsum(lengths)
        halves = random.multinomial(size // 2, [0.5, 0.3, 0.2])
        features: dict[str, list[Any]] = (
            {
                "v": random.integers(-5, 5, size).tolist(),
                "b": [b"%d" % value for value in range(size)],
                "i": random.permutation(100)[:size].tolist(),
                "j": random.integers(0, 20, size).tolist(),
                "lengths": lengths.tolist(),
                "splits": [0, *limits.tolist()],
                "starts": (limits - lengths).tolist(),
                "limits": limits.tolist(),
                "ids": np.repeat(np.arange(rows), lengths).tolist(),
                "outer": [0, rows // 2, rows],
                "halves": halves.tolist(),
            }
            if number % 5
            else {}
        )
        records.append({name: values or None for name, values in features.items()})
    return records


def composite_features() -> dict[str, Any]:
    scope = {"SparseFeature": SparseFeature, "RaggedFeature": RaggedFeature, "FixedLenFeature": FixedLenFeature}
    types = {"int64": np.int64, "string": bytes}
    return {name: eval(text, {**scope, **types}) for name, text in COMPOSITES.items()}


def composite_as_plain(value: Any) -> Any:
    if isinstance(value, SparseColumn):
        return [value.indices.tolist(), value.values.tolist(), value.dense_shape.tolist()]
    if isinstance(value, RaggedColumn):
        return [value.to_list(), value.row_splits.dtype.name, value.row_splits.tolist()]
    return value.tolist()


THEIR_COMPOSITES = """
    import tensorflow as tf

    scope = {name: getattr(tf.io, name) for name in ("SparseFeature", "RaggedFeature", "FixedLenFeature")}
    scope |= {"int64": tf.int64, "string": tf.string}
    features = {name: eval(text, scope) for name, text in texts.items()}

    def plain(value):
        if isinstance(value, tf.SparseTensor):
            return [value.indices.numpy().tolist(), value.values.numpy().tolist(), value.dense_shape.numpy().tolist()]
        if isinstance(value, tf.RaggedTensor):
            return [value.to_list(), value.row_splits.dtype.name, value.row_splits.numpy().tolist()]
        return value.numpy().tolist()
"""


def test_what_several_features_make_is_what_tensorflow_makes_of_them() -> None:
    found = cut_records(200)
    records = [encode_example(features) for features in found]
    # Of a single record without row splits TensorFlow makes a tensor with -1 rows.
    whole = [encode_example(features) for features in found if features][:20]
    theirs = call_peer(
        "tensorflow",
        THEIR_COMPOSITES
        + """
    result = {}
    for name, feature in features.items():  # one by one, because TensorFlow gives a key to sparse or ragged features
        parsed = tf.io.parse_example(records, {name: feature})
        single = [plain(tf.io.parse_single_example(record, {name: feature})[name]) for record in whole]
        result[name] = [plain(parsed[name]), single]
    """,
        records=records,
        whole=whole,
        texts=COMPOSITES,
    )
    for name, feature in composite_features().items():
        batch = composite_as_plain(parse_example(records, {name: feature})[name])
        single = [composite_as_plain(parse_single_example(record, {name: feature})[name]) for record in whole]
        assert as_text([batch, single]) == as_text(theirs[name]), name


def test_partitions_of_sequence_examples_are_what_tensorflow_makes_of_them() -> None:
    steps = [features for features in cut_records(300) if features]
    records = []
    for first in range(0, len(steps), 3):
        chosen = steps[first : first + first % 4]
        lists = {key: [step[key] for step in chosen] for key in steps[0]}
        records.append(encode_sequence_example(steps[first], lists))
    names = {name: text for name, text in COMPOSITES.items() if text.startswith("Ragged") and "'b'" not in text}
    theirs = call_peer(
        "tensorflow",
        THEIR_COMPOSITES
        + """
    result = {}
    for name, feature in features.items():
        context, lists, _ = tf.io.parse_sequence_example(records, {name: feature}, {name: feature})
        result[name] = [plain(context[name]), plain(lists[name])]
    """,
        records=records,
        texts=names,
    )
    for name in names:
        feature = composite_features()[name]
        context, lists, _ = parse_sequence_example(records, {name: feature}, {name: feature})
        assert as_text([composite_as_plain(context[name]), composite_as_plain(lists[name])]) == as_text(theirs[name])
