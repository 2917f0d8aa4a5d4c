"""Writing: names, types, slices, several data files, several writers, and what is there when something fails."""

import os
import threading

import numpy as np
import pytest

from recordfs import get_file_system
from recordfs.checkpoint import (
    CheckpointReader,
    CheckpointWriter,
    ObjectGraph,
    checkpoint_exists,
    find_leftovers,
    merge_checkpoints,
    merge_parts,
    remove_leftovers,
    save_async,
    save_checkpoint,
)
from recordfs.errors import (
    AlreadyExistsError,
    ClosedFileError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from recordfs.testing.faulty import FaultyFileSystem


@pytest.fixture(params=["local", "ram"])
def directory(request, tmp_path):
    return str(tmp_path) if request.param == "local" else f"ram://written{tmp_path}"


def names_in(directory):
    return sorted(get_file_system(directory).get_children(directory))


def write_files(directory, names):
    file_system = get_file_system(directory)
    for name in names:
        path = f"{directory}/{name}"
        file_system.recursively_create_dir(path.rpartition("/")[0])
        with file_system.new_writable_file(path) as file:
            file.append(b"data")


def test_saving_returns_the_prefix_and_makes_the_directory(directory):
    prefix = save_checkpoint(f"{directory}/a/b/ckpt-1", {"w": np.ones(3)})
    assert prefix == f"{directory}/a/b/ckpt-1"
    assert names_in(f"{directory}/a/b") == ["ckpt-1.data-00000-of-00001", "ckpt-1.index"]


def test_existing_prefix_is_refused_and_left_as_it_was(directory):
    save_checkpoint(f"{directory}/ckpt", {"w": np.ones(3)})
    with pytest.raises(AlreadyExistsError, match="overwrite"):
        save_checkpoint(f"{directory}/ckpt", {"w": np.zeros(3)})
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader["w"].tolist() == [1, 1, 1]


def test_overwriting_replaces_all_files(directory):
    save_checkpoint(f"{directory}/ckpt", {"w": np.ones(3), "v": np.ones(3)}, num_shards=2)
    save_checkpoint(f"{directory}/ckpt", {"w": np.zeros(3)}, overwrite=True)
    assert names_in(directory) == ["ckpt.data-00000-of-00001", "ckpt.index"]
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert {name: array.tolist() for name, array in reader.items()} == {"w": [0, 0, 0]}


def test_checkpoint_without_tensors_can_be_read(directory):
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", {})) as reader:
        assert reader.get_many() == {}


def test_exception_in_the_block_leaves_nothing(directory):
    get_file_system(directory).recursively_create_dir(directory)

    def save_and_fail():
        with CheckpointWriter(f"{directory}/ckpt") as writer:
            writer.add("w", np.ones(1_000_000))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save_and_fail()
    assert names_in(directory) == []


def test_nothing_is_visible_before_close(directory):
    writer = CheckpointWriter(f"{directory}/ckpt")
    writer.add("w", np.ones(1_000_000))
    assert not checkpoint_exists(f"{directory}/ckpt")
    writer.close()
    writer.close()
    assert checkpoint_exists(f"{directory}/ckpt")
    with pytest.raises(ClosedFileError):
        writer.add("v", 1)


def test_data_that_a_killed_writer_left_are_replaced(directory):
    file_system = get_file_system(directory)
    file_system.recursively_create_dir(directory)
    with file_system.new_writable_file(f"{directory}/ckpt.data-00000-of-00001") as file:
        file.append(b"left over")
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", {"w": np.ones(3)})) as reader:
        assert reader["w"].tolist() == [1, 1, 1]


def test_second_of_two_savers_of_one_prefix_fails_and_harms_nothing(directory):
    first, second = CheckpointWriter(f"{directory}/ckpt"), CheckpointWriter(f"{directory}/ckpt")
    first.add("w", np.ones(3))
    second.add("w", np.zeros(3))
    first.close()
    with pytest.raises(AlreadyExistsError):
        second.close()
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader["w"].tolist() == [1, 1, 1]
    assert names_in(directory) == ["ckpt.data-00000-of-00001", "ckpt.index"]


def test_tensors_are_spread_over_several_data_files(directory):
    tensors = {f"t{number}": np.full(1000 * (number + 1), number) for number in range(8)}
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", tensors, num_shards=3)) as reader:
        assert reader.num_shards == 3
        sizes = [0, 0, 0]
        for entry in reader.entries():
            sizes[entry.slices[0].shard] += entry.size
        assert max(sizes) < 2 * min(sizes)
        for name, array in reader.get_many().items():
            assert (array == tensors[name]).all()


def test_alignment_places_every_tensor_at_a_multiple(directory):
    tensors = {f"t{number}": np.ones(number, np.uint8) for number in range(1, 70, 13)}
    tensors["words"] = np.array([b"abc", b""], object)
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", tensors, alignment=64)) as reader:
        assert {entry.slices[0].offset % 64 for entry in reader.entries()} == {0}
        assert reader.get_many().keys() == tensors.keys()


def test_arrays_may_be_changed_after_they_were_added(directory):
    small, large = np.ones(3), np.ones(1_000_000)
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        writer.add("small", small)
        writer.add("large", large)
        small[:] = large[:] = 0
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader["small"].all()
        assert reader["large"].all()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (3.5, np.array(3.5)),
        ([1, 2], np.array([1, 2])),
        (np.ones((4, 3))[:, ::2], np.ones((4, 2))),
        (np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(6).reshape(2, 3)),
        (np.arange(3, dtype=">i4"), np.arange(3, dtype="<i4")),
        (b"word", np.array(b"word", object)),
        ("wörd", np.array("wörd".encode(), object)),
        (["a", "bc"], np.array([b"a", b"bc"], object)),
        (np.array([b"a", b"bc"], "S5"), np.array([b"a", b"bc"], object)),
    ],
)
def test_whatever_numpy_makes_an_array_of_is_stored(directory, array, expected):
    with CheckpointReader(save_checkpoint(f"{directory}/ckpt", {"t": array})) as reader:
        assert reader["t"].dtype == expected.dtype
        assert reader["t"].tolist() == expected.tolist()


