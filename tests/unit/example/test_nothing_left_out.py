"""Export and Arrow never leave out in silence what their sample did not show, nor records of another type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from recordfs.errors import InvalidArgumentError
from recordfs.example import (
    EmptyList,
    ExampleParser,
    FixedLenFeature,
    encode_example,
    encode_sequence_example,
    export_examples,
    import_examples,
    infer_features,
    read_arrow,
    read_table,
)
from recordfs.example.jsonl import record_to_line
from recordfs.records.reader import RecordReader
from recordfs.records.writer import RecordWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

GOLDEN = Path(__file__).parents[2] / "golden"


def _written(path: Path, records: Iterable[bytes]) -> str:
    with RecordWriter(str(path)) as writer:
        writer.write_batch(list(records))
    return str(path)


def _delimited(number: int, payload: bytes) -> bytes:
    assert len(payload) < 128
    return bytes([number << 3 | 2, len(payload)]) + payload


FIRST = [encode_example({"x": i, "unset": None}) for i in range(1000)]

LATE = {
    "a feature that begins": {"x": 1, "click": [7]},
    "a feature that begins empty": {"x": 1, "click": np.array([], np.int64)},
    "a feature that is first set": {"x": 1, "unset": b"now"},
    "another kind": {"x": b"1"},
    "another length": {"x": [1, 2]},
}


@pytest.mark.parametrize("late", LATE)
def test_what_the_sample_did_not_show_is_an_error_that_names_record_feature_and_option(
    late: str, tmp_path: Path
) -> None:
    source = _written(tmp_path / "late", [*FIRST, encode_example(LATE[late])])
    target = tmp_path / "late.parquet"
    with pytest.raises(InvalidArgumentError, match=r"record 1000 .*feature '(click|unset|x)'.*--sample 0") as caught:
        export_examples(source, str(target), sample=1000)
    assert "record 1000 " in str(caught.value)
    assert not target.exists()
    with pytest.raises(InvalidArgumentError, match="sample=None"):
        read_arrow(source).to_pyarrow()


@pytest.mark.parametrize("late", ["a feature that begins", "a feature that is first set", "another length"])
def test_a_look_at_all_records_exports_what_begins_late(late: str, tmp_path: Path) -> None:
    source = _written(tmp_path / "late", [*FIRST, encode_example(LATE[late])])
    target, back = str(tmp_path / "late.parquet"), str(tmp_path / "back")
    export_examples(source, target, sample=None)
    import_examples(target, back)
    *_, last = RecordReader(back)
    assert last == encode_example(LATE[late])


def test_lists_that_are_empty_all_through_the_sample_are_no_fixed_length(tmp_path: Path) -> None:
    empty = [encode_example({"x": np.array([], np.float32)})] * 1000
    source = _written(tmp_path / "empty", [*empty, encode_example({"x": [1.5]})])
    export_examples(source, str(tmp_path / "e.parquet"))
    assert pq.read_table(tmp_path / "e.parquet")["x"].to_pylist()[-2:] == [[], [1.5]]


def test_features_that_are_given_read_only_these(tmp_path: Path) -> None:
    source = _written(tmp_path / "two", [encode_example({"x": 1, "y": 2})])
    assert read_table(source, {"x": FixedLenFeature((), np.int64)}).to_pydict() == {"x": [1]}


def test_a_complete_parser_refuses_other_features() -> None:
    parser = ExampleParser({"x": FixedLenFeature((), np.int64)}, complete=True)
    assert parser.parse([encode_example({"x": 1, "none": None})])["x"].tolist() == [1]
    with pytest.raises(InvalidArgumentError, match="record 1 of the batch, feature 'y'"):
        parser.parse([encode_example({"x": 1}), encode_example({"x": 1, "y": 2})])


def test_a_list_in_parts_is_not_read_in_part() -> None:
    # {"x": [1]} and [2] behind it in the same Feature: protobuf joins them, TensorFlow's reader takes the first.
    feature = _delimited(3, _delimited(1, b"\x01")) + _delimited(3, _delimited(1, b"\x02"))
    record = _delimited(1, _delimited(1, _delimited(1, b"x") + _delimited(2, feature)))
    features = {"x": FixedLenFeature((), np.int64)}
    assert ExampleParser(features).parse([record])["x"].tolist() == [1]
    with pytest.raises(InvalidArgumentError, match="feature 'x': its int64 list is written in parts"):
        ExampleParser(features, complete=True).parse([record])


OTHERS = {
    "event": (b"\x09\0\0\0\0\0\0\xf0\x3f\x1a\x0dbrain.Event:2", r"tf\.Event\); `recordfs events`"),
    "event without a time": (b"\x10\x07\x2a\x00", r"tf\.Event\)"),
    "sequence": (encode_sequence_example({"id": 1}, {"rgb": [[b"ab"], [b"cd"]]}), r"SequenceExample.*--sequence"),
    "example list": (
        _delimited(1, encode_example({"a": 5})) + _delimited(2, encode_example({})),
        "ExampleListWithContext",
    ),
    "unknown field": (encode_example({"a": 5}) + _delimited(9, b"new"), "fields that no Example has"),
    "unknown field in a feature": (
        _delimited(1, _delimited(1, _delimited(1, b"x") + _delimited(2, _delimited(7, b"")))),
        "fields that no Example has",
    ),
    "text": (b"version https://git-lfs.github.com/spec/v1", "not a serialized Example"),
}


@pytest.mark.parametrize("form", ["parquet", "jsonl", "npz"])
@pytest.mark.parametrize("other", OTHERS)
def test_records_of_another_type_are_named_and_never_exported_as_nothing(other: str, form: str, tmp_path: Path) -> None:
    record, reason = OTHERS[other]
    source = _written(tmp_path / "other", [record])
    target = tmp_path / f"out.{form}"
    with pytest.raises(InvalidArgumentError, match=reason):
        export_examples(source, str(target))
    assert not target.exists()


@pytest.mark.parametrize("form", ["parquet", "jsonl", "npz"])
@pytest.mark.parametrize("other", ["event", "sequence", "unknown field"])
def test_a_record_of_another_type_after_the_sample_is_an_error(other: str, form: str, tmp_path: Path) -> None:
    source = _written(tmp_path / "mixed", [*FIRST[:10], OTHERS[other][0]])
    with pytest.raises(InvalidArgumentError, match=r"record 10|SequenceExamples"):
        export_examples(source, str(tmp_path / f"out.{form}"), sample=5)


@pytest.mark.parametrize("name", ["tensorboard", "tensorboardx", "tf_summary"])
def test_event_files_of_every_writer_are_told_apart(name: str, tmp_path: Path) -> None:
    source = str(GOLDEN / "events" / f"{name}.tfevents")
    with pytest.raises(InvalidArgumentError, match=r"record 0: .*recordfs events"):
        infer_features(RecordReader(source))
    for record in RecordReader(source):
        with pytest.raises(InvalidArgumentError, match="recordfs events"):
            record_to_line(record)


def test_inferred_features_of_sequence_examples_are_no_table() -> None:
    inferred = infer_features([encode_sequence_example({"id": 1}, {"rgb": [[b"ab"]]})])
    assert [summary.name for summary in inferred.list_summaries] == ["rgb"]
    with pytest.raises(InvalidArgumentError, match=r"'rgb'.*sequence=True"):
        inferred.check_examples()


def _sequences(count: int) -> list[bytes]:
    return [
        encode_sequence_example(
            {"id": i, "name": [b"a"] * (i % 3 + 1)} | ({"rare": 0.5} if i % 2 else {}),
            {"rgb": [[b"ab", b"\xff"], EmptyList("bytes"), [b"cd"]][: i % 4], "score": [[j / 4] for j in range(i % 3)]},
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_sequence_examples_go_out_and_come_back_unchanged(form: str, tmp_path: Path) -> None:
    records = _sequences(30)
    if form == "jsonl":  # JSON tells the kind of an empty step, and an unset one from it
        empty = np.array([], np.float32)
        records.append(encode_sequence_example({"none": None, "no": empty}, {"score": [empty, None, [1.5]]}))
    source, target, back = _written(tmp_path / "s", records), str(tmp_path / f"s.{form}"), str(tmp_path / "back")
    assert export_examples(source, target, sequence=True) == len(records)
    assert import_examples(target, back, sequence=True) == len(records)
    assert list(RecordReader(back)) == records


def test_the_golden_sequence_examples_come_back_from_json_lines(tmp_path: Path) -> None:
    source = str(GOLDEN / "examples" / "sequence_examples.tfrecord")
    target, back = str(tmp_path / "s.jsonl"), str(tmp_path / "back")
    export_examples(source, target, sequence=True)
    import_examples(target, back, sequence=True)
    again = str(tmp_path / "again.jsonl")
    export_examples(back, again, sequence=True)
    assert Path(again).read_text() == Path(target).read_text()


def test_a_feature_list_that_begins_after_the_sample_is_an_error(tmp_path: Path) -> None:
    records = [*_sequences(10), encode_sequence_example({}, {"late": [[1]]})]
    source = _written(tmp_path / "s", records)
    with pytest.raises(InvalidArgumentError, match=r"feature 'late'.*record 0 of.*--sample 0"):
        export_examples(source, str(tmp_path / "s.parquet"), sequence=True, sample=5)
    export_examples(source, str(tmp_path / "s.parquet"), sequence=True, sample=None)
    assert pq.read_table(tmp_path / "s.parquet")["late"].to_pylist()[-1] == [[1]]


def test_a_single_value_that_becomes_two_after_the_sample_is_an_error(tmp_path: Path) -> None:
    records = [encode_sequence_example({"id": [1] * n}, {"x": [[1]]}) for n in (1, 1, 2)]
    with pytest.raises(InvalidArgumentError, match=r"record 2 .*'id'.*expected 1 value, found 2"):
        export_examples(_written(tmp_path / "s", records), str(tmp_path / "s.parquet"), sequence=True, sample=2)


def test_a_name_of_both_maps_is_refused_by_a_table(tmp_path: Path) -> None:
    source = _written(tmp_path / "s", [encode_sequence_example({"x": 1}, {"x": [[1]]})])
    with pytest.raises(InvalidArgumentError, match="'x' is a context feature and a feature list"):
        export_examples(source, str(tmp_path / "s.parquet"), sequence=True)
    assert export_examples(source, str(tmp_path / "s.jsonl"), sequence=True) == 1


def test_npz_refuses_sequence_examples_both_ways(tmp_path: Path) -> None:
    source = _written(tmp_path / "s", _sequences(3))
    with pytest.raises(InvalidArgumentError, match="parquet or jsonl"):
        export_examples(source, str(tmp_path / "s.npz"), sequence=True)
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(InvalidArgumentError, match="parquet or jsonl"):
        import_examples(str(tmp_path / "a.npz"), str(tmp_path / "b"), sequence=True)


KINDS: dict[str, tuple[list[str], list[dict[str, Any]]]] = {
    "an integer, then a float": (['{"p": 10}', '{"p": 10.5}'], [{"p": [10.0]}, {"p": [10.5]}]),
    "a float, then an integer": (['{"p": [1.5]}', '{"p": 3}'], [{"p": [1.5]}, {"p": [3.0]}]),
    "an empty list, then integers": (['{"p": []}', '{"p": [1, 2]}'], [{"p": {"empty": "int64"}}, {"p": [1, 2]}]),
    "an empty list of integers, then floats": (
        ['{"p": {"empty": "int64"}}', '{"p": 0.5}'],
        [{"p": {"empty": "float32"}}, {"p": [0.5]}],
    ),
    "null, then text": (['{"p": null}', '{"p": "x"}'], [{"p": None}, {"p": ["x"]}]),
}


@pytest.mark.parametrize("case", KINDS)
def test_a_feature_of_json_lines_has_one_kind_in_all_lines(case: str, tmp_path: Path) -> None:
    lines, expected = KINDS[case]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    import_examples(str(tmp_path / "p.jsonl"), str(tmp_path / "p"))
    records = list(RecordReader(str(tmp_path / "p")))
    assert len(infer_features(records).summaries[0].kinds.keys() - {"unset"}) == 1
    assert [repr(json.loads(record_to_line(record))) for record in records] == [repr(line) for line in expected]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (['{"p": 1}', '{"p": "one"}'], r"line 2: feature 'p' has text or bytes here and integers in line 1"),
        (['{"p": 0.5}', '{"p": {"empty": "bytes"}}'], "line 2: feature 'p'"),
        (['{"p": 16777217}', '{"p": 0.5}'], "line 1: feature 'p': the integer 16777217"),
        (['{"q": 1}', '{"p": []}'], "line 2: feature 'p' is empty in every line"),
        (['{"p": 1, "p": 2}'], "line 1: 'p' occurs twice"),
        (['{"p": 1e999}'], "line 1: 1e999 is larger than any float"),
        (['{"p": [1, "x"]}'], "line 1: feature 'p'"),
    ],
)
def test_json_lines_that_no_record_file_can_hold_are_refused_with_their_line(
    lines: list[str], reason: str, tmp_path: Path
) -> None:
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    target = tmp_path / "p"
    with pytest.raises(InvalidArgumentError, match=reason):
        import_examples(str(tmp_path / "p.jsonl"), str(target), atomic=True)
    assert not target.exists()


@pytest.mark.parametrize("form", ["parquet", "npz"])
def test_records_without_any_feature_are_no_table_of_no_rows(tmp_path: Path, form: str) -> None:
    source, target = str(tmp_path / "x.tfrecord"), tmp_path / f"x.{form}"
    with RecordWriter(source) as writer:
        writer.write_batch([b"", encode_example({})])
    with pytest.raises(InvalidArgumentError, match="no feature to make a column of"):
        export_examples(source, str(target))
    assert not target.exists()
    assert export_examples(source, str(tmp_path / "x.jsonl")) == 2
    assert import_examples(str(tmp_path / "x.jsonl"), source) == 2


def test_sequence_examples_without_any_feature_are_no_table_of_no_rows(tmp_path: Path) -> None:
    source = str(tmp_path / "x.tfrecord")
    with RecordWriter(source) as writer:
        writer.write_batch([encode_sequence_example({}, {})])
    with pytest.raises(InvalidArgumentError, match="no feature to make a column of"):
        export_examples(source, str(tmp_path / "x.parquet"), sequence=True)


def test_an_import_that_fails_leaves_the_old_records_and_names_its_source(tmp_path: Path) -> None:
    source, target = tmp_path / "x.jsonl", str(tmp_path / "x.tfrecord")
    with RecordWriter(target) as writer:
        writer.write(b"old")
    source.write_text('{"a": [1.5]}\n' * 5000 + '{"a": [1e39]}\n')
    with pytest.raises(InvalidArgumentError, match="line 5001") as caught:
        import_examples(str(source), target)
    assert caught.value.path == str(source)
    assert list(RecordReader(target)) == [b"old"]
    with pytest.raises(InvalidArgumentError, match="line 5001"):
        import_examples(str(source), target, append=True)
    assert next(iter(RecordReader(target))) == b"old"
