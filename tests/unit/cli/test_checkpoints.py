"""The commands for checkpoints."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointManager,
    CheckpointReader,
    CheckpointWriter,
    latest_checkpoint,
    save_checkpoint,
)
from recordfs.cli.commands.checkpoint_cat import parse_index

if TYPE_CHECKING:
    from pathlib import Path

    from support.command_line import Recordfs

KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def run(tmp_path: Path) -> str:
    """A directory with two steps."""
    directory = str(tmp_path / "run")
    manager = CheckpointManager(directory)
    for step in (1, 2):
        tensors = {"net/kernel": KERNEL * step, "net/step": np.int64(step), "net/word": b"a\xff"}
        manager.save(tensors, step, by_attribute=True)
        os.utime(f"{directory}/ckpt-{step}.index", ns=(step * 10**18, step * 10**18))
    return directory


def key(name: str) -> str:
    return f"{name}/.ATTRIBUTES/VARIABLE_VALUE"


def test_ls_tells_checkpoints_and_their_state(recordfs: Recordfs, run: str) -> None:
    ran = recordfs("checkpoint", "ls", run)
    assert ran.status == 0
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == [f"{run}/ckpt-1", f"{run}/ckpt-2"]
    assert [line.split("\t")[-1] for line in ran.out.splitlines()] == ["kept", "newest"]


def test_ls_tells_missing_data_and_missing_indexes(recordfs: Recordfs, run: str) -> None:
    os.unlink(f"{run}/ckpt-1.data-00000-of-00001")
    os.unlink(f"{run}/ckpt-2.index")
    ran = recordfs("checkpoint", "ls", "--json", run)
    assert ran.status == 1
    found = {one["prefix"].rpartition("/")[2]: one["state"] for one in map(json.loads, ran.out.splitlines())}
    assert found == {"ckpt-1": "DATA MISSING", "ckpt-2": "no index"}


def spoil(path: str, at: int = 20) -> None:
    """Change one byte of a file."""
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def test_ls_lists_no_file_that_is_only_called_like_an_index(recordfs: Recordfs, run: str) -> None:
    for name in ("faces.index", "empty.index", "large.index"):
        with open(f"{run}/{name}", "wb") as file:
            file.write(b"" if name == "empty.index" else b"IxFI" * 100)
            if name == "large.index":
                file.truncate(1 << 36)  # which nobody reads as a whole
    ran = recordfs("checkpoint", "ls", run)
    assert ran.status == 0
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == [f"{run}/ckpt-1", f"{run}/ckpt-2"]


@pytest.mark.parametrize("there", ["no text", "a directory"])
def test_ls_of_a_directory_without_a_sound_state_file_lists_and_fails(recordfs: Recordfs, run: str, there: str) -> None:
    os.unlink(f"{run}/checkpoint")
    if there == "a directory":
        os.mkdir(f"{run}/checkpoint")
    else:
        with open(f"{run}/checkpoint", "wb") as file:
            file.write(bytes(100))
    assert latest_checkpoint(run) is None
    ran = recordfs("checkpoint", "ls", run)
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == [f"{run}/ckpt-1", f"{run}/ckpt-2"]
    assert f"{run}/checkpoint" in ran.err
    assert ran.status == 1


def test_ls_of_a_checkpoint_says_what_lists_its_tensors(recordfs: Recordfs, run: str) -> None:
    ran = recordfs("checkpoint", "ls", f"{run}/ckpt-1")
    assert ran.status == 2
    assert "recordfs checkpoint show" in ran.err


def test_ls_looks_into_the_files(recordfs: Recordfs, run: str) -> None:
    spoil(f"{run}/ckpt-1.index")
    os.truncate(f"{run}/ckpt-2.data-00000-of-00001", 5)
    ran = recordfs("checkpoint", "ls", run)
    assert ran.status == 1
    assert [line.split("\t")[-1] for line in ran.out.splitlines()] == ["INDEX DAMAGED", "DATA CUT"]
    assert f"{run}/ckpt-1.index: " in ran.err


def test_prune_deletes_only_whole_checkpoints_and_counts_no_others(recordfs: Recordfs, run: str) -> None:
    for name in ("faces.index", "newer.index", "newer.data-00000-of-00001"):
        with open(f"{run}/{name}", "wb") as file:
            file.write(b"IxFI" * 100)
    save_checkpoint(f"{run}/ckpt-3", {"w": 1})
    os.unlink(f"{run}/ckpt-3.data-00000-of-00001")
    assert recordfs("checkpoint", "prune", "--keep", "1", run).out.split() == ["deleted", "checkpoint", f"{run}/ckpt-1"]
    left = {"faces.index", "newer.index", "newer.data-00000-of-00001", "ckpt-2.index", "ckpt-3.index"}
    assert left <= set(os.listdir(run))


def test_prune_refuses_an_age_that_is_no_number(recordfs: Recordfs, run: str) -> None:
    assert recordfs("checkpoint", "prune", "--older-than", "nan", run).status == 2


def test_show_prints_a_line_for_each_tensor(recordfs: Recordfs, run: str) -> None:
    ran = recordfs("checkpoint", "show", run, "net/*")
    assert ran.status == 0
    assert [line.split("\t")[:4] for line in ran.out.splitlines()] == [
        [key("net/kernel"), "float32", "[3, 4]", "48"],
        [key("net/step"), "int64", "[]", "8"],
        [key("net/word"), "string", "[]", "7"],
    ]


def test_show_prints_attribute_paths(recordfs: Recordfs, run: str) -> None:
    ran = recordfs("checkpoint", "show", "--attributes", "--json", f"{run}/ckpt-1")
    found = {one["name"]: one["attribute"] for one in map(json.loads, ran.out.splitlines())}
    assert found[key("net/kernel")] == "net/kernel"
    assert found["_CHECKPOINTABLE_OBJECT_GRAPH"] is None


def test_show_of_nothing_that_matches_fails(recordfs: Recordfs, run: str) -> None:
    assert recordfs("checkpoint", "show", run, "other*").status == 1


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["net/kernel"], "0.0 2.0 4.0 6.0\n8.0 10.0 12.0 14.0\n16.0 18.0 20.0 22.0\n"),
        (["net/kernel", "--slice", "1:, ::3"], "8.0 14.0\n16.0 22.0\n"),
        (["net/kernel", "--slice", "-1"], "16.0 18.0 20.0 22.0\n"),
        (["net/kernel", "--json", "--slice", "..., 0"], "[0.0, 8.0, 16.0]\n"),
        (["net/step"], "2\n"),
        (["net/word"], "a\\xff\n"),
        (["net/word", "--json"], '{"base64": "Yf8="}\n'),
    ],
)
def test_cat_prints_a_tensor(recordfs: Recordfs, run: str, words: list[str], out: str) -> None:
    ran = recordfs("checkpoint", "cat", run, key(words[0]), *words[1:])
    assert (ran.status, ran.out) == (0, out)


def test_cat_writes_what_numpy_loads(run: str, tmp_path: Path) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "recordfs.cli", "checkpoint", "cat", "--format", "npy", run, key("net/kernel")]
    (tmp_path / "kernel.npy").write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    assert (np.load(tmp_path / "kernel.npy") == 2 * KERNEL).all()


@pytest.mark.parametrize("text", ["", "a", "1.5", "1:'b'", "x[0]", "1)(", "True", "None"])
def test_cat_refuses_what_is_no_index(recordfs: Recordfs, run: str, text: str) -> None:
    assert recordfs("checkpoint", "cat", run, key("net/kernel"), "--slice", text).status == 2


def test_index_is_read_as_numpy_writes_it() -> None:
    assert parse_index("1:2, -3, ..., ::-1") == np.s_[1:2, -3, ..., ::-1]


def test_verify_names_each_broken_tensor(recordfs: Recordfs, run: str) -> None:
    assert recordfs("checkpoint", "verify", run, f"{run}/ckpt-1").status == 0
    path = f"{run}/ckpt-2.data-00000-of-00001"
    with open(path, "r+b") as file:
        file.write(b"\x01")
        file.seek(50)
        file.write(b"\x07")
    ran = recordfs("checkpoint", "verify", f"{run}/ckpt-1", run)
    assert ran.status == 1
    assert "ckpt-1: ok, 5 tensors" in ran.out
    assert "ckpt-2: BROKEN" in ran.out
    assert key("net/kernel") in ran.out
    assert key("net/step") in ran.out
    assert key("net/word") not in ran.out
    broken = json.loads(recordfs("checkpoint", "verify", "--json", run).out)["broken"]
    assert [one["name"] for one in broken] == [key("net/kernel"), key("net/step")]
    assert broken[0]["path"] == path


def test_verify_of_what_is_not_there_fails(recordfs: Recordfs, run: str) -> None:
    os.unlink(f"{run}/ckpt-2.data-00000-of-00001")
    ran = recordfs("checkpoint", "verify", f"{run}/nothing", run)
    assert ran.status == 1
    assert "nothing" in ran.err
    assert ran.out.count("data-00000-of-00001") == 5


def test_diff_tells_in_what_two_differ(recordfs: Recordfs, run: str) -> None:
    assert recordfs("checkpoint", "diff", run, f"{run}/ckpt-2").status == 0
    ran = recordfs("checkpoint", "diff", f"{run}/ckpt-1", run)
    assert ran.status == 1
    assert [line.split("\t") for line in ran.out.splitlines()] == [
        [key("net/kernel"), "values", "11", "11", "0.5"],
        [key("net/step"), "values", "1", "1", "0.5"],
    ]
    assert recordfs("checkpoint", "diff", "--tolerance", "11", f"{run}/ckpt-1", run).status == 0


def test_diff_tells_names_types_shapes_and_numbers_that_are_none(recordfs: Recordfs, tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    first = {"a": 1, "type": np.int32(1), "shape": [1, 2], "same": [nan, 1.0], "far": [1.0, 2.0], "word": b"x"}
    second = {"b": 1, "type": np.int64(1), "shape": [1, 2, 3], "same": [nan, 1.0], "far": [inf, 2.0], "word": b"y"}
    save_checkpoint(tmp_path / "first", first)
    save_checkpoint(tmp_path / "second", second)
    ran = recordfs("checkpoint", "diff", "--json", f"{tmp_path}/first", f"{tmp_path}/second")
    found = {one["name"]: one for one in map(json.loads, ran.out.splitlines())}
    kinds = {name: one["kind"] for name, one in found.items()}
    assert kinds == {
        "a": "first only",
        "b": "second only",
        "type": "type",
        "shape": "shape",
        "far": "values",
        "word": "values",
    }
    assert found["far"]["largest"] == "inf"
    assert found["word"]["elements"] == 1


@pytest.mark.parametrize("middle", ["weights.safetensors", "weights.npz", "ckpt-9"])
def test_convert_there_and_back_gives_the_same(recordfs: Recordfs, run: str, tmp_path: Path, middle: str) -> None:
    for extra, back in (([], "by-name"), (["--attributes"], "by-attribute")):
        there = f"{tmp_path}/{back}-{middle}"
        ran = recordfs("checkpoint", "convert", run, there, *extra)
        assert ran.status == 0, ran.err
        assert "5 tensors" in ran.out or extra
        assert recordfs("checkpoint", "convert", there, f"{tmp_path}/{back}", *extra).status == 0
        ran = recordfs("checkpoint", "diff", run, f"{tmp_path}/{back}")
        assert (ran.status, ran.out) == (0, "")


def test_convert_renames_by_patterns_and_by_a_map(recordfs: Recordfs, run: str, tmp_path: Path) -> None:
    words = ["--rename", "/.ATTRIBUTES/.*=", "--rename", "^net/(.*)=\\1"]
    assert recordfs("checkpoint", "convert", run, f"{tmp_path}/renamed.npz", *words).status == 0
    assert np.load(tmp_path / "renamed.npz")["kernel"].tolist() == (2 * KERNEL).tolist()
    (tmp_path / "map.json").write_text(json.dumps({"kernel": "weight", "step": None, "word": None}))
    ran = recordfs(
        *("checkpoint", "convert", f"{tmp_path}/renamed.npz", f"{tmp_path}/mapped", "--names", f"{tmp_path}/map.json")
    )
    assert "left out" in ran.out
    with CheckpointReader(tmp_path / "mapped") as reader:
        assert list(reader) == ["_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter", "weight"]


def test_convert_refuses_to_replace_unless_asked(recordfs: Recordfs, run: str, tmp_path: Path) -> None:
    for target in (f"{tmp_path}/a.npz", f"{tmp_path}/a.safetensors", f"{tmp_path}/a"):
        assert recordfs("checkpoint", "convert", run, target).status == 0
        assert recordfs("checkpoint", "convert", run, target).status == 1
        assert recordfs("checkpoint", "convert", run, target, "--overwrite").status == 0


def test_merge_makes_one_of_several(recordfs: Recordfs, tmp_path: Path) -> None:
    for number in range(3):
        save_checkpoint(tmp_path / f"part-{number}", {f"t{number}": number})
    ran = recordfs("checkpoint", "merge", *(f"{tmp_path}/part-{n}" for n in range(3)), f"{tmp_path}/whole")
    assert (ran.status, ran.out) == (0, "merged 3 tensors in 3 data files\n")
    assert {name.split(".")[0] for name in os.listdir(tmp_path)} == {"whole"}


def test_prune_keeps_the_newest_and_forgets_the_others(recordfs: Recordfs, run: str) -> None:
    with CheckpointWriter(f"{run}/unfinished") as writer:
        writer.add("w", 1)
    os.unlink(f"{run}/unfinished.index")
    os.mkdir(f"{run}/ckpt-3_temp")
    words = ["checkpoint", "prune", "--keep", "1", "--older-than", "0", run]
    before = sorted(os.listdir(run))
    assert recordfs(*words, "--dry-run").out.count("would delete") == 3
    assert sorted(os.listdir(run)) == before
    assert recordfs(*words).out.count("deleted") == 3
    assert sorted(os.listdir(run)) == ["checkpoint", "ckpt-2.data-00000-of-00001", "ckpt-2.index"]
    assert CheckpointManager(run).checkpoints == [f"{run}/ckpt-2"]


def test_prune_leaves_what_is_new_alone(recordfs: Recordfs, run: str) -> None:
    os.unlink(f"{run}/ckpt-1.index")
    assert recordfs("checkpoint", "prune", run).out == ""
    assert os.path.exists(f"{run}/ckpt-1.data-00000-of-00001")


def test_family_prints_its_commands(recordfs: Recordfs) -> None:
    ran = recordfs("checkpoint", "--help")
    assert ran.status == 0
    assert "verify" in ran.out
    assert recordfs("checkpoint").status == 2
    assert "'checkpoint verify'" in recordfs("checkpoint", "verfy").err
    assert recordfs("help", "checkpoint", "verify").out.startswith("usage: recordfs checkpoint verify")