@pytest.mark.parametrize(
    "array",
    [
        np.array([None, b"a"], object),
        np.zeros(3, "datetime64[s]"),
        np.zeros(2, "i4,f4"),
        [[1], [2, 3]],
        "\udcff",
        2**64,
        np.ma.array([1, 2], mask=[0, 1]),
    ],
    ids=str,
)
@pytest.mark.parametrize("save", [save_checkpoint, lambda *args: save_async(*args).result()], ids=["now", "later"])
def test_what_no_checkpoint_holds_is_refused_by_name(directory, array, save):
    with pytest.raises(InvalidArgumentError, match="odd one"):
        save(f"{directory}/ckpt", {"odd one": array})
    assert not checkpoint_exists(f"{directory}/ckpt")


@pytest.mark.parametrize("name", [7, b"w", None])
def test_name_that_is_no_text_is_refused(directory, name):
    for array in (np.ones(3), 1):
        with pytest.raises(InvalidArgumentError, match="name"):
            save_checkpoint(f"{directory}/ckpt", {name: array})


def test_name_is_refused_twice_and_when_empty_and_the_writer_goes_on(directory):
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        writer.add("w", 1)
        for name in ("w", ""):
            with pytest.raises(InvalidArgumentError):
                writer.add(name, 2)
        writer.add("v", 3)
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert {name: array.item() for name, array in reader.items()} == {"w": 1, "v": 3}


def test_slices_in_any_order_make_one_tensor(directory):
    whole = np.arange(24).reshape(4, 6)
    parts = [np.s_[2:, :3], np.s_[:2], np.s_[2:, 3:]]
    with CheckpointWriter(f"{directory}/ckpt", num_shards=2) as writer:
        for part in parts:
            writer.add_slice("w", whole.shape, part if isinstance(part, tuple) else [part], whole[part])
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert list(reader) == ["w"]
        assert (reader["w"] == whole).all()


