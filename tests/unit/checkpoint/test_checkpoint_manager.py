"""Which checkpoints a manager keeps, what the state file says, and saving in the background."""

import json
import shutil
import threading
import warnings

import numpy as np
import pytest

from recordfs import get_file_system
from recordfs.checkpoint import (
    CheckpointManager,
    CheckpointReader,
    CheckpointState,
    checkpoint_exists,
    delete_checkpoint,
    latest_checkpoint,
    read_state,
    save_async,
    save_checkpoint,
    write_state,
)
from recordfs.checkpoint import manager as manager_module
from recordfs.cli import main
from recordfs.errors import (
    AlreadyExistsError,
    DataLossError,
    DeadlineExceededError,
    InvalidArgumentError,
    PermissionDeniedError,
)
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.testing.faulty import FaultyFileSystem


@pytest.fixture
def directory(directory):
    """One that is not there yet."""
    return f"{directory}/run"


@pytest.fixture
def clock(monkeypatch):
    """The time that managers see, in hours."""

    class Clock:
        hours = 1000.0

        def time(self):
            return self.hours * 3600

    clock = Clock()
    monkeypatch.setattr(manager_module, "time", clock)
    return clock


def steps(manager):
    return [int(prefix.rpartition("-")[2]) for prefix in manager.checkpoints]


def steps_on_disk(directory):
    names = get_file_system(directory).get_children(directory)
    return sorted(int(name.removesuffix(".index").rpartition("-")[2]) for name in names if name.endswith(".index"))


def test_newest_are_kept_and_the_others_deleted_with_all_their_files(directory):
    manager = CheckpointManager(directory, max_to_keep=2)
    for step in range(4):
        assert manager.save({"w": step}, step) == f"{directory}/ckpt-{step}"
    assert steps(manager) == steps_on_disk(directory) == [2, 3]
    assert manager.latest_checkpoint == latest_checkpoint(directory) == f"{directory}/ckpt-3"
    assert sorted(get_file_system(directory).get_children(directory)) == [
        "checkpoint",
        "ckpt-2.data-00000-of-00001",
        "ckpt-2.index",
        "ckpt-3.data-00000-of-00001",
        "ckpt-3.index",
    ]


def test_directory_without_checkpoints_has_no_newest(directory):
    manager = CheckpointManager(directory)
    assert manager.latest_checkpoint is None
    assert manager.best_checkpoint is None
    assert manager.checkpoints == []


def test_next_manager_goes_on_where_the_last_left_off(directory):
    CheckpointManager(directory, max_to_keep=2).save({"w": 1}, 1)
    manager = CheckpointManager(directory, max_to_keep=2)
    manager.save({"w": 2}, 2)
    manager.save({"w": 3}, 3)
    assert steps(manager) == steps_on_disk(directory) == [2, 3]


def test_one_of_each_so_many_hours_stays_for_good(directory, clock):
    manager = CheckpointManager(directory, max_to_keep=1, keep_every_n_hours=2)
    for step in range(6):
        clock.hours += 1
        manager.save({"w": step}, step)
    assert steps(manager) == [5]
    assert steps_on_disk(directory) == [1, 3, 5]


@pytest.mark.parametrize(("mode", "kept"), [("max", [1, 3, 4]), ("min", [0, 2, 4])])
def test_best_by_a_metric_are_kept_and_the_newest(directory, mode, kept):
    manager = CheckpointManager(directory, max_to_keep=3, best="accuracy", mode=mode)
    for step, accuracy in enumerate([0.1, 0.8, 0.2, 0.9, 0.5]):
        manager.save({"w": step}, step, metrics={"accuracy": accuracy})
    assert steps(manager) == steps_on_disk(directory) == kept
    assert manager.best_checkpoint == f"{directory}/ckpt-{3 if mode == 'max' else 0}"
    again = CheckpointManager(directory, best="accuracy", mode=mode)
    assert again.best_checkpoint == manager.best_checkpoint
    assert again.metrics(again.latest_checkpoint) == {"accuracy": 0.5}


def test_checkpoint_without_the_metric_goes_first(directory):
    manager = CheckpointManager(directory, max_to_keep=2, best="loss", mode="min")
    manager.save({"w": 0}, 0, metrics={"loss": 5.0})
    manager.save({"w": 1}, 1)
    manager.save({"w": 2}, 2, metrics={"loss": float("nan")})
    assert steps(manager) == [0, 2]


