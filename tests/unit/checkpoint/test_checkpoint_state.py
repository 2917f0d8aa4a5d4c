"""The state file: protobuf's text format, and the names of tf.train that stand on it."""

import re
import threading

import pytest

from recordfs import get_file_system
from recordfs.checkpoint import (
    CheckpointManager,
    CheckpointState,
    checkpoint_exists,
    checkpoints_iterator,
    find_checkpoints,
    get_checkpoint_state,
    latest_checkpoint,
    load_checkpoint,
    load_variable,
    read_state,
    save_checkpoint,
    write_state,
)
from recordfs.checkpoint.state import format_state, parse_state
from recordfs.errors import DataLossError, InvalidArgumentError, NotFoundError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem


@pytest.mark.parametrize(
    ("text", "newest"),
    [
        ('model_checkpoint_path: "a"', "a"),
        ("model_checkpoint_path:'a'", "a"),
        ('  model_checkpoint_path : "a" ;', "a"),
        ('# a remark\nmodel_checkpoint_path: "a" # another\n', "a"),
        (r'model_checkpoint_path: "a\"b\\c\nd\x41\101é"', 'a"b\\c\ndAAé'),
        (r'model_checkpoint_path: "\303\251\u00e9"', "éé"),
        ('model_checkpoint_path: "old" model_checkpoint_path: "new"', "new"),
        ("model_checkpoint_path: 'a' \"b\"\n'c', other: 1", "abc"),
        ('unknown: 3 model_checkpoint_path: "a" other: NAME', "a"),
        ("", ""),
        ("# nothing\n", ""),
    ],
)
def test_text_is_read_as_protobuf_reads_it(text, newest):
    assert parse_state(text).model_checkpoint_path == newest


def test_lists_are_read_in_both_spellings():
    state = parse_state(
        'all_model_checkpoint_paths: ["a", "b"] all_model_checkpoint_paths: "c" '
        "all_model_checkpoint_timestamps: [1, 2.5e0, inf] last_preserved_timestamp: 7"
    )
    assert state == CheckpointState("", ("a", "b", "c"), (1.0, 2.5, float("inf")), 7.0)


@pytest.mark.parametrize(
    "text",
    [
        "model_checkpoint_path",
        "model_checkpoint_path:",
        "model_checkpoint_path: 3",
        'model_checkpoint_path: "open',
        'model_checkpoint_path: "two\nlines"',
        "model_checkpoint_path { }",
        '"a": "b"',
        "last_preserved_timestamp: soon",
        "\0",
        "@",
    ],
)
def test_text_that_is_no_state_is_data_loss_with_its_path(tmp_path, text):
    (tmp_path / "checkpoint").write_text(text)
    with pytest.raises(DataLossError) as caught:
        read_state(tmp_path)
    assert caught.value.path == str(tmp_path / "checkpoint")
    assert get_checkpoint_state(tmp_path) is None


@pytest.mark.parametrize("path", ["plain", 'with "quotes" and \\', "line\nbreak\ttab\x01", "é", "caf\udce9", "'"])
def test_every_path_comes_back(path):
    state = CheckpointState(path, (path, "other"))
    text = format_state(state)
    assert text.isascii()
    assert parse_state(text) == state


def test_directory_without_a_state_has_no_newest(tmp_path):
    assert get_checkpoint_state(tmp_path) is None
    assert latest_checkpoint(tmp_path) is None
    with pytest.raises(NotFoundError, match=r"no state file that leads to a checkpoint; .*checkpoint ls` list"):
        load_checkpoint(tmp_path)


def test_a_saved_model_is_told_where_its_checkpoint_is(tmp_path):
    prefix = save_checkpoint(tmp_path / "variables" / "variables", {"a": 1.0})
    with pytest.raises(NotFoundError, match=f"a SavedModel, whose checkpoint is {re.escape(prefix)}$"):
        load_checkpoint(tmp_path)


def test_state_without_a_newest_is_an_error(tmp_path):
    (tmp_path / "checkpoint").write_text("")
    with pytest.raises(InvalidArgumentError, match="model_checkpoint_path"):
        latest_checkpoint(tmp_path)


def test_newest_that_is_not_there_is_none(tmp_path):
    write_state(tmp_path, CheckpointState("gone"))
    assert latest_checkpoint(tmp_path) is None


def write_full_paths(directory, names, of):
    """Write a state file as TensorFlow 1 does."""
    lines = [f'model_checkpoint_path: "{of}/{names[-1]}"', *(f'all_model_checkpoint_paths: "{of}/{n}"' for n in names)]
    file_system = get_file_system(str(directory))
    with file_system.new_writable_file(f"{directory}/checkpoint") as file:
        file.append("\n".join(lines).encode())