@pytest.mark.parametrize(
    ("part", "array"),
    [
        (np.s_[0:5, :], np.ones((5, 6))),
        (np.s_[0:2:1, ::2], np.ones((2, 3))),
        (np.s_[0:2], np.ones((2, 5))),
        (np.s_[0:2, :, :], np.ones((2, 6, 1))),
        (np.s_[-1:, :], np.ones((1, 6))),
        (np.s_[0], np.ones((1, 6))),
        (np.s_[0, :], np.ones((1, 6))),
    ],
)
def test_slice_that_does_not_fit_is_refused(directory, part, array):
    with CheckpointWriter(f"{directory}/ckpt") as writer, pytest.raises(InvalidArgumentError, match="w"):
        writer.add_slice("w", (4, 6), part, array)


@pytest.mark.parametrize(
    "prefix", ["", ".", "dir/..", "dir/", "star*", "q?", "[x]", "back\\slash", "ckpt.index", "ckpt.data-00000-of-00001"]
)
def test_prefix_that_could_not_be_found_again_is_refused(directory, prefix):
    with pytest.raises(InvalidArgumentError):
        CheckpointWriter(f"{directory}/{prefix}")


def test_many_at_once_are_stored_as_one_by_one(directory):
    rng = np.random.default_rng(1)
    kinds = ["?", "i1", "u2", "<f4", ">f4", "f8", "c16", "f2"]
    tensors = {f"t{n}": rng.integers(0, 2, n % 7).astype(kinds[n % 8]) for n in range(20_000)}
    tensors |= {"scalar": np.float32(1), "number": 7, "words": np.array([b"a", b"bc"], object)}
    tensors |= {"large": np.arange(100_000), "turned": np.arange(6).reshape(2, 3).T, "none": np.empty((0, 3))}
    tensors |= {f"u{n}": np.full(n % 5, n) for n in range(5000)}
    with CheckpointWriter(f"{directory}/one") as writer:
        for name, array in tensors.items():
            writer.add(name, array)
    with CheckpointWriter(f"{directory}/many") as writer:
        writer.add_many(tensors)
    file_system = get_file_system(directory)
    for suffix in (".index", ".data-00000-of-00001"):
        files = [file_system.new_random_access_file(f"{directory}/{name}{suffix}") for name in ("one", "many")]
        assert files[0].read(0, 1 << 24) == files[1].read(0, 1 << 24)
        for file in files:
            file.close()


def test_many_at_once_with_a_name_that_is_taken_add_nothing_of_their_batch(directory):
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        writer.add("b", 1.0)
        with pytest.raises(InvalidArgumentError, match='"b"'):
            writer.add_many({name: np.zeros(3) for name in "abc"})
        writer.add_many({name: np.ones(3) for name in "ac"})
    assert values_of(f"{directory}/ckpt") == {"a": [1, 1, 1], "b": 1, "c": [1, 1, 1]}