def test_state_names_no_checkpoint_that_is_being_deleted():
    file_system = FaultyFileSystem(MemoryFileSystem())
    manager = CheckpointManager("ram://kept/run", max_to_keep=1, file_system=file_system)
    manager.save({"w": 0}, 0)
    file_system.fail("delete_file", error=PermissionDeniedError("no"))
    with pytest.raises(PermissionDeniedError) as caught:
        manager.save({"w": 1}, 1)
    assert "ckpt-1' is saved" in caught.value.__notes__[0]
    state = read_state("ram://kept/run", file_system=file_system)
    assert state.all_model_checkpoint_paths == ("ram://kept/run/ckpt-1",)
    manager.save({"w": 2}, 2)
    assert not checkpoint_exists("ram://kept/run/ckpt-0", file_system=file_system)


def test_step_that_is_there_is_refused_and_replaced_on_request(directory):
    manager = CheckpointManager(directory)
    manager.save({"w": 1}, 1)
    with pytest.raises(AlreadyExistsError):
        manager.save({"w": 2}, 1)
    manager.save({"w": 2}, 1, overwrite=True)
    assert steps(manager) == [1]
    assert CheckpointReader(manager.latest_checkpoint)["w"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_to_keep": 0},
        {"keep_every_n_hours": float("nan")},
        {"keep_every_n_hours": float("inf")},
        {"keep_every_n_hours": -1},
        {"keep_every_n_hours": "2"},
        {"mode": "best"},
        {"checkpoint_name": "a/b"},
        {"checkpoint_name": ""},
    ],
)
def test_arguments_that_can_never_be_right_are_refused(directory, arguments):
    with pytest.raises(InvalidArgumentError):
        CheckpointManager(directory, **arguments)


@pytest.mark.parametrize("number", [1.5, True])
def test_number_of_checkpoints_to_keep_is_a_whole_number(directory, number):
    with pytest.raises(TypeError, match="max_to_keep"):
        CheckpointManager(directory, max_to_keep=number)


@pytest.mark.parametrize(
    ("step", "error"),
    [(-1, InvalidArgumentError), *((step, TypeError) for step in (1.0, True, np.True_, "1", None, np.float64(1), [1]))],
)
def test_step_that_is_no_whole_number_is_refused_before_anything_is_saved(directory, step, error):
    with CheckpointManager(directory) as manager:
        manager.save({"w": 1}, np.int64(7))
        for save in (manager.save, manager.save_async):
            with pytest.raises(error, match="step"):
                save({"w": 2}, step)
        assert manager.checkpoints == [f"{directory}/ckpt-7"]
        assert steps_on_disk(directory) == [7]


@pytest.mark.parametrize("how", ["pruned", "deleted"])
def test_checkpoint_that_somebody_else_deleted_leaves_the_state_at_the_next_save(directory, how):
    manager = CheckpointManager(directory, best="loss", mode="min")
    for step in range(4):
        manager.save({"w": step}, step, metrics={"loss": step})
    if how == "pruned":
        assert main(["checkpoint", "prune", "--keep", "1", directory]) == 0
    else:
        for step in range(3):
            delete_checkpoint(f"{directory}/ckpt-{step}")
    manager.save({"w": 4}, 4, metrics={"loss": 4})
    assert steps(manager) == steps_on_disk(directory) == [3, 4]
    assert manager.best_checkpoint == f"{directory}/ckpt-3"
    assert read_state(directory).all_model_checkpoint_paths == (f"{directory}/ckpt-3", f"{directory}/ckpt-4")
    assert manager.metrics(f"{directory}/ckpt-0") == {}


def test_metrics_that_are_not_finite_come_back_from_a_file_that_is_json(directory):
    manager = CheckpointManager(directory, best="loss")
    for step, loss in enumerate([float("nan"), float("inf"), -float("inf")]):
        manager.save({"w": step}, step, metrics={"loss": loss})
    with get_file_system(directory).new_random_access_file(f"{directory}/checkpoint_metrics.json") as file:
        stored = json.loads(file.read(0, 1000), parse_constant=pytest.fail)
    assert stored == {"ckpt-0": {"loss": "nan"}, "ckpt-1": {"loss": "inf"}, "ckpt-2": {"loss": "-inf"}}
    again = CheckpointManager(directory, best="loss")
    assert again.best_checkpoint == f"{directory}/ckpt-1"
    assert again.metrics(f"{directory}/ckpt-2") == {"loss": -float("inf")}


