"""Savers that fail or die at every step: the old or the new checkpoint is there, whole, and the next save succeeds."""

import gc
import itertools

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointManager,
    CheckpointReader,
    CheckpointWriter,
    checkpoint_exists,
    latest_checkpoint,
    merge_checkpoints,
    remove_leftovers,
    save_checkpoint,
    verify_checkpoint,
)
from recordfs.errors import AlreadyExistsError, PermissionDeniedError, ResourceExhaustedError, UnavailableError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.testing.faulty import FaultyFileSystem
from support.garbage import forget_what_is_here
from support.killed_savers import Killed, assert_savers_killed_at_any_moment_leave_what_they_reported

_numbers = itertools.count()

# Who is killed closes nothing; that what is left complains when it is collected is of no interest here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Enough for several appends, and for parts that are gathered.
TENSORS = {
    "large": np.arange(100_000, dtype=np.float32),
    "small": np.arange(3),
    "words": np.array([b"a", b"bc"], object),
}


@pytest.fixture(autouse=True, scope="module")
def older_objects():
    """Keep what other tests have left out of the collections here."""
    forget_what_is_here()


@pytest.fixture(autouse=True)
def collected(older_objects):
    """Let the writers of the killed go before the next test, and the warnings about them."""
    yield
    gc.collect()


@pytest.fixture(params=["posix", "memory"])
def place(request, tmp_path):
    """A filesystem and a directory."""
    if request.param == "posix":
        return PosixFileSystem(), str(tmp_path)
    return MemoryFileSystem(), f"ram://checkpoint-faults-{next(_numbers)}"


def tensors_of(step):
    return {name: array if array.dtype == object else array + step for name, array in TENSORS.items()}


def assert_holds(prefix, step, system):
    with CheckpointReader(prefix, file_system=system) as reader:
        found = reader.get_many()
    assert found.keys() == TENSORS.keys()
    for name, array in tensors_of(step).items():
        assert found[name].tolist() == array.tolist()


def count_calls(system, work):
    faulty = FaultyFileSystem(system)
    work(faulty)
    return len(faulty.calls)


def run_of_two(directory):
    """Save the first of two steps soundly; return what saves the second."""

    def save(system):
        CheckpointManager(directory, max_to_keep=1, file_system=system).save(tensors_of(2), 2)

    return save


def test_saver_killed_before_any_of_its_calls_leaves_the_old_or_the_new_checkpoint(place):
    system, root = place
    prepare = f"{root}/counted"
    CheckpointManager(prepare, file_system=system).save(tensors_of(1), 1)
    calls = count_calls(system, run_of_two(prepare))
    assert calls > 10
    outcomes = set()
    for number in range(1, calls + 1):
        directory = f"{root}/{number}"
        CheckpointManager(directory, max_to_keep=1, file_system=system).save(tensors_of(1), 1)
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number, times=1_000_000, error=Killed())
        with pytest.raises(Killed):
            run_of_two(directory)(faulty)
        newest = latest_checkpoint(directory, file_system=system)
        step = int(newest.rpartition("-")[2])
        outcomes.add(step)
        assert_holds(newest, step, system)
        # Every index that is there leads to a whole checkpoint, whether the state file names it or not.
        for name in system.get_children(directory):
            if name.endswith(".index"):
                assert_holds(f"{directory}/{name}", int(name.removesuffix(".index").rpartition("-")[2]), system)
        CheckpointManager(directory, max_to_keep=1, file_system=system).save(tensors_of(3), 3)
        assert_holds(latest_checkpoint(directory, file_system=system), 3, system)
    assert outcomes == {1, 2}


def test_save_that_fails_at_any_call_raises_and_leaves_nothing(place):
    system, root = place
    system.recursively_create_dir(root)
    calls = count_calls(system, lambda faulty: save_checkpoint(f"{root}/counted", TENSORS, file_system=faulty))
    for number in range(1, calls + 1):
        prefix = f"{root}/{number}/ckpt"
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number, error=ResourceExhaustedError("no space is left"))
        with pytest.raises(ResourceExhaustedError):
            save_checkpoint(prefix, TENSORS, file_system=faulty)
        assert not checkpoint_exists(prefix, file_system=system), number
        # Data that was published before the index failed stays, and is replaced by the next try.
        save_checkpoint(prefix, TENSORS, file_system=system)
        assert_holds(prefix, 0, system)