def test_writer_is_shared_by_threads(directory):
    with CheckpointWriter(f"{directory}/ckpt", num_shards=2) as writer:

        def add(thread):
            for number in range(50):
                writer.add(f"{thread}/{number}", np.full(1000, thread * number))

        threads = [threading.Thread(target=add, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert len(reader) == 200
        for name, array in reader.get_many().items():
            thread, number = map(int, name.split("/"))
            assert (array == thread * number).all()


def test_parts_become_one_and_leave_nothing_else(directory):
    for part in (2, 0, 1):
        with CheckpointWriter(f"{directory}/ckpt", part=part, num_parts=3) as writer:
            if part != 1:
                writer.add(f"own{part}", np.full(3, part))
                writer.add_slice("shared", (4,), np.s_[part : part + 2], [part, part])
        assert not checkpoint_exists(f"{directory}/ckpt")
    merge_parts(f"{directory}/ckpt", 3)
    assert names_in(directory) == [f"ckpt.data-0000{part}-of-00003" for part in range(3)] + ["ckpt.index"]
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader["shared"].tolist() == [0, 0, 2, 2]
        assert reader["own2"].tolist() == [2, 2, 2]


def test_merging_before_a_part_is_there_says_which(directory):
    with CheckpointWriter(f"{directory}/ckpt", part=0, num_parts=2) as writer:
        writer.add("w", 1)
    with pytest.raises(FailedPreconditionError, match="part 1 of 2"):
        merge_parts(f"{directory}/ckpt", 2)
    assert not checkpoint_exists(f"{directory}/ckpt")


def test_parts_with_a_tensor_of_the_same_name_are_refused(directory):
    for part in range(2):
        with CheckpointWriter(f"{directory}/ckpt", part=part, num_parts=2) as writer:
            writer.add("w", part)
    with pytest.raises(InvalidArgumentError, match='"w"'):
        merge_parts(f"{directory}/ckpt", 2)
    assert not checkpoint_exists(f"{directory}/ckpt")


@pytest.mark.parametrize("keep_sources", [False, True])
def test_checkpoints_become_one(directory, keep_sources):
    save_checkpoint(f"{directory}/a", {"x": 1, "y": 2}, num_shards=2)
    save_checkpoint(f"{directory}/b", {"z": 3})
    merge_checkpoints([f"{directory}/a", f"{directory}/b"], f"{directory}/all", keep_sources=keep_sources)
    with CheckpointReader(f"{directory}/all") as reader:
        assert {name: array.item() for name, array in reader.items()} == {"x": 1, "y": 2, "z": 3}
    assert checkpoint_exists(f"{directory}/a") == keep_sources
    assert len(names_in(directory)) == (9 if keep_sources else 4)


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


def values_of(prefix):
    with CheckpointReader(prefix) as reader:
        return {name: array.tolist() for name, array in reader.items()}


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


def test_note_of_a_merge_that_is_done_is_a_leftover(directory):
    prefix = save_checkpoint(f"{directory}/all", {"x": 1})
    write_files(directory, ["all_temp/merge-under-way", "ckpt-2_temp/merge-under-way"])
    removed = remove_leftovers(directory, older_than_seconds=-1)
    assert [leftover.path for leftover in removed] == [f"{directory}/all_temp"]
    assert values_of(prefix) == {"x": 1}


@pytest.mark.parametrize("num_shards", [1, 3])
def test_merge_that_replaces_leaves_no_data_of_what_was_there(directory, num_shards):
    save_checkpoint(f"{directory}/all", {"old": np.ones(100)}, num_shards=num_shards)
    sources = [save_checkpoint(f"{directory}/{name}", {name: value}) for name, value in [("x", 1), ("z", 3)]]
    merge_checkpoints(sources, f"{directory}/all", overwrite=True)
    assert names_in(directory) == ["all.data-00000-of-00002", "all.data-00001-of-00002", "all.index"]
    assert values_of(f"{directory}/all") == {"x": 1, "z": 3}


def test_merge_of_parts_that_replaces_leaves_no_data_of_what_was_there(directory):
    for part in range(2):
        with CheckpointWriter(f"{directory}/all", part=part, num_parts=2) as writer:
            writer.add(f"new{part}", part)
    save_checkpoint(f"{directory}/all", {"old": np.ones(100)}, num_shards=3)
    merge_parts(f"{directory}/all", 2, overwrite=True)
    assert names_in(directory) == ["all.data-00000-of-00002", "all.data-00001-of-00002", "all.index"]
    assert values_of(f"{directory}/all") == {"new0": 0, "new1": 1}


def test_data_of_another_number_of_files_than_the_index_has_are_leftovers(directory):
    save_checkpoint(f"{directory}/ckpt", {"w": 1}, num_shards=2)
    write_files(directory, ["ckpt.data-00000-of-00001", "faces.index", "faces.data-00000-of-00001"])
    removed = remove_leftovers(directory, older_than_seconds=-1)
    assert [leftover.path for leftover in removed] == [f"{directory}/ckpt.data-00000-of-00001"]
    assert values_of(f"{directory}/ckpt") == {"w": 1}


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"num_shards": 1.0}, TypeError),
        ({"num_shards": True}, TypeError),
        ({"alignment": 0}, InvalidArgumentError),
        ({"part": 0}, InvalidArgumentError),
    ],
)
def test_numbers_that_are_no_whole_ones_are_refused(directory, keywords, error):
    with pytest.raises(error):
        CheckpointWriter(f"{directory}/ckpt", **keywords)
    with CheckpointWriter(f"{directory}/ckpt", num_shards=np.int64(2)) as writer:
        writer.add("w", 1)
    assert CheckpointReader(f"{directory}/ckpt").num_shards == 2


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (300, "int8"),
        ([0, -1], "uint64"),
        (2**63, "int64"),
        (2.0**63, "int64"),
        (1.5, "int32"),
        (float("nan"), "int32"),
        (1e300, "float32"),
        (65520, "float16"),
        (1e9, "float8_e4m3fn"),
        (7.5, "float4_e2m1fn"),
        (float("nan"), "float4_e2m1fn"),
        (8, "int4"),
        (128, "qint8"),
        (2, "bool"),
        (1 + 2j, "float64"),
        ("1", "float32"),
        (b"1", "int32"),
        (2**70, "float64"),
        (1, "string"),
        (1, "nonsense"),
    ],
)
def test_value_that_does_not_fit_the_type_is_refused_by_name(directory, value, dtype):
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        with pytest.raises(InvalidArgumentError, match="tensor 'w'"):
            writer.add("w", value, dtype=dtype)
        writer.add("w", 1)
    assert values_of(f"{directory}/ckpt") == {"w": 1}


