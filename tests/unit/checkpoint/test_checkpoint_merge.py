"""The merge of whole checkpoints: what it makes, what it refuses, and how one that was cut short goes on."""

import numpy as np
import pytest

from recordfs import get_file_system
from recordfs.checkpoint import (
    CheckpointReader,
    checkpoint_exists,
    merge_checkpoints,
    remove_leftovers,
    save_checkpoint,
)
from recordfs.errors import (
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from recordfs.testing.faulty import FaultyFileSystem
from support.checkpoint_directories import names_in, values_of


@pytest.mark.parametrize("keep_sources", [False, True])
def test_checkpoints_become_one(directory, keep_sources):
    save_checkpoint(f"{directory}/a", {"x": 1, "y": 2}, num_shards=2)
    save_checkpoint(f"{directory}/b", {"z": 3})
    merge_checkpoints([f"{directory}/a", f"{directory}/b"], f"{directory}/all", keep_sources=keep_sources)
    with CheckpointReader(f"{directory}/all") as reader:
        assert {name: array.item() for name, array in reader.items()} == {"x": 1, "y": 2, "z": 3}
    assert checkpoint_exists(f"{directory}/a") == keep_sources
    assert len(names_in(directory)) == (9 if keep_sources else 4)


@pytest.mark.parametrize("keep_sources", [False, True])
def test_progress_tells_the_bytes_of_every_data_file(directory, keep_sources):
    sources = [save_checkpoint(f"{directory}/{name}", {name: np.ones(3)}) for name in "ab"]
    moved = []
    merge_checkpoints(sources, f"{directory}/all", keep_sources=keep_sources, progress=moved.append)
    assert moved == [24, 24]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("spelling", ["{0}/./a", "{0}//a", "{0}/sub/../a", "{0}/link/a", "file://{0}/a"])
def test_merge_onto_another_spelling_of_a_source_is_refused_and_deletes_nothing(tmp_path, spelling, overwrite):
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    save_checkpoint(tmp_path / "a", {"x": 1})
    save_checkpoint(tmp_path / "b", {"z": 3})
    target = spelling.format(tmp_path)
    with pytest.raises(InvalidArgumentError, match="different prefixes"):
        merge_checkpoints([tmp_path / "a", tmp_path / "b"], target, overwrite=overwrite)
    with pytest.raises(InvalidArgumentError, match="different prefixes"):
        merge_checkpoints([tmp_path / "a", target], tmp_path / "all", overwrite=overwrite)
    for name in "ab":
        with CheckpointReader(tmp_path / name) as reader:
            assert len(reader.get_many()) == 1


def test_merge_onto_a_link_to_a_source_is_refused_and_deletes_nothing(tmp_path):
    save_checkpoint(tmp_path / "a", {"x": 1})
    for suffix in ("index", "data-00000-of-00001"):
        (tmp_path / f"same.{suffix}").symlink_to(tmp_path / f"a.{suffix}")
    with pytest.raises(InvalidArgumentError, match="different prefixes"):
        merge_checkpoints([tmp_path / "a"], tmp_path / "same", overwrite=True)
    with CheckpointReader(tmp_path / "a") as reader:
        assert reader["x"] == 1


def merge_cut_short(sources, target):
    """Merge until one data file has moved, as if the process was killed then."""

    class Killed(BaseException):
        pass

    faulty = FaultyFileSystem(get_file_system(target))
    faulty.fail("rename_file", nth=2, times=1_000_000, error=Killed())
    with pytest.raises(Killed):
        merge_checkpoints(sources, target, file_system=faulty)


@pytest.fixture(params=["the same directory", "another directory"])
def cut_merge(request, directory):
    """Two sources and the target of a merge that was cut short, in one directory or in two."""
    sources = [save_checkpoint(f"{directory}/{name}", {name: value}) for name, value in [("x", 1), ("z", 3)]]
    target = f"{directory}/all" if request.param == "the same directory" else f"{directory}/merged/all"
    merge_cut_short(sources, target)
    return sources, target


def test_merge_that_was_cut_short_goes_on(directory, cut_merge):
    sources, target = cut_merge
    assert not checkpoint_exists(target)
    merge_checkpoints(sources, target)
    assert values_of(target) == {"x": 1, "z": 3}
    assert names_in(target.rpartition("/")[0]) == [f"all.data-0000{n}-of-00002" for n in range(2)] + ["all.index"]


def test_merge_that_was_cut_short_and_pruned_goes_on(directory, cut_merge):
    sources, target = cut_merge
    for where in {directory, target.rpartition("/")[0]}:
        assert remove_leftovers(where, older_than_seconds=-1) == []
    merge_checkpoints(sources, target)
    assert values_of(target) == {"x": 1, "z": 3}


def test_nobody_writes_over_what_a_merge_that_was_cut_short_moved(directory, cut_merge):
    sources, target = cut_merge
    other = save_checkpoint(f"{directory}/other", {"other": 5}, num_shards=2)
    with pytest.raises(FailedPreconditionError, match="cut short"):
        merge_checkpoints([other], target)
    with pytest.raises(FailedPreconditionError, match="cut short"):
        save_checkpoint(target, {"other": 5}, overwrite=True)
    merge_checkpoints(sources, target)
    assert values_of(target) == {"x": 1, "z": 3}


@pytest.mark.parametrize("num_shards", [1, 3])
def test_merge_that_replaces_leaves_no_data_of_what_was_there(directory, num_shards):
    save_checkpoint(f"{directory}/all", {"old": np.ones(100)}, num_shards=num_shards)
    sources = [save_checkpoint(f"{directory}/{name}", {name: value}) for name, value in [("x", 1), ("z", 3)]]
    merge_checkpoints(sources, f"{directory}/all", overwrite=True)
    assert names_in(directory) == ["all.data-00000-of-00002", "all.data-00001-of-00002", "all.index"]
    assert values_of(f"{directory}/all") == {"x": 1, "z": 3}


def cut(path, size):
    """Make a file end before its end."""
    file_system = get_file_system(path)
    with file_system.new_random_access_file(path) as file:
        data = file.read(0, size)
    with file_system.new_writable_file(path) as file:
        file.append(data)


@pytest.mark.parametrize("keep_sources", [False, True])
@pytest.mark.parametrize("fault", ["missing", "short"])
def test_merge_of_a_source_without_all_its_data_moves_nothing(directory, fault, keep_sources):
    save_checkpoint(f"{directory}/a", {"x": np.ones(100)})
    save_checkpoint(f"{directory}/b", {"y": np.ones(100)})
    lost = f"{directory}/b.data-00000-of-00001"
    if fault == "missing":
        get_file_system(directory).delete_file(lost)
    else:
        cut(lost, 799)
    before = names_in(directory)
    with pytest.raises(NotFoundError if fault == "missing" else DataLossError) as caught:
        merge_checkpoints([f"{directory}/a", f"{directory}/b"], f"{directory}/all", keep_sources=keep_sources)
    assert caught.value.path == lost
    assert names_in(directory) == before
    with CheckpointReader(f"{directory}/a") as reader:
        assert reader["x"].sum() == 100


@pytest.mark.parametrize("there", ["short", "of a checkpoint"])
def test_merge_takes_no_other_data_for_what_was_moved_already(directory, there):
    save_checkpoint(f"{directory}/a", {"x": np.ones(100)})
    save_checkpoint(f"{directory}/all", {"old": np.zeros(200)})
    get_file_system(directory).delete_file(f"{directory}/a.data-00000-of-00001")
    if there == "short":
        get_file_system(directory).delete_file(f"{directory}/all.index")
        cut(f"{directory}/all.data-00000-of-00001", 100)
    before = names_in(directory)
    with pytest.raises(NotFoundError):
        merge_checkpoints([f"{directory}/a"], f"{directory}/all", overwrite=True)
    assert names_in(directory) == before


def test_merge_that_was_cut_short_after_publishing_goes_on_if_asked_to_overwrite(directory):
    save_checkpoint(f"{directory}/a", {"x": 1})
    index = f"{directory}/a.index"
    get_file_system(directory).copy_file(index, f"{directory}/kept")
    merge_checkpoints([f"{directory}/a"], f"{directory}/all")
    get_file_system(directory).rename_file(f"{directory}/kept", index)
    merge_checkpoints([f"{directory}/a"], f"{directory}/all", overwrite=True)
    assert names_in(directory) == ["all.data-00000-of-00001", "all.index"]
    with CheckpointReader(f"{directory}/all") as reader:
        assert reader["x"] == 1


def test_merge_of_a_source_that_is_not_there_changes_nothing(directory):
    save_checkpoint(f"{directory}/a", {"x": 1})
    with pytest.raises(NotFoundError):
        merge_checkpoints([f"{directory}/a", f"{directory}/missing"], f"{directory}/all")
    assert checkpoint_exists(f"{directory}/a")
