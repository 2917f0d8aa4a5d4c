"""What only ram:// has: one store a process, implicit directories, bytes that outlive their name."""

import itertools
import threading

import pytest

from recordfs.errors import AlreadyExistsError, FailedPreconditionError
from recordfs.filesystems import _buffered_writer, memory
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.testing.processes import in_child
from support.interrupts import interrupted_at

system = MemoryFileSystem()
_numbers = itertools.count()


@pytest.fixture
def root():
    path = f"ram://unit-memory-{next(_numbers)}"
    system.create_dir(path)
    yield path
    system.delete_recursively(path)


def write(path, data=b"data"):
    with system.new_writable_file(path) as file:
        file.append(data)


def read(path, on=system):
    with on.new_random_access_file(path) as file:
        return file.read(0, file.size())


def test_all_instances_share_one_store(root):
    write(f"{root}/f")
    assert read(f"{root}/f", on=MemoryFileSystem()) == b"data"


def test_paths_are_cleaned(root):
    write(f"{root}//a/./b/../f/")
    assert read(f"{root}/a/f") == b"data"
    assert system.canonical_path(f"RAM:{root[4:]}//a/x/../f") == system.canonical_path(f"{root}/a/f")
    assert system.translate_name(f"{root}/a/f") == f"/{root[6:]}/a/f"
    assert system.translate_name("ram://") == "/"


def test_the_authority_is_a_directory_like_any_other(root):
    assert root[6:] in system.get_children("ram://")
    assert root in system.get_matching_paths("ram://unit-memory-*")
    with pytest.raises(FailedPreconditionError):
        system.delete_dir("ram://")


def test_a_made_directory_stays_and_an_implied_one_goes(root):
    system.create_dir(f"{root}/made")
    write(f"{root}/made/f")
    write(f"{root}/implied/f")
    with pytest.raises(AlreadyExistsError):
        system.create_dir(f"{root}/implied")
    for name in ("made", "implied"):
        system.delete_file(f"{root}/{name}/f")
    assert system.get_children(root) == ["made"]


def test_who_reads_a_file_keeps_its_bytes_when_it_is_replaced_or_deleted(root):
    path = f"{root}/f"
    write(path, b"old")
    with system.new_random_access_file(path) as file:
        write(path, b"new and longer")
        assert file.read(0, 100) == b"old"
        system.delete_recursively(path)
        assert file.read(0, 100) == b"old"


def test_unflushed_bytes_are_not_seen(root):
    with system.new_writable_file(f"{root}/f") as file:
        file.append(b"pending")
        assert read(f"{root}/f") == b""
        file.flush()
        assert read(f"{root}/f") == b"pending"


def test_readers_and_a_writer_at_once(root):
    path = f"{root}/f"
    write(path, b"")
    done = threading.Event()
    wrong = []

    def watch():
        buffer = bytearray(1000)
        with system.new_random_access_file(path) as file:
            while not done.is_set():
                got = file.read_into(0, buffer)
                if buffer[:got].strip(b"x") or set(file.read(0, 100_000)) - {ord("x")}:
                    wrong.append(bytes(buffer[:got]))

    threads = [threading.Thread(target=watch) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with system.new_appendable_file(path) as file:
            for _ in range(500):
                file.append(b"x" * 997)
                file.flush()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert system.get_file_size(path) == 500 * 997


def test_a_forked_child_has_a_copy_of_its_own(root):
    write(f"{root}/f", b"parent")

    def change():
        write(f"{root}/f", b"child")
        return read(f"{root}/f")

    assert in_child(change) == b"child"
    assert read(f"{root}/f") == b"parent"


def test_a_fork_while_another_thread_writes_gives_a_whole_tree(root):
    stop = threading.Event()

    def churn():
        for number in itertools.count():
            if stop.is_set():
                return
            write(f"{root}/d{number % 3}/f", b"12345")
            system.delete_recursively(f"{root}/d{number % 3}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            assert in_child(lambda: b"ok" if isinstance(system.get_children(root), list) else b"") == b"ok"
    finally:
        stop.set()
        thread.join()


def test_an_interrupted_append_cuts_off_nothing_of_another_writer(root):
    path = f"{root}/log"
    modules = (_buffered_writer, memory)
    line_number = 0
    reached = True
    while reached:
        line_number += 1
        with system.new_writable_file(path):
            pass
        first, second = (system.new_appendable_file(path) for _ in range(2))
        second.append(b"second")
        second.flush()
        reached = interrupted_at(line_number, lambda first=first: first.append(b"b" * 100_000), modules)
        first.append(b"end")
        first.close()
        second.close()
        with system.new_random_access_file(path) as file:
            data = file.read(0, 1_000_000)
        assert data in (b"secondend", b"second" + b"b" * 100_000 + b"end"), line_number
    assert line_number > 10


def test_tell_of_two_appenders_is_exact_after_a_flush(root):
    first, second = (MemoryFileSystem().new_appendable_file(f"{root}/log") for _ in range(2))
    second.append(b"56789")
    second.flush()
    first.append(b"0")
    first.flush()
    assert (first.tell(), second.tell()) == (6, 5)
    first.close()
    second.close()