@pytest.mark.parametrize(
    ("value", "dtype", "stored"),
    [
        (1 / 3, "float32", np.float32(1 / 3)),
        ([1.0, -2.0], "int8", [1, -2]),
        (2**53 + 1, "float64", 2.0**53),
        (float("inf"), "bfloat16", float("inf")),
        (1 + 0j, "float32", 1.0),
        (-8, "int4", -8),
        (True, "uint8", 1),
        ([255], "quint8", [255]),
    ],
)
def test_value_that_fits_the_type_is_stored_as_it(directory, value, dtype, stored):
    with CheckpointWriter(f"{directory}/ckpt") as writer:
        writer.add("w", value, dtype=dtype)
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert reader.entry("w").dtype == dtype
        assert reader["w"].astype(np.float64).tolist() == np.asarray(stored, np.float64).tolist()


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


def test_writer_of_a_part_that_overwrites_leaves_no_old_index_with_its_data(directory):
    save_checkpoint(f"{directory}/ckpt", {"old": np.zeros(3), "older": np.ones(3)}, num_shards=3)
    for part in range(2):
        with CheckpointWriter(f"{directory}/ckpt", part=part, num_parts=2, overwrite=True) as writer:
            assert checkpoint_exists(f"{directory}/ckpt") == (part == 0)
            writer.add(f"w{part}", part)
        assert not checkpoint_exists(f"{directory}/ckpt")
    merge_parts(f"{directory}/ckpt", 2)
    assert names_in(directory) == [*(f"ckpt.data-0000{part}-of-00002" for part in range(2)), "ckpt.index"]
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert {name: array.item() for name, array in reader.items()} == {"w0": 0, "w1": 1}


def test_merge_of_a_source_that_is_not_there_changes_nothing(directory):
    save_checkpoint(f"{directory}/a", {"x": 1})
    with pytest.raises(NotFoundError):
        merge_checkpoints([f"{directory}/a", f"{directory}/missing"], f"{directory}/all")
    assert checkpoint_exists(f"{directory}/a")


