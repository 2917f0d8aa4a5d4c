"""GFile on a store whose every call fails in turn: the error comes out, and the same call works when tried again."""

import itertools

import pytest

from recordfs import file_io, gfile
from recordfs.errors import UnavailableError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.gfile import GFile
from recordfs.testing.faulty import FaultyFileSystem

_numbers = itertools.count()
LINES = [f"line {i} é\n" for i in range(4000)]


@pytest.fixture
def root():
    top = f"ram://gfile-faults-{next(_numbers)}"
    yield top
    if gfile.exists(top):
        gfile.rmtree(top)


def write_and_read(call, file_system, root):
    """What a program does with files, every step by `call`; return what it read."""
    path = f"{root}/x"
    writer = GFile(path, "w", file_system=file_system)
    for line in LINES[:3]:
        call(lambda line=line: writer.write(line))
    call(writer.flush)
    call(lambda: writer.write("".join(LINES[3:])))
    call(writer.close)

    found = []
    reader = GFile(path, file_system=file_system)
    found.append(call(lambda: reader.read(5)))
    found.append(call(reader.readline))
    found += [call(lambda: next(iter(reader))) for _ in range(3)]
    found.append(call(lambda: reader.read(40_000)))
    found.append(call(reader.read))
    found.append(call(lambda: reader.seek(-20, 2)))
    found.append(call(reader.read))
    buffer = bytearray(30_000)
    binary = GFile(path, "rb", file_system=file_system)
    found.append(call(lambda: binary.readinto(buffer)))
    found.append(bytes(buffer))
    found.append(call(lambda: GFile(path, file_system=file_system).size()))

    for mode in ("a+", "r+", "w+"):
        both = GFile(path, mode, file_system=file_system)
        call(lambda both=both: both.seek(0, 2))
        call(lambda both=both: both.write("more"))
        call(lambda both=both: both.seek(0))
        found.append(call(both.read))
        call(both.close)
    return found


def test_every_call_of_the_store_may_fail_once(root):
    calm = FaultyFileSystem(MemoryFileSystem())
    expected = write_and_read(lambda step: step(), calm, root)
    assert expected[-3:] == ["".join(LINES) + "more", "".join(LINES) + "moremore", "more"]
    calls = len(calm.calls)
    assert calls > 30
    for number in range(1, calls + 1):
        faulty = FaultyFileSystem(MemoryFileSystem())
        faulty.fail(nth=number)
        failures = []

        def tried_again(step, failures=failures):
            try:
                return step()
            except UnavailableError as error:
                failures.append(error)
                return step()

        assert write_and_read(tried_again, faulty, root) == expected, calm.calls[number - 1]
        assert len(failures) == 1, calm.calls[number - 1]


def test_a_close_that_failed_can_be_tried_again(root):
    faulty = FaultyFileSystem(MemoryFileSystem())
    faulty.fail("close")
    file = GFile(f"{root}/x", "w", file_system=faulty)
    file.write("kept")
    with pytest.raises(UnavailableError):
        file.close()
    assert not file.closed
    file.close()
    assert file.closed
    assert GFile(f"{root}/x").read() == "kept"


def test_a_failed_close_comes_out_of_a_with_block(root):
    faulty = FaultyFileSystem(MemoryFileSystem())
    faulty.fail("close")
    file = GFile(f"{root}/x", "w", file_system=faulty)

    def write():
        with file:
            file.write("kept")

    with pytest.raises(UnavailableError):
        write()
    file.close()
    assert GFile(f"{root}/x").read() == "kept"


def test_an_atomic_string_is_there_whole_or_not_at_all(root):
    calm = FaultyFileSystem(MemoryFileSystem())
    file_io.atomic_write_string_to_file(f"{root}/calm", "new" * 100_000, file_system=calm)
    for number in range(1, len(calm.calls) + 1):
        path = f"{root}/{number}/x"
        file_io.write_string_to_file(path, "old")
        faulty = FaultyFileSystem(MemoryFileSystem())
        faulty.fail(nth=number)
        with pytest.raises(UnavailableError):
            file_io.atomic_write_string_to_file(path, "new" * 100_000, file_system=faulty)
        assert file_io.read_file_to_string(path) == "old"
        assert gfile.listdir(f"{root}/{number}") == ["x"]