@pytest.mark.parametrize("place", ["moved", "copied to a bucket"])
def test_full_paths_of_a_directory_that_is_elsewhere_now_are_found_in_it(tmp_path, place):
    directory = str(tmp_path / "moved") if place == "moved" else f"ram://bucket{tmp_path}/run"
    for name in ("model-1", "model-2"):
        save_checkpoint(f"{directory}/{name}", {"w": 1})
        if place != "moved":
            save_checkpoint(tmp_path / "run" / name, {"w": 2})
    write_full_paths(directory, ["model-1", "model-2"], of=tmp_path / "run")
    assert latest_checkpoint(directory) == f"{directory}/model-2"
    assert load_variable(directory, "w") == 1
    with CheckpointManager(directory, max_to_keep=2) as manager:
        assert manager.checkpoints == [f"{directory}/model-1", f"{directory}/model-2"]
        manager.save({"w": 3}, 3)
    assert not checkpoint_exists(f"{directory}/model-1")
    assert checkpoint_exists(tmp_path / "run" / "model-1") == (place != "moved")


def test_full_path_that_leads_to_a_checkpoint_wins_over_one_of_its_name_in_the_directory(tmp_path):
    for where in ("run", "copy"):
        save_checkpoint(tmp_path / where / "model-1", {"w": 1})
    write_full_paths(tmp_path / "copy", ["model-1"], of=tmp_path / "run")
    assert latest_checkpoint(tmp_path / "copy") == str(tmp_path / "run" / "model-1")


def test_state_file_may_have_another_name(tmp_path):
    prefix = save_checkpoint(tmp_path / "ckpt", {"w": 1})
    write_state(tmp_path, CheckpointState(prefix), name="other")
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path, "other") == prefix


def test_times_have_to_be_as_many_as_checkpoints(tmp_path):
    with pytest.raises(InvalidArgumentError, match="time"):
        write_state(tmp_path, CheckpointState("a", ("a", "b"), (1.0,)))


def test_scalars_are_loaded_as_numbers_and_bytes(tmp_path):
    save_checkpoint(tmp_path / "ckpt", {"number": 3, "word": b"x", "list": [1, 2]})
    assert load_variable(tmp_path / "ckpt", "number:0") == 3
    assert load_variable(tmp_path / "ckpt", "word") == b"x"
    assert load_variable(tmp_path / "ckpt", "list").tolist() == [1, 2]


def test_iterator_yields_what_is_there_and_ends_when_the_time_is_over(tmp_path):
    prefix = save_checkpoint(tmp_path / "ckpt", {"w": 1})
    write_state(tmp_path, CheckpointState(prefix))
    assert list(checkpoints_iterator(tmp_path, timeout=0)) == [prefix]


def test_iterator_waits_for_the_next_and_asks_whether_to_go_on(tmp_path):
    directory = f"ram://iterated{tmp_path}"
    asked = []

    def save(step):
        write_state(directory, CheckpointState(save_checkpoint(f"{directory}/ckpt-{step}", {"w": step})))

    def ended():
        asked.append(len(asked))
        if len(asked) == 1:
            threading.Thread(target=save, args=(2,)).start()
        return len(asked) > 1 and latest_checkpoint(directory).endswith("2")

    save(1)
    found = list(checkpoints_iterator(directory, timeout=0.05, timeout_fn=ended))
    assert found == [f"{directory}/ckpt-1", f"{directory}/ckpt-2"]


def test_checkpoint_is_whole_where_a_store_hides_the_sizes_of_files():
    class Hiding(WrapperFileSystem):
        def list_directory(self, path):
            for entry in super().list_directory(path):
                yield entry._replace(length=-1)

    system = Hiding(MemoryFileSystem())
    save_checkpoint("ram://hidden/ckpt", {"w": 1}, file_system=system)
    found = find_checkpoints("ram://hidden", file_system=system)
    assert [(one.prefix, one.condition, one.size) for one in found.checkpoints] == [("ram://hidden/ckpt", "whole", 0)]
    assert found.misnamed == []


@pytest.mark.parametrize("keywords", [{"timeout": float("nan")}, {"timeout": -1}, {"min_interval_secs": float("nan")}])
def test_iterator_refuses_times_that_are_none_before_it_is_used(tmp_path, keywords):
    with pytest.raises(InvalidArgumentError):
        checkpoints_iterator(tmp_path, **keywords)
