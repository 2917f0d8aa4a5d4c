"""Filesystems that say other than what is so, in one thing each: the conformance suite finds every one of them out."""

import itertools

import pytest

from recordfs.errors import RecordFSError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperWritableFile
from recordfs.testing.conformance import FileSystemConformance
from recordfs.testing.place import Place

_numbers = itertools.count()


class Dropping(WrapperWritableFile):
    """Takes a refusal for done: nothing is stored."""

    def _close(self):
        self.inner.discard()
        self._end()


class IgnoresFailedPuts(WrapperFileSystem):
    def wrap_writer(self, file):
        return Dropping(file)


class IgnoresFailedReplacements(WrapperFileSystem):
    def new_writable_file(self, path, *, exclusive=False, atomic=False):
        if not self.inner.file_exists(path):
            return super().new_writable_file(path, exclusive=exclusive, atomic=atomic)
        return Dropping(self.inner.new_writable_file(path, exclusive=exclusive, atomic=True))


class Late(WrapperWritableFile):
    """Acknowledges what its filesystem stores some time later."""

    def __init__(self, inner, later):
        super().__init__(inner)
        self.later = later

    def _close(self):
        self.later.append(self.inner)
        self._end()


class AcknowledgesBeforeStoring(WrapperFileSystem):
    def __init__(self, inner, **options):
        super().__init__(inner, **options)
        self.later = []

    def new_writable_file(self, path, *, exclusive=False, atomic=False):
        for file in self.later:
            file.close()
        self.later.clear()
        return Late(self.inner.new_writable_file(path, exclusive=exclusive, atomic=True), self.later)

    def close(self):
        for file in self.later:
            file.discard()


class LosesRenames(WrapperFileSystem):
    def rename_file(self, source, target, *, overwrite=True):
        self.inner.stat(source)


class LosesWhatIsRenamed(WrapperFileSystem):
    def rename_file(self, source, target, *, overwrite=True):
        self.inner.delete_file(source)


class IgnoresDeletions(WrapperFileSystem):
    def delete_file(self, path):
        self.inner.stat(path)


class LosesCopies(WrapperFileSystem):
    def copy_file(self, source, target, *, overwrite=True):
        self.inner.stat(source)


class ListsOnePage(WrapperFileSystem):
    def list_directory(self, path):
        return itertools.islice(self.inner.list_directory(path), 1000)


class Remembering(WrapperFileSystem):
    """Answers by its first look."""

    def __init__(self, inner, **options):
        super().__init__(inner, **options)
        self.seen = {}

    def first(self, method, path):
        if (method, path) not in self.seen:
            found = getattr(self.inner, method)(path)
            self.seen[method, path] = list(found) if method == "list_directory" else found
        return self.seen[method, path]


class ListsFromItsMemory(Remembering):
    def list_directory(self, path):
        return iter(self.first("list_directory", path))


class ListsFormerLengths(Remembering):
    def list_directory(self, path):
        for entry in self.inner.list_directory(path):
            yield entry._replace(length=self.seen.setdefault(f"{path}/{entry.name}", entry.length))


class GlobsFromItsMemory(Remembering):
    def get_matching_paths(self, pattern):
        return self.first("get_matching_paths", pattern)


class KnowsSizesFromItsMemory(Remembering):
    def get_file_size(self, path):
        return self.first("get_file_size", path)


class BelievesWhatIsGone(Remembering):
    def files_exist(self, paths):
        return [self.seen.setdefault(path, self.inner.file_exists(path)) for path in paths]


FOUND_BY = {
    IgnoresFailedPuts: "test_w1_a_file_holds_what_was_appended",
    IgnoresFailedReplacements: "test_w3_a_new_file_replaces_an_old_one",
    AcknowledgesBeforeStoring: "test_w1_a_file_holds_what_was_appended",
    LosesRenames: "test_m1_a_file_gets_another_name",
    LosesWhatIsRenamed: "test_m1_a_file_gets_another_name",
    IgnoresDeletions: "test_x1_a_file_can_be_deleted",
    LosesCopies: "test_c1_a_copy_has_the_bytes_and_the_source_keeps_them",
    ListsOnePage: "test_l4_many_children_come_each_once",
    ListsFromItsMemory: "test_l8_what_is_there_is_told_anew_after_a_change",
    ListsFormerLengths: "test_l8_what_is_there_is_told_anew_after_a_change",
    GlobsFromItsMemory: "test_l8_what_is_there_is_told_anew_after_a_change",
    KnowsSizesFromItsMemory: "test_l8_what_is_there_is_told_anew_after_a_change",
    BelievesWhatIsGone: "test_l8_what_is_there_is_told_anew_after_a_change",
}


@pytest.mark.parametrize("untrue", FOUND_BY, ids=lambda untrue: untrue.__name__)
def test_a_filesystem_that_is_not_true_in_one_thing_fails_the_suite(untrue):
    inner = MemoryFileSystem()
    file_system, root = untrue(inner), f"ram://untrue-{next(_numbers)}/root"
    inner.recursively_create_dir(root)
    scenario = getattr(FileSystemConformance(), FOUND_BY[untrue])
    try:
        scenario(Place(WrapperFileSystem(inner), root))
        inner.delete_recursively(root)
        inner.recursively_create_dir(root)
        with pytest.raises((AssertionError, RecordFSError, pytest.fail.Exception)):
            scenario(Place(file_system, root))
    finally:
        file_system.close()
        MemoryFileSystem().delete_recursively(root)


def test_a_filesystem_that_ignores_refusals_only_fails_where_the_suite_is_given_one():
    class IgnoresRefusals(WrapperFileSystem):
        def wrap_writer(self, file):
            return Dropping(file) if "refused" in file.name else file

    file_system = IgnoresRefusals(MemoryFileSystem())
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        FileSystemConformance().test_w23_what_the_store_refuses_is_an_error(
            (file_system, f"ram://untrue-{next(_numbers)}/refused")
        )