@pytest.mark.parametrize("value", [None, "good", [1.0], 10**400])
def test_metric_that_is_no_number_is_refused_before_anything_is_saved(directory, value):
    with CheckpointManager(directory) as manager:
        manager.save({"w": 1}, 1, metrics={"loss": np.float32(0.5)})
        for save in (manager.save, manager.save_async):
            with pytest.raises(InvalidArgumentError, match="'loss'"):
                save({"w": 2}, 2, metrics={"loss": value})
        manager.wait()
        assert steps(manager) == [1]
    assert steps_on_disk(directory) == [1]


def test_metrics_that_are_none_are_reported(directory):
    CheckpointManager(directory).save({"w": 1}, 1, metrics={"loss": 1})
    path = f"{directory}/checkpoint_metrics.json"
    file_system = get_file_system(directory)
    with file_system.new_writable_file(path) as file:
        file.append(json.dumps([1]).encode())
    with pytest.raises(DataLossError, match="metrics"):
        CheckpointManager(directory)


def test_tensors_may_be_changed_while_they_are_saved_in_the_background(directory):
    tensors = {"large": np.ones(3_000_000, np.float32), "words": np.array([b"a"], object), "fortran": np.ones((9, 9)).T}
    with CheckpointManager(directory) as manager:
        for step in range(3):
            pending = manager.save_async(tensors, step)
            tensors["large"] += 1
            tensors["words"][0] += b"b"
        assert pending.result() == f"{directory}/ckpt-2"
        assert pending.done()
    for step in range(3):
        with CheckpointReader(f"{directory}/ckpt-{step}") as reader:
            assert (reader["large"] == step + 1).all()
            assert reader["words"].tolist() == [b"a" + b"b" * step]


def test_error_in_the_background_comes_out_of_result(directory):
    save_checkpoint(f"{directory}/ckpt-1", {"w": 1})
    pending = save_async(f"{directory}/ckpt-1", {"w": 2})
    with pytest.raises(AlreadyExistsError):
        pending.result()


def test_error_in_the_background_comes_out_of_the_next_save_of_the_manager(directory):
    manager = CheckpointManager(directory)
    manager.save({"w": 1}, 1)
    manager.save_async({"w": 2}, 1)
    with pytest.raises(AlreadyExistsError):
        manager.save_async({"w": 3}, 3)
    manager.save_async({"w": 3}, 3).result()
    assert steps(manager) == [1, 3]


def test_error_that_was_asked_for_is_raised_once(directory):
    manager = CheckpointManager(directory)
    manager.save({"w": 1}, 1)
    with pytest.raises(AlreadyExistsError):
        manager.save_async({"w": 2}, 1).result()
    manager.save({"w": 3}, 3)


def test_error_that_nobody_asked_for_is_a_warning(directory):
    save_checkpoint(f"{directory}/ckpt-1", {"w": 1})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pending = save_async(f"{directory}/ckpt-1", {"w": 2})
        pending._thread.join()
        del pending
    assert "was not saved" in str(caught[0].message)


def test_waiting_ends_when_the_time_is_over():
    entered, go_on = threading.Event(), threading.Event()

    class Slow(MemoryFileSystem):
        def new_writable_file(self, path, **keywords):
            entered.set()
            go_on.wait()
            return super().new_writable_file(path, **keywords)

    pending = save_async("ram://slow/ckpt", {"w": 1}, file_system=Slow())
    entered.wait()
    with pytest.raises(DeadlineExceededError):
        pending.result(timeout=0.01)
    assert not pending.done()
    go_on.set()
    assert pending.result() == "ram://slow/ckpt"


