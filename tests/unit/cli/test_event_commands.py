"""recordfs events and recordfs spool, as a person calls them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pyarrow.parquet
import pytest

from recordfs import RecordReader
from recordfs.cli.curves import draw_curve
from recordfs.events import EventFileWriter, columns
from recordfs.events.stored_index import stored_index_path
from support.event_files import WALL, scalar, training_events, write_events

if TYPE_CHECKING:
    from pathlib import Path

    from support.command_line import Recordfs


@pytest.fixture
def logs(tmp_path: Path) -> str:
    write_events(tmp_path / "logs" / "one", [scalar("loss", 1 / (1 + step), step) for step in range(20)])
    write_events(tmp_path / "logs" / "two", [scalar("loss", 0.5, 3), scalar("accuracy", 0.75, 3)])
    return str(tmp_path / "logs")


def damage(directory: Path) -> None:
    (path,) = directory.iterdir()
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)


def test_ls_shows_each_tag_with_its_last_point(recordfs: Recordfs, logs: str) -> None:
    ran = recordfs("events", "ls", logs)
    assert ran.status == 0
    assert ran.out.splitlines() == [
        "one\tloss\tscalar\t20\t19\t0.05\t2023-11-14 22:13:39Z",
        "two\tloss\tscalar\t1\t3\t0.5\t2023-11-14 22:13:23Z",
        "two\taccuracy\tscalar\t1\t3\t0.75\t2023-11-14 22:13:23Z",
    ]
    rows = [json.loads(line) for line in recordfs("events", "ls", "--json", logs).out.splitlines()]
    assert rows[2] == {
        "logdir": logs,
        "run": "two",
        "tag": "accuracy",
        "kind": "scalar",
        "points": 1,
        "last_step": 3,
        "last_value": 0.75,
        "last_wall_time": WALL + 3,
        "max_step": 3,
    }


def test_a_run_in_a_folder_that_is_named_like_a_bucket_is_told(recordfs: Recordfs, tmp_path: Path) -> None:
    write_events(tmp_path / "recordfs+s3:" / "bucket" / "run", [scalar("loss", 0.5, 3)])
    for action in ("ls", "show"):
        ran = recordfs("events", action, str(tmp_path))
        assert ran.status == 0
        assert ran.err.count("took s3://bucket/run for a local path") == 1


def test_what_is_not_there_is_an_error(recordfs: Recordfs, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for action in ("ls", "show", "tail", "index"):
        ran = recordfs("events", action, str(tmp_path / "no"))
        assert (ran.status, f"{tmp_path}/no" in ran.err) == (1, True)
        ran = recordfs("events", action, str(tmp_path / "empty"))
        assert (ran.status, "no event file" in ran.err) == (1, True)


def test_damage_is_told_and_makes_the_status_1_and_the_rest_is_shown(
    recordfs: Recordfs, logs: str, tmp_path: Path
) -> None:
    damage(tmp_path / "logs" / "one")
    for action in ("ls", "show"):
        ran = recordfs("events", action, logs)
        assert ran.status == 1
        assert "one/events.out.tfevents" in ran.err
        assert "corrupt record" in ran.err
        assert "accuracy" in ran.out


def test_show_prints_values_one_by_one(recordfs: Recordfs, logs: str) -> None:
    lines = recordfs("events", "show", "--tag", "loss", "-n", "2", logs).out.splitlines()
    assert lines == [
        f"one\t0\t{WALL:.6f}\tloss\tsimple_value\t1",
        f"one\t1\t{WALL + 1:.6f}\tloss\tsimple_value\t0.5",
        f"two\t3\t{WALL + 3:.6f}\tloss\tsimple_value\t0.5",
    ]
    rows = [json.loads(line) for line in recordfs("events", "show", "--json", logs + "/two").out.splitlines()]
    assert [row["tag"] for row in rows] == ["", "loss", "accuracy"]
    assert rows[2]["value"] == 0.75


def test_show_of_a_tag_that_no_run_has_says_so(recordfs: Recordfs, logs: str) -> None:
    ran = recordfs("events", "show", "--tag", "los", logs)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        f"recordfs: there is no value of the tag 'los'; `recordfs events ls {logs}` lists what there is\n"
    )


def test_a_name_makes_no_row_or_cell_of_its_own(recordfs: Recordfs, tmp_path: Path) -> None:
    with EventFileWriter(tmp_path / "run") as writer:
        writer.add_event(scalar("a\tb\nc\x1b[31m", 1.0, 0))
    (line,) = recordfs("events", "ls", str(tmp_path / "run")).out.splitlines()
    assert line.split("\t")[1:3] == ["a\\tb\\nc\\x1b[31m", "scalar"]
    lines = recordfs("events", "show", str(tmp_path / "run")).out.splitlines()
    assert [row.split("\t")[3] for row in lines] == ["", "a\\tb\\nc\\x1b[31m"]


@pytest.mark.parametrize(("number", "shown"), [("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")])
def test_a_number_that_is_not_finite_is_a_string_in_json(
    recordfs: Recordfs, tmp_path: Path, number: str, shown: str
) -> None:
    with EventFileWriter(tmp_path / "run") as writer:
        writer.add_event(scalar("a", float(number), 0))
    (row,) = recordfs("events", "ls", "--json", str(tmp_path / "run")).out.splitlines()
    assert json.loads(row)["last_value"] == shown
    _, row = recordfs("events", "show", "--json", str(tmp_path / "run")).out.splitlines()
    assert json.loads(row)["value"] == shown
    assert recordfs("events", "export", str(tmp_path / "run"), str(tmp_path / "t.jsonl")).status == 0
    assert json.loads((tmp_path / "t.jsonl").read_text())["value"] == shown


def test_tail_shows_the_values_of_the_last_file_until_no_more_come(recordfs: Recordfs, logs: str) -> None:
    ran = recordfs("events", "tail", "--timeout", "0.1", logs + "/two")
    assert [line.split("\t")[3] for line in ran.out.splitlines()] == ["loss", "accuracy"]
    ran = recordfs("events", "tail", "--timeout", "0.1", logs)
    assert (ran.status, "the directory of one run" in ran.err) == (1, True)


def test_plot_draws_a_curve_with_its_edges(recordfs: Recordfs, logs: str) -> None:
    ran = recordfs("events", "plot", logs + "/one", "loss", "--width", "40", "--height", "6")
    lines = ran.out.splitlines()
    assert lines[0] == "loss, run .: 20 points"
    assert len(lines) == 7
    assert lines[1].lstrip().startswith("1 ")
    assert lines[5].startswith("0.05 ")
    assert lines[6].split() == ["0", "19"]
    assert max(len(line) for line in lines) <= 40
    ran = recordfs("events", "plot", logs, "loss", "nothing")
    assert (ran.status, "no run has the scalar 'nothing'" in ran.err) == (1, True)


def test_plot_gives_the_points_of_each_curve_as_json(recordfs: Recordfs, logs: str) -> None:
    ran = recordfs("events", "plot", "--json", logs, "loss", "accuracy")
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert [(curve["run"], curve["tag"]) for curve in found] == [("one", "loss"), ("two", "loss"), ("two", "accuracy")]
    assert found[0]["step"] == list(range(20))
    assert found[2] == {
        "logdir": logs,
        "run": "two",
        "tag": "accuracy",
        "step": [3],
        "wall_time": [WALL + 3],
        "value": [0.75],
    }
    ran = recordfs("events", "plot", "--json", logs, "nothing")
    assert (ran.status, ran.out) == (1, "")


def test_a_curve_shows_its_spikes_and_leaves_out_what_is_not_finite() -> None:
    values = [0.0] * 1000
    values[500] = 9.0
    lines = draw_curve(range(1000), values, 30, 5)
    assert lines[0].strip(" ⠀") != "9", "the spike reaches the top"
    assert draw_curve([1], [math.nan], 30, 5) == ["no finite value"]
    assert draw_curve([3], [2.0], 30, 5)[0].startswith("2 ")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_export_writes_one_table_of_all_runs(recordfs: Recordfs, logs: str, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"table.{ending}"
    ran = recordfs("events", "export", logs, str(target), "--tag", "accuracy", "--tag", "loss")
    assert (ran.status, ran.out) == (0, "exported 22 points of 2 runs\n")
    if ending == "parquet":
        rows = pyarrow.parquet.read_table(target).to_pylist()
        assert rows[-1] == {"run": "two", "tag": "accuracy", "step": 3, "wall_time": WALL + 3, "value": 0.75}
    elif ending == "jsonl":
        assert json.loads(target.read_text().splitlines()[-1])["value"] == 0.75
    else:
        lines = target.read_text().splitlines()
        assert (lines[0], lines[-1]) == ("run,tag,step,wall_time,value", f"two,accuracy,3,{WALL + 3},0.75")


def test_export_refuses_a_format_it_has_not_before_it_writes(recordfs: Recordfs, logs: str, tmp_path: Path) -> None:
    ran = recordfs("events", "export", logs, str(tmp_path / "table.xls"))
    assert (ran.status, "csv, jsonl, parquet" in ran.err) == (2, True)
    assert not (tmp_path / "table.xls").exists()


def test_tensorboard_does_not_begin_on_a_directory_that_nothing_serves(recordfs: Recordfs, logs: str) -> None:
    ran = recordfs("tensorboard", logs, "nosuch://x")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("recordfs: no filesystem is registered for nosuch://")


def test_commands_for_records_take_the_index_beside_an_event_file_for_none(recordfs: Recordfs, tmp_path: Path) -> None:
    path = write_events(tmp_path / "run", training_events(), index=False)
    assert recordfs("events", "index", str(tmp_path / "run")).status == 0
    index = str(tmp_path / "run" / stored_index_path(path).rpartition("/")[2])
    assert recordfs("verify", "-q", str(tmp_path / "run" / "*"), path, index) == (0, "", "")
    assert len(list(RecordReader(str(tmp_path / "run" / "*")))) == len(list(RecordReader(path)))
    assert recordfs("verify", index).status == 1, "one that is meant alone is looked at"


def test_index_makes_what_a_file_lacks(recordfs: Recordfs, tmp_path: Path) -> None:
    path = write_events(tmp_path / "run", training_events(), index=False)
    ran = recordfs("events", "index", str(tmp_path / "run"))
    assert ran.status == 0
    assert f"{path}: indexed" in ran.out
    (tmp_path / "run" / stored_index_path(path).rpartition("/")[2]).stat()
    assert "has an index" in recordfs("events", "index", str(tmp_path / "run")).out
    damage_file = write_events(tmp_path / "bad", training_events(), index=False)
    with open(damage_file, "r+b") as file:
        file.seek(100)
        file.write(b"\xff\xff")
    ran = recordfs("events", "index", str(tmp_path / "bad"))
    assert (ran.status, "an index would hide" in ran.err) == (1, True)


def test_other_commands_say_which_command_reads_event_files(recordfs: Recordfs, logs: str, tmp_path: Path) -> None:
    (path,) = (tmp_path / "logs" / "two").iterdir()
    for words in (
        ["schema", str(path)],
        ["export", str(path), str(tmp_path / "x.jsonl")],
        ["export", str(path), str(tmp_path / "x.csv")],
        ["head", "--example", str(path)],
    ):
        ran = recordfs(*words)
        assert ran.status != 0
        assert "recordfs events" in ran.err, words


def test_spool_resume_uploads_what_is_left(recordfs: Recordfs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDFS_SPOOL_DIR", str(tmp_path / "spools"))
    assert recordfs("spool", "resume").out == ""
    writer = EventFileWriter(tmp_path / "run", policy="spool")
    writer.add_event(scalar("a", 1.0, 1))
    writer.flush()
    (image,) = (tmp_path / "spools").glob("*.image")
    # What a process that died leaves: nobody has it locked.
    content, note = image.read_bytes(), image.with_suffix(".json").read_text()
    writer.close()
    (event_file,) = (tmp_path / "run").iterdir()
    event_file.unlink()
    image.write_bytes(content)
    image.with_suffix(".json").write_text(note)
    ran = recordfs("spool", "resume")
    assert (ran.status, "uploaded" in ran.out) == (0, True)
    assert columns(tmp_path / "run")["a"].step.tolist() == [1]
    image.write_bytes(content)
    image.with_suffix(".json").write_text("not a note")
    ran = recordfs("spool", "resume")
    assert (ran.status, "note of a spool cannot be read" in ran.err) == (2, True)
