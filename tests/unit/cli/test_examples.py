"""The commands that know tf.train.Example: head --example, schema, export, import."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from recordfs.cli.progress import Progress
from recordfs.example import encode_example, encode_sequence_example, export_examples, import_examples
from recordfs.records.reader import RecordReader
from recordfs.records.sources import Position
from recordfs.records.writer import RecordWriter

if TYPE_CHECKING:
    from support.command_line import Recordfs


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = str(tmp_path / "train.tfrecord")
    with RecordWriter(path) as writer:
        for i in range(4):
            features = {"label": i, "vector": np.arange(3, dtype=np.float32) / 2, "name": f"n{i}", "raw": b"\xff\0"}
            writer.write(encode_example(features | ({"extra": [1, 2]} if i == 0 else {})))
    return path


def test_head_shows_the_features(recordfs: Recordfs, source: str) -> None:
    ran = recordfs("head", "-n", "1", "--example", source)
    assert ran.status == 0
    assert ran.out.splitlines() == [
        "0\textra\tint64\t2\t1 2",
        "0\tlabel\tint64\t1\t0",
        "0\tname\tbytes\t1\tn0",
        "0\traw\tbytes\t1\t\\xff\\x00",
        "0\tvector\tfloat32\t3\t0 0.5 1",
    ]


def test_head_gives_json(recordfs: Recordfs, source: str) -> None:
    ran = recordfs("head", "-n", "1", "--skip", "1", "--example", "--json", source)
    found = json.loads(ran.out)
    assert found["record"] == 1
    assert found["features"] == {
        "label": [1],
        "name": ["n1"],
        "raw": [{"base64": "/wA="}],
        "vector": [0.0, 0.5, 1.0],
    }


def test_head_shows_steps_and_long_lists(recordfs: Recordfs, tmp_path: Path) -> None:
    path = str(tmp_path / "sequence")
    with RecordWriter(path) as writer:
        writer.write(encode_sequence_example({"id": 1, "unset": None}, {"frame": ["a", ["b", "c"]]}))
        writer.write(encode_example({"long": list(range(100))}))
    lines = recordfs("head", "--example", "--width", "12", path).out.splitlines()
    assert lines == [
        "0\tid\tint64\t1\t1",
        "0\tunset\tunset\t0\t",
        "0\tframe[0]\tbytes\t1\ta",
        "0\tframe[1]\tbytes\t2\tb c",
        "1\tlong\tint64\t100\t0 1 2 3 4 5 …",
    ]


def test_head_of_what_is_no_example_is_an_error(recordfs: Recordfs, tmp_path: Path) -> None:
    path = str(tmp_path / "other")
    with RecordWriter(path) as writer:
        writer.write(b"\xff\xff")
    ran = recordfs("head", "--example", path)
    assert ran.status == 1
    assert f"{path}: not a serialized Example" in ran.err
    assert "at byte 0" in ran.err


def test_schema_tells_kinds_lengths_and_what_is_missing(recordfs: Recordfs, source: str) -> None:
    ran = recordfs("schema", source)
    assert ran.status == 0
    assert ran.out.splitlines() == [
        "extra\tint64\t2\t\t75.00%",
        "label\tint64\t1\t\t0.00%",
        "name\tbytes\t1\t\t0.00%",
        "raw\tbytes\t1\t\t0.00%",
        "vector\tfloat32\t3\t\t0.00%",
    ]
    first = json.loads(recordfs("schema", "--json", "-n", "1", source).out.splitlines()[0])
    assert (first["name"], first["missing_share"]) == ("extra", 0)


@pytest.mark.parametrize("form", ["parquet", "jsonl", "npz"])
def test_export_and_import_are_each_others_way_back(recordfs: Recordfs, source: str, tmp_path: Path, form: str) -> None:
    table, back = str(tmp_path / f"table.{form}"), str(tmp_path / "back.tfrecord")
    exported = recordfs("export", source, source, table)
    assert exported == (0, "exported 8 records\n", "")
    imported = recordfs("import", "--compression", "GZIP", table, back)
    assert imported == (0, "imported 8 records\n", "")
    assert list(RecordReader(back)) == list(RecordReader(source)) * 2
    assert json.loads(recordfs("export", "--json", source, table).out) == {"target": table, "records": 4}
    told = json.loads(recordfs("import", "--json", table, back).out)
    assert told == {"source": table, "target": back, "records": 4}


def test_a_format_can_be_said(recordfs: Recordfs, source: str, tmp_path: Path) -> None:
    table = str(tmp_path / "table")
    assert recordfs("export", "--to", "jsonl", source, table).status == 0
    assert recordfs("import", "--from", "jsonl", table, str(tmp_path / "back")).status == 0
    unknown = recordfs("export", source, table)
    assert unknown.status != 0
    assert "cannot be told from the name" in unknown.err


def test_a_missing_file_leaves_no_table(recordfs: Recordfs, source: str, tmp_path: Path) -> None:
    ran = recordfs("export", source, str(tmp_path / "missing*"), str(tmp_path / "t.jsonl"))
    assert ran.status != 0
    assert not (tmp_path / "t.jsonl").exists()


EVENTS = str(Path(__file__).parents[2] / "golden" / "events" / "tf_summary.tfevents")


@pytest.mark.parametrize("command", [["schema"], ["head", "--example"], ["head", "--example", "--json"]])
def test_an_event_file_is_named_with_the_command_that_reads_it(recordfs: Recordfs, command: list[str]) -> None:
    ran = recordfs(*command, EVENTS)
    assert ran.status != 0
    assert "tf.Event" in ran.err
    assert "`recordfs events`" in ran.err


def test_an_event_file_is_not_exported_as_nothing(recordfs: Recordfs, tmp_path: Path) -> None:
    for form in ("parquet", "jsonl", "npz"):
        ran = recordfs("export", EVENTS, str(tmp_path / f"t.{form}"))
        assert ran.status != 0
        assert "`recordfs events`" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_sequence_examples_are_exported_only_as_such(recordfs: Recordfs, tmp_path: Path) -> None:
    source, target, back = str(tmp_path / "s"), str(tmp_path / "s.parquet"), str(tmp_path / "back")
    with RecordWriter(source) as writer:
        writer.write(encode_sequence_example({"id": 1}, {"rgb": [[b"ab"], [b"cd"]]}))
    refused = recordfs("export", source, target)
    assert refused.status != 0
    assert "--sequence" in refused.err
    assert recordfs("export", "-q", "--sequence", source, target) == (0, "", "")
    assert recordfs("import", "-q", "--sequence", target, back) == (0, "", "")
    assert list(RecordReader(back)) == list(RecordReader(source))
    shown = json.loads(recordfs("head", "--example", "--json", source).out)
    assert (shown["features"], shown["feature_lists"]) == ({"id": [1]}, {"rgb": [["ab"], ["cd"]]})


def test_import_refuses_doubles_where_it_is_told_to(recordfs: Recordfs, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"x": 0.1}\n')
    ran = recordfs("import", "--doubles", "refuse", str(tmp_path / "d.jsonl"), str(tmp_path / "d"))
    assert ran.status != 0
    assert "line 1: feature 'x': 0.1 is a double" in ran.err
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("words", [["head", "-n"], ["head", "--skip"], ["schema", "-n"], ["export", "--sample"]])
def test_a_number_beyond_all_records_is_taken(
    recordfs: Recordfs, source: str, tmp_path: Path, words: list[str]
) -> None:
    target = [str(tmp_path / "t.parquet")] if words[0] == "export" else []
    assert recordfs(*words, "99999999999999999999", source, *target).status == 0


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_export_and_import_say_how_many_bytes_are_done(form: str, source: str, tmp_path: Path) -> None:
    table, back = str(tmp_path / f"t.{form}"), str(tmp_path / "back")
    done: list[int] = []
    progress = Progress("work", None, "bytes", None)
    sources = [source, str(tmp_path / "other.tfrecord")]
    shutil.copy(*sources)
    export_examples(sources, table, on_position=progress.positions(sources, [os.path.getsize(source)] * 2))
    assert progress.done == 2 * os.path.getsize(source)
    import_examples(table, back, on_offset=done.append)
    assert done == sorted(done)
    assert done[-1] == os.path.getsize(table)


def test_positions_in_compressed_files_never_pass_their_length() -> None:
    progress = Progress("work", None, "bytes", None)
    reached = progress.positions(["a", "b", "c"], [10, 20, 30])
    seen = []
    for position in (Position("a", 5), Position("a", 900), Position("c", 7)):
        reached(position)
        seen.append(progress.done)
    assert seen == [5, 10, 37]


def test_a_file_that_is_named_twice_counts_twice() -> None:
    progress = Progress("work", None, "bytes", None)
    reached = progress.positions(["a", "a"], [10, 10])
    for offset in (4, 10, 4, 10):
        reached(Position("a", offset))
    assert progress.done == 20


def test_schema_names_the_file_and_the_offset_of_what_is_no_example(recordfs: Recordfs, tmp_path: Path) -> None:
    good, bad = str(tmp_path / "1"), str(tmp_path / "2")
    example = encode_example({"a": 1})
    for path, records in ((good, [example]), (bad, [example, b"\xff"])):
        with RecordWriter(path) as writer:
            writer.write_batch(records)
    ran = recordfs("schema", good, bad)
    assert ran.status == 1
    assert f"{bad}: record 2: not a serialized Example" in ran.err
    assert f"(at byte {len(example) + 16})" in ran.err
    ran = recordfs("export", good, bad, str(tmp_path / "t.jsonl"))
    assert f"{bad}: record 2: not a serialized Example" in ran.err


def test_what_a_stream_without_an_end_holds_is_used_and_the_command_fails(recordfs: Recordfs, tmp_path: Path) -> None:
    """Its writer is at work, or the file was cut: nobody can tell whether records are missing."""
    live, sound = str(tmp_path / "live"), str(tmp_path / "sound")
    for path in (live, sound):
        with RecordWriter(path, compression="GZIP") as writer:
            writer.write(encode_example({"path": "name", "content": b"x"}))
    with open(live, "r+b") as file:
        file.truncate(os.path.getsize(live) - 8)
    target = str(tmp_path / "t.jsonl")
    for words, shown in (
        (["count", live], "1\n"),
        (["schema", live], None),
        (["export", live, target], "exported 1 record\n"),
        (["unpack", "-q", live, str(tmp_path / "files")], ""),
    ):
        ran = recordfs(*words)
        assert ran.status == 1
        assert ran.err.startswith(f"recordfs: {live}: the compressed stream has no trailer")
        assert shown is None or ran.out == shown
    assert os.listdir(tmp_path / "files") == ["name"]
    ran = recordfs("export", sound, live, target)
    assert (ran.status, ran.out) == (1, "exported 2 records\n")
    assert "in one of 2 files" in ran.err
    assert recordfs("export", "-q", sound, target) == (0, "", "")
    assert recordfs("count", sound) == (0, "1\n", "")


def test_no_result_replaces_what_it_is_made_of(recordfs: Recordfs, tmp_path: Path) -> None:
    source, link = str(tmp_path / "source"), str(tmp_path / "link")
    with RecordWriter(source) as writer:
        writer.write(encode_example({"a": 1}))
    os.symlink("source", link)
    for words in (
        ["export", "--to", "jsonl", source, link],
        ["import", "--from", "jsonl", source, link],
        ["mmap-pack", source, f"x={link}"],
        ["mmap-pack", link, "--graph", source],
    ):
        ran = recordfs(*words)
        assert (ran.status, "which it is made of" in ran.err) == (2, True)
    assert recordfs("count", source) == (0, "1\n", "")


def test_what_is_wrong_in_a_file_is_no_wrong_usage(recordfs: Recordfs, tmp_path: Path) -> None:
    empty, text, target = (str(tmp_path / name) for name in ("empty.tfrecord", "text", "target"))
    for path in (empty, text):
        with open(path, "w") as file:
            file.write("" if path == empty else "no table")
    for words, path in (
        (["schema", empty], empty),
        (["export", "--to", "parquet", empty, target], empty),
        (["export", "--to", "npz", empty, target], empty),
        (["import", "--from", "parquet", text, target], text),
        (["import", "--from", "npz", text, target], text),
        (["import", "--from", "jsonl", text, target], text),
    ):
        ran = recordfs(*words)
        assert (ran.status, ran.err.startswith(f"recordfs: {path}: ")) == (1, True)
    assert recordfs("import", "--from", "npz", "--sequence", text, target).status == 2