def test_state_of_another_directory_is_stored_relative_and_absolute_paths_stay(directory):
    state = CheckpointState(f"{directory}/ckpt-2", (f"{directory}/ckpt-1", f"{directory}/ckpt-2"), (1.5, 2.5), 1.0)
    get_file_system(directory).recursively_create_dir(directory)
    write_state(directory, state)
    with get_file_system(directory).new_random_access_file(f"{directory}/checkpoint") as file:
        text = file.read(0, 1000).decode()
    assert text == (
        'model_checkpoint_path: "ckpt-2"\n'
        'all_model_checkpoint_paths: "ckpt-1"\n'
        'all_model_checkpoint_paths: "ckpt-2"\n'
        "all_model_checkpoint_timestamps: 1.5\n"
        "all_model_checkpoint_timestamps: 2.5\n"
        "last_preserved_timestamp: 1.0\n"
    )
    assert read_state(directory) == state


@pytest.fixture
def run(tmp_path):
    """A directory with three checkpoints and a state file that a test may change."""
    with CheckpointManager(tmp_path / "run") as manager:
        for step in range(3):
            manager.save({"w": step}, step)
    return tmp_path / "run"


def test_manager_of_a_copied_run_deletes_nothing_of_the_original(run, tmp_path):
    state = (run / "checkpoint").read_text()
    (run / "checkpoint").write_text(state.replace('"ckpt', f'"{run}/ckpt'))  # as TensorFlow may write it
    shutil.copytree(run, tmp_path / "copy")
    with CheckpointManager(tmp_path / "copy", max_to_keep=1) as manager:
        with pytest.warns(RuntimeWarning, match="of other directories.*run/ckpt-0"):
            manager.save({"w": 9}, 9)
        assert steps(manager) == [9]
    assert steps_on_disk(str(run)) == [0, 1, 2]
    assert latest_checkpoint(tmp_path / "copy") == f"{tmp_path}/copy/ckpt-9"


@pytest.mark.parametrize("name", ["../other/ckpt-9", "below/ckpt-9", "{0}/other/ckpt-9"])
def test_manager_deletes_only_what_lies_in_its_directory(run, tmp_path, name):
    victim = save_checkpoint(run / name.format(tmp_path), {"w": 9})
    (run / "checkpoint").write_text(
        f'model_checkpoint_path: "ckpt-2"\nall_model_checkpoint_paths: "{name.format(tmp_path)}"\n'
        'all_model_checkpoint_paths: "ckpt-2"\n'
    )
    with CheckpointManager(run, max_to_keep=1) as manager, pytest.warns(RuntimeWarning, match="not deleted"):
        manager.save({"w": 5}, 5)
    assert checkpoint_exists(victim)
    assert not checkpoint_exists(run / "ckpt-2")
    assert (run / "checkpoint").read_text().count("ckpt-9") == 0


def test_absolute_prefix_in_the_directory_is_the_same_as_a_bare_one(run, tmp_path, monkeypatch):
    (run / "checkpoint").write_text(
        f'model_checkpoint_path: "{run}/ckpt-2"\nall_model_checkpoint_paths: "{run}/ckpt-2"\n'
    )
    (tmp_path / "link").symlink_to(run)
    monkeypatch.chdir(tmp_path)
    for spelling in ("run", "./run/", "link", f"{tmp_path}/x/../run"):
        state = read_state(spelling)
        assert state is not None
        assert state.model_checkpoint_path == f"{spelling.rstrip('/')}/ckpt-2"
    with CheckpointManager("run", max_to_keep=1) as manager:
        manager.save({"w": 7}, 2, overwrite=True)
        assert manager.checkpoints == ["run/ckpt-2"]
    assert checkpoint_exists(run / "ckpt-2")


def test_pruning_keeps_the_newest_that_the_state_names_absolutely(run, monkeypatch, capsys):
    (run / "checkpoint").write_text(
        f'model_checkpoint_path: "{run}/ckpt-0"\nall_model_checkpoint_paths: "{run}/ckpt-0"\n'
        f'all_model_checkpoint_paths: "{run}/ckpt-1"\n'
    )
    monkeypatch.chdir(run.parent)
    assert main(["checkpoint", "prune", "--keep", "1", "run"]) == 0
    assert steps_on_disk("run") == [0]
    assert latest_checkpoint("run") == "run/ckpt-0"
    assert "ckpt-1" not in (run / "checkpoint").read_text()


def test_state_keeps_a_prefix_of_another_filesystem(run):
    (run / "checkpoint").write_text(f'model_checkpoint_path: "ram:/{run}/ckpt-1"\n')
    state = read_state(run)
    assert state is not None
    assert state.model_checkpoint_path == f"ram:/{run}/ckpt-1"