def test_attribute_paths_make_an_object_graph(directory):
    prefix = save_checkpoint(f"{directory}/ckpt", {"net/w": np.ones(2), "net/b.x": 0}, by_attribute=True)
    with CheckpointReader(prefix) as reader:
        graph = reader.object_graph
        assert graph.keys_by_path() == {
            "net/w": "net/w/.ATTRIBUTES/VARIABLE_VALUE",
            "net/b.x": "net/b..x/.ATTRIBUTES/VARIABLE_VALUE",
            "save_counter": "save_counter/.ATTRIBUTES/VARIABLE_VALUE",
        }
        assert graph.key_at("net/w") in reader
        assert graph.key_at("net") is None
        assert graph.node_at("elsewhere") is None
        assert ObjectGraph.decode(graph.encode()) == graph


@pytest.mark.parametrize(
    "rectangles",
    [[(0, 2)], [(0, 3), (1, 4)], [(0, 2), (1, 3)], [(2, 2)], [(0, 2), (3, 4)]],
    ids=["gap", "overlap", "overlap and gap", "nothing", "hole"],
)
def test_slices_that_do_not_cover_their_tensor_publish_nothing(directory, rectangles):
    save_checkpoint(f"{directory}/ckpt", {"old": 1})
    writer = CheckpointWriter(f"{directory}/ckpt", overwrite=True)
    writer.add("w", 1)
    for start, stop in rectangles:
        writer.add_slice("sliced", (4,), np.s_[start:stop], np.ones(stop - start))
    with pytest.raises(InvalidArgumentError, match='"sliced": its slices have to cover it') as caught:
        writer.close()
    assert caught.value.path == f"{directory}/ckpt"
    with CheckpointReader(f"{directory}/ckpt") as reader:
        assert list(reader) == ["old"]


def test_parts_whose_slices_do_not_cover_their_tensor_are_not_merged(directory):
    for part in range(2):
        with CheckpointWriter(f"{directory}/ckpt", part=part, num_parts=2) as writer:
            writer.add(f"w{part}", 1)
            writer.add_slice("sliced", (4,), np.s_[part : part + 2], [1, 2])
    before = names_in(directory)
    with pytest.raises(InvalidArgumentError, match="overlap"):
        merge_parts(f"{directory}/ckpt", 2)
    assert names_in(directory) == before
    assert not checkpoint_exists(f"{directory}/ckpt")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ab\0\0", b"ab\0\0"),
        ("h\u00e9\0", "h\u00e9\0".encode()),
        (np.bytes_(b"ab\0"), b"ab\0"),
        (np.str_("ab\0"), b"ab\0"),
        ([b"a\0", b"\0\0"], [b"a\0", b"\0\0"]),
        (("a\0", "b"), [b"a\0", b"b"]),
        ([[np.bytes_(b"a\0")], ["b\0"]], [[b"a\0"], [b"b\0"]]),
        (np.array([b"a\0", "b\0"], object), [b"a\0", b"b\0"]),
    ],
)
@pytest.mark.parametrize("save", ["add", "add with a type", "save_async"])
def test_strings_keep_the_nuls_at_their_end(directory, value, expected, save):
    prefix = f"{directory}/ckpt"
    if save == "save_async":
        save_async(prefix, {"s": value}).result()
    else:
        with CheckpointWriter(prefix) as writer:
            writer.add("s", value, dtype="string" if save == "add with a type" else None)
    with CheckpointReader(prefix) as reader:
        assert reader["s"].tolist() == expected


@pytest.mark.parametrize("paths", [["a//b"], ["/a"], [""], ["a/"], ["a", "a"]])
def test_attribute_paths_that_lead_nowhere_are_refused(paths):
    with pytest.raises(InvalidArgumentError):
        ObjectGraph.from_attributes(paths)


def test_relative_prefix_without_a_directory_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert save_checkpoint("ckpt", {"w": 1}) == "ckpt"
    save_checkpoint("ckpt", {"w": 2}, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["ckpt.data-00000-of-00001", "ckpt.index"]