def test_replacing_killed_at_any_call_never_mixes_two_checkpoints(place):
    system, root = place

    def replace(prefix, used):
        save_checkpoint(prefix, tensors_of(2), overwrite=True, file_system=used)

    save_checkpoint(f"{root}/counted/ckpt", tensors_of(1), file_system=system)
    calls = count_calls(system, lambda faulty: replace(f"{root}/counted/ckpt", faulty))
    for number in range(1, calls + 1):
        prefix = f"{root}/{number}/ckpt"
        save_checkpoint(prefix, tensors_of(1), file_system=system)
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number, times=1_000_000, error=Killed())
        with pytest.raises(Killed):
            replace(prefix, faulty)
        if checkpoint_exists(prefix, file_system=system):
            with CheckpointReader(prefix, file_system=system) as reader:
                step = int(reader["small"][0])
            assert_holds(prefix, step, system)
        replace(prefix, system)
        assert_holds(prefix, 2, system)


class Interrupted(FaultyFileSystem):
    """Something else happens before one of the calls."""

    _left = 0

    def interrupt(self, nth, work):
        self._left, self._work = nth, work

    def _begin(self, operation, path):
        self._left -= 1
        if self._left == 0:
            self._work()
        return super()._begin(operation, path)


@pytest.mark.slow
@pytest.mark.parametrize("there", ["nothing", "data of a killed saver", "a checkpoint"])
@pytest.mark.parametrize("shards", [(1, 1), (2, 2), (1, 2), (2, 1)])
def test_of_two_savers_of_one_prefix_one_wins_whenever_the_other_comes(place, there, shards):
    system, root = place

    def prepare(prefix):
        if there != "nothing":
            save_checkpoint(prefix, tensors_of(1), num_shards=2, file_system=system)
            save_checkpoint(f"{prefix}-other", tensors_of(1), file_system=system)
            data = ".data-00000-of-00001"
            system.rename_file(f"{prefix}-other{data}", f"{prefix}{data}")
        if there == "data of a killed saver":
            system.delete_file(f"{prefix}.index")

    def begin(prefix, used, step, num_shards):
        overwrite = there == "a checkpoint"
        writer = CheckpointWriter(prefix, num_shards=num_shards, overwrite=overwrite, durable=False, file_system=used)
        for name, array in tensors_of(step).items():
            writer.add(name, array)
        return writer

    for number in itertools.count(1):
        prefix = f"{root}/{number}/ckpt"
        prepare(prefix)
        ended = {}

        def end(step, writer, ended=ended):
            try:
                writer.close()
            except AlreadyExistsError as error:
                ended[step] = getattr(error, "__notes__", [])
            else:
                ended[step] = None

        interrupted = Interrupted(system)
        first = begin(prefix, interrupted, 2, shards[0])
        second = begin(prefix, system, 3, shards[1])
        interrupted.interrupt(number, lambda second=second, end=end: end(3, second))
        end(2, first)
        if 3 not in ended:
            assert number > 5
            second.discard()
            break
        assert list(ended.values()).count(None) == 1, number
        assert not any(ended.values()), number
        winner = 2 if ended[2] is None else 3
        assert_holds(prefix, winner, system)
        names = system.get_children(f"{root}/{number}")
        assert not [name for name in names if "temp" in name], number


@pytest.mark.parametrize("num_shards", [1, 2])
def test_replacing_that_fails_at_any_call_leaves_the_old_checkpoint_or_the_new(place, num_shards):
    system, root = place
    for number in itertools.count(1):
        prefix = f"{root}/{number}/ckpt"
        save_checkpoint(prefix, tensors_of(1), num_shards=2, file_system=system)
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number, error=ResourceExhaustedError("no space is left"))
        try:
            save_checkpoint(prefix, tensors_of(2), num_shards=num_shards, overwrite=True, file_system=faulty)
        except ResourceExhaustedError as error:
            is_saved = any("is saved" in note for note in getattr(error, "__notes__", []))
            assert_holds(prefix, 2 if is_saved else 1, system)
        else:
            assert number > 10
            break


