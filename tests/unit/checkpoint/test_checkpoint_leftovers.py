"""What killed writers and merges left: what is removed by its age, and what is left alone."""

import pytest

from recordfs import get_file_system
from recordfs.checkpoint import (
    find_leftovers,
    remove_leftovers,
    save_checkpoint,
)
from recordfs.testing.faulty import FaultyFileSystem
from support.checkpoint_directories import names_in, values_of, write_files


def test_note_of_a_merge_that_is_done_is_a_leftover(directory):
    prefix = save_checkpoint(f"{directory}/all", {"x": 1})
    write_files(directory, ["all_temp/merge-under-way", "ckpt-2_temp/merge-under-way"])
    removed = remove_leftovers(directory, older_than_seconds=-1)
    assert [leftover.path for leftover in removed] == [f"{directory}/all_temp"]
    assert values_of(prefix) == {"x": 1}


def test_data_of_another_number_of_files_than_the_index_has_are_leftovers(directory):
    save_checkpoint(f"{directory}/ckpt", {"w": 1}, num_shards=2)
    write_files(directory, ["ckpt.data-00000-of-00001", "faces.index", "faces.data-00000-of-00001"])
    removed = remove_leftovers(directory, older_than_seconds=-1)
    assert [leftover.path for leftover in removed] == [f"{directory}/ckpt.data-00000-of-00001"]
    assert values_of(f"{directory}/ckpt") == {"w": 1}


def test_data_that_another_merge_may_have_moved_are_no_leftovers(directory):
    save_checkpoint(f"{directory}/a", {"x": 1})
    write_files(directory, ["dead.data-00000-of-00001", "faces.index"])
    moved = f"{directory}/all.data-00000-of-00002"  # TensorFlow's merge leaves no note
    get_file_system(directory).rename_file(f"{directory}/a.data-00000-of-00001", moved)
    assert remove_leftovers(directory, older_than_seconds=-1) == []
    get_file_system(directory).rename_file(moved, f"{directory}/a.data-00000-of-00001")
    removed = remove_leftovers(directory, older_than_seconds=-1)
    assert [leftover.path for leftover in removed] == [f"{directory}/dead.data-00000-of-00001"]


def test_temporary_files_of_killed_savers_are_leftovers_by_age(directory):
    prefix = save_checkpoint(f"{directory}/ckpt", {"w": 1})
    names = [".recordfs-tmp-0743ec529818ecfe", "ckpt.index.tempstate1234"]
    write_files(directory, names)
    assert find_leftovers(directory) == []
    removed = remove_leftovers(directory, older_than_seconds=-1)
    assert [leftover.path for leftover in removed] == [f"{directory}/{name}" for name in names]
    assert values_of(prefix) == {"w": 1}


SAVERS_FILES = [
    "part-00000-of-00001.index",
    "part-00000-of-00001.data-00000-of-00001",
    "part-00000-of-00001.data-00000-of-00001.tempstate1234",
    ".recordfs-tmp-1",
]


@pytest.mark.parametrize("name", ["ckpt-1_temp", "ckpt-1_temp-0a", "model.ckpt_temp_0123456789abcdef"])
def test_temporary_directory_of_a_saver_is_removed(directory, name):
    write_files(f"{directory}/{name}", SAVERS_FILES)
    assert [leftover.path for leftover in find_leftovers(directory, older_than_seconds=-1)] == [f"{directory}/{name}"]
    assert len(remove_leftovers(directory, older_than_seconds=-1)) == 1
    assert names_in(directory) == []


@pytest.mark.parametrize("other", ["notes.txt", "weights.index", "part-1.csv", "deep/part-00000-of-00001.index"])
def test_temporary_directory_with_anything_else_in_it_is_left_alone(directory, other):
    write_files(f"{directory}/train_temp", [*SAVERS_FILES, other])
    assert remove_leftovers(directory, older_than_seconds=-1) == []
    assert len(names_in(f"{directory}/train_temp")) == len(SAVERS_FILES) + 1


def test_what_comes_into_a_temporary_directory_while_it_is_removed_stays(directory):
    class Busy(FaultyFileSystem):
        def delete_file(self, path):
            super().delete_file(path)
            write_files(f"{directory}/ckpt_temp", ["notes.txt"])

    write_files(f"{directory}/ckpt_temp", SAVERS_FILES)
    busy = Busy(get_file_system(directory))
    assert remove_leftovers(directory, older_than_seconds=-1, file_system=busy) == []
    assert names_in(f"{directory}/ckpt_temp") == ["notes.txt"]
