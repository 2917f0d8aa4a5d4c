"""Deleting, copying and walking trees while single calls fail."""

import itertools

import pytest

from recordfs import operations
from recordfs.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    PermissionDeniedError,
    RecordFSError,
    UnavailableError,
)
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.testing.faulty import FaultyFileSystem

_numbers = itertools.count()
TREE = {"a": b"1", "d/b": b"2", "d/c": b"3", "d/e/f": b"4"}


def put(system, path, data):
    if system.capabilities(path).directories == "explicit":
        system.recursively_create_dir(path.rpartition("/")[0])
    with system.new_writable_file(path) as file:
        file.append(data)


def tree(system, root):
    found = {}
    for directory, _, names in operations.walk(root, file_system=system):
        for name in names:
            path = f"{directory}/{name}"
            with system.new_random_access_file(path) as file:
                found[path.removeprefix(f"{root}/")] = file.read(0, file.size())
    return found


@pytest.fixture(params=["posix", "memory"])
def place(request, tmp_path):
    """A filesystem and an empty directory."""
    if request.param == "posix":
        yield PosixFileSystem(), f"{tmp_path}/root"
    else:
        system, root = MemoryFileSystem(), f"ram://faults-{next(_numbers)}"
        system.create_dir(root)
        yield system, root
        system.delete_recursively(root)


def fresh_tree(system, root, name):
    top = f"{root}/{name}"
    for path, data in TREE.items():
        put(system, f"{top}/{path}", data)
    return top


def test_delete_recursively_goes_on_after_a_failure_and_reports_it(place):
    system, root = place
    top = fresh_tree(system, root, "t")
    faulty = FaultyFileSystem(system)
    faulty.fail("delete_file", nth=2, error=PermissionDeniedError("as planned"))
    with pytest.raises(FailedPreconditionError) as caught:
        faulty.delete_recursively(top)
    assert len(tree(system, top)) == 1
    assert caught.value.path == top
    failed, error = caught.value.failures[0]
    assert isinstance(error, PermissionDeniedError)
    assert system.file_exists(failed)
    assert caught.value.undeleted_files == 1
    # The directories above what is left could not go either.
    assert caught.value.undeleted_directories == failed.removeprefix(f"{root}/").count("/")
    faulty.delete_recursively(top)
    assert not system.file_exists(top)


def test_delete_recursively_counts_a_directory_that_cannot_be_listed_once(place):
    system, root = place
    top = fresh_tree(system, root, "t")
    faulty = FaultyFileSystem(system)
    faulty.fail("list_directory", nth=3, error=PermissionDeniedError("as planned"))
    with pytest.raises(FailedPreconditionError) as caught:
        faulty.delete_recursively(top)
    assert caught.value.undeleted_files == 0
    assert caught.value.undeleted_directories == 3
    assert tree(system, top) == {"d/e/f": b"4"}


def test_whatever_call_of_a_deletion_fails_a_second_one_ends_it(place):
    system, root = place
    counting = FaultyFileSystem(system)
    counting.delete_recursively(fresh_tree(system, root, "counted"))
    assert len(counting.calls) > 10
    for number in range(1, len(counting.calls) + 1):
        top = fresh_tree(system, root, f"t{number}")
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number)
        try:
            faulty.delete_recursively(top)
        except RecordFSError:
            # Implicit directories may be gone with their files before a call for them fails.
            if system.capabilities(root).directories == "explicit":
                assert system.file_exists(top), "all is gone, so nothing failed"
            if system.file_exists(top):
                faulty.delete_recursively(top)
        assert not system.file_exists(top)


def test_a_deletion_that_happened_though_its_answer_was_lost_is_no_failure_the_second_time(place):
    system, root = place
    top = fresh_tree(system, root, "t")
    faulty = FaultyFileSystem(system)
    faulty.fail("delete_file", afterwards=True)
    with pytest.raises(FailedPreconditionError):
        faulty.delete_recursively(top)
    assert not system.file_exists(top)


def test_whatever_call_of_a_copied_tree_fails_no_file_is_half_there(place):
    system, root = place
    top = fresh_tree(system, root, "source")
    counting = FaultyFileSystem(system)
    operations.copy_tree(top, f"{root}/counted", file_system=system, target_file_system=counting)
    assert tree(system, f"{root}/counted") == TREE
    for number in range(1, len(counting.calls) + 1):
        target = f"{root}/t{number}"
        faulty = FaultyFileSystem(system)
        faulty.fail(nth=number, error=DeadlineExceededError("as planned"))
        with pytest.raises(DeadlineExceededError):
            operations.copy_tree(top, target, file_system=system, target_file_system=faulty)
        assert tree(system, target).items() <= TREE.items()
        operations.copy_tree(top, target, overwrite=True, file_system=system, target_file_system=faulty)
        assert tree(system, target) == TREE


def test_a_copy_whose_reads_fail_leaves_the_old_target(place):
    system, root = place
    source, target = f"{root}/source", f"{root}/target"
    put(system, source, b"new" * 1000)
    put(system, target, b"old")
    for operation in ("new_random_access_file", "read"):
        faulty = FaultyFileSystem(system)
        faulty.fail(operation)
        with pytest.raises(UnavailableError):
            operations.copy(source, target, overwrite=True, file_system=faulty, target_file_system=system)
        assert tree(system, root) == {"source": b"new" * 1000, "target": b"old"}


def test_walk_tells_onerror_of_every_directory_and_goes_on(place):
    system, root = place
    top = fresh_tree(system, root, "t")
    faulty = FaultyFileSystem(system)
    faulty.fail("list_directory", nth=2, error=PermissionDeniedError("as planned"))
    errors = []
    visited = [directory for directory, _, _ in operations.walk(top, onerror=errors.append, file_system=faulty)]
    assert visited == [top]
    assert [(type(error), error.path) for error in errors] == [(PermissionDeniedError, f"{top}/d")]


def test_walk_without_onerror_raises_what_is_not_just_missing(place):
    system, root = place
    top = fresh_tree(system, root, "t")
    faulty = FaultyFileSystem(system)
    faulty.fail("list_directory", nth=2, error=PermissionDeniedError("as planned"))
    with pytest.raises(PermissionDeniedError):
        list(operations.walk(top, file_system=faulty))
    assert list(operations.walk(f"{top}/missing", file_system=system)) == []
    assert list(operations.walk(f"{top}/a", file_system=system)) == []


def test_recursively_create_dir_is_fine_when_somebody_else_is_quicker(place):
    system, root = place

    class Rival(FaultyFileSystem):
        def create_dir(self, path):
            system.create_dir(path)
            super().create_dir(path)

    Rival(system).recursively_create_dir(f"{root}/a/b")
    assert system.is_directory(f"{root}/a/b")