def test_replacing_where_putting_back_fails_too_raises_the_first_error_and_says_so(place):
    system, root = place
    said = 0
    for number in itertools.count(1):
        prefix = f"{root}/{number}/ckpt"
        save_checkpoint(prefix, tensors_of(1), file_system=system)
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number, error=ResourceExhaustedError("no space is left"))
        faulty.fail(nth=number + 1, times=1_000_000, error=UnavailableError("and nothing answers"))
        try:
            save_checkpoint(prefix, tensors_of(2), overwrite=True, file_system=faulty)
        except ResourceExhaustedError as error:
            if not checkpoint_exists(prefix, file_system=system):
                [note] = [note for note in error.__notes__ if "could not be put back" in note]
                assert f"{prefix}.index is now {prefix}.index.tempstate" in note, number
                said += 1
        else:
            break
    assert said > 0


@pytest.mark.parametrize("target", ["all", "merged/all"])
def test_merge_killed_at_any_call_is_done_by_calling_it_again(place, target):
    system, root = place

    def prepare(directory):
        save_checkpoint(f"{directory}/a", {"x": np.arange(3)}, num_shards=2, file_system=system)
        save_checkpoint(f"{directory}/b", {"y": np.arange(4)}, file_system=system)

    def merge(directory, used):
        merge_checkpoints([f"{directory}/a", f"{directory}/b"], f"{directory}/{target}", file_system=used)

    prepare(f"{root}/counted")
    calls = count_calls(system, lambda faulty: merge(f"{root}/counted", faulty))
    for number in range(1, calls + 1):
        directory = f"{root}/{number}"
        prepare(directory)
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number, times=1_000_000, error=Killed())
        with pytest.raises(Killed):
            merge(directory, faulty)
        for pruned in {directory, f"{directory}/{target}".rpartition("/")[0]}:
            if system.is_directory(pruned):
                remove_leftovers(pruned, older_than_seconds=-1, file_system=system)
        if not checkpoint_exists(f"{directory}/{target}", file_system=system):
            merge(directory, system)
        with CheckpointReader(f"{directory}/{target}", file_system=system) as reader:
            assert {name: array.tolist() for name, array in reader.items()} == {"x": [0, 1, 2], "y": [0, 1, 2, 3]}


def test_read_that_fails_at_any_call_raises_that_error(place):
    system, root = place
    prefix = save_checkpoint(f"{root}/ckpt", TENSORS, file_system=system)

    def read(used):
        with CheckpointReader(prefix, file_system=used) as reader:
            reader.get_many()

    for number in range(1, count_calls(system, read) + 1):
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number)
        with pytest.raises(UnavailableError):
            read(faulty)


@pytest.mark.parametrize("error", [UnavailableError, PermissionDeniedError])
def test_verification_calls_nothing_broken_that_it_could_not_read(place, error):
    system, root = place
    prefix = save_checkpoint(f"{root}/ckpt", TENSORS, file_system=system)
    for number in range(1, count_calls(system, lambda used: verify_checkpoint(prefix, file_system=used)) + 1):
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number, error=error("no answer", path=prefix))
        with pytest.raises(error, match="no answer"):
            verify_checkpoint(prefix, file_system=faulty)


def test_files_that_arrive_in_pieces_are_read_whole(place):
    system, root = place
    prefix = save_checkpoint(f"{root}/ckpt", TENSORS, file_system=system)
    faulty = FaultyFileSystem(system)
    faulty.shorten_reads(10_007)
    assert_holds(prefix, 0, faulty)


def test_saver_killed_at_any_moment_leaves_every_checkpoint_that_it_reported(tmp_path):
    assert_savers_killed_at_any_moment_leave_what_they_reported(PosixFileSystem(), str(tmp_path), times=8)
