"""Reading from every object store: ranges, read-ahead, and never two versions mixed."""

import contextlib
import os
import random
import subprocess
import sys

import pytest

from recordfs.errors import AbortedError, UnavailableError

pytestmark = pytest.mark.service

MIB = 1 << 20


def test_sequential_and_random_reads_give_the_bytes(object_place):
    store = object_place.file_system
    path = f"{object_place.root}/f"
    data = random.Random(1).randbytes(23 * MIB + 17)
    object_place.put(path, data)
    with store.new_random_access_file(path) as file:
        buffer, got = bytearray(300_001), bytearray()
        while count := file.read_into(len(got), buffer):
            got += buffer[:count]
        assert got == data
        assert file.read(5, 20 * MIB) == data[5 : 5 + 20 * MIB]
        source = random.Random(2)
        ranges = [(source.randrange(len(data) + 100), source.randrange(5000)) for _ in range(200)]
        assert file.read_ranges(ranges) == [data[o : o + n] for o, n in ranges]


def test_random_reads_fetch_little_more_than_asked(object_place):
    store = object_place.file_system
    path = f"{object_place.root}/f"
    object_place.put(path, bytes(8 * MIB))
    with store.new_random_access_file(path) as file:
        before = store.statistics().get("GetRange", (0, 0, 0))[2]
        file.read_ranges([(offset, 4096) for offset in range(0, 8 * MIB, 200_000)], max_gap=1000)
        for offset in range(7 * MIB, 0, -300_000):
            file.read(offset, 4096)
        asked = 4096 * (len(range(0, 8 * MIB, 200_000)) + len(range(7 * MIB, 0, -300_000)))
        assert store.statistics()["GetRange"][2] - before <= 1.5 * asked


def test_growth_by_its_own_writer_is_read_on(object_place):
    store = object_place.file_system
    path = f"{object_place.root}/f"
    data = random.Random(4).randbytes(9 * MIB)
    with store.new_writable_file(path) as writer:
        writer.append(data[:100])
        writer.flush()
        with store.new_random_access_file(path) as file:
            assert file.read(0, 1000) == data[:100]
            writer.append(data[100:])
            writer.flush()
            assert file.read(100, len(data)) == data[100:]
            assert file.size() == len(data)


def test_a_replaced_object_is_never_mixed_with_the_old_one(object_place):
    store = object_place.file_system
    path = f"{object_place.root}/f"
    object_place.put(path, b"a" * (2 * MIB))
    with store.new_random_access_file(path) as file:
        assert file.read(0, 10) == b"a" * 10
        object_place.put(path, b"b" * (3 * MIB))
        with pytest.raises(AbortedError, match="replaced"):
            file.read(MIB, 10)


def test_keys_that_the_fast_client_would_change_are_read_verbatim(object_place):
    store = object_place.file_system
    for key in ("a//b", "tab\tin it", "#?%41"):
        path = f"{object_place.root}/{key}"
        # Some test servers keep keys as local file names, and refuse or change these.
        with contextlib.suppress(Exception):
            object_place.put(path, key.encode())
        if store.file_exists(path):
            with store.new_random_access_file(path) as file:
                assert file.read(0, 100) == key.encode()


def filled(file, size):
    """Read from the beginning into memory that is there."""
    buffer = bytearray(size)
    return buffer[: file.read_range_into(0, buffer)]


@pytest.mark.parametrize("read", [lambda file, size: file.read(0, size), filled], ids=["read", "read_range_into"])
@pytest.mark.parametrize("mode", ["reset", "cut_response", "short_response", "status"])
def test_a_read_survives_a_passing_fault(object_place, mode, read):
    store = object_place.file_system
    path = f"{object_place.root}/f"
    data = random.Random(5).randbytes(3 * MIB)
    object_place.put(path, data)
    with store.new_random_access_file(path) as file:
        fault = object_place.proxy.fail(r"GET .*(/|%2F)f(\?generation=\d+)?$", mode, count=2)
        assert read(file, len(data)) == data
        assert fault.hits


def test_memory_is_filled_by_one_version_of_an_object_that_is_replaced(object_place):
    store = object_place.file_system
    path = f"{object_place.root}/f"
    object_place.put(path, b"a" * (3 * MIB))
    with store.new_random_access_file(path) as file:
        assert filled(file, 4 * MIB) == b"a" * (3 * MIB)
        object_place.put(path, b"b" * (3 * MIB))
        with pytest.raises(AbortedError, match="replaced"):
            filled(file, 3 * MIB)


def test_objects_can_be_read_while_the_interpreter_ends(object_place):
    path = f"{object_place.root}/f"
    object_place.put(path, bytes(3 * MIB))
    program = f"""
import atexit, recordfs

def read():
    with store.new_random_access_file({path!r}) as file:
        found = [file.read(0, 100_000), file.read(100_000, 2_000_000), *file.read_ranges([(0, 5), (2_000_000, 7)])]
    print(*map(len, found))

store = recordfs.get_file_system({path!r}, options={object_place.options!r})
store.new_random_access_file({path!r}).close()
atexit.register(read)
"""
    environment = os.environ | object_place.environment
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100000", "2000000", "5", "7"]


@pytest.mark.parametrize("mode", ["cut_response", "short_response"])
def test_a_read_through_the_sdk_survives_an_answer_that_breaks_off(object_place, mode):
    path = f"{object_place.root}/a//f"  # a key that the fast client would change
    data = random.Random(5).randbytes(2 * MIB)
    object_place.put(path, data)
    with object_place.file_system.new_random_access_file(path) as file:
        fault = object_place.proxy.fail("GET .*", mode, count=2)
        assert file.read(1000, MIB) == data[1000 : 1000 + MIB]
        assert fault.hits == 2


@pytest.mark.parametrize("key", ["f", "a//f"])
def test_an_answer_that_is_always_short_is_no_replaced_object(object_place, key):
    path = f"{object_place.root}/{key}"  # the second is read through the SDK
    data = random.Random(6).randbytes(MIB)
    object_place.put(path, data)
    with object_place.file_system.new_random_access_file(path) as file:
        object_place.proxy.fail("GET (?!.*projection=)", "short_response", count=10_000)
        for read in (
            lambda: file.read(1000, 5000),
            lambda: file.read(0, MIB),
            lambda: file.read_ranges([(0, 10), (MIB - 10, 10)]),
            lambda: filled(file, MIB),
        ):
            with pytest.raises(UnavailableError, match="broke off"):
                read()
        object_place.proxy.heal()
        assert file.read(0, MIB) == data


def test_a_refusal_that_breaks_off_is_asked_for_again(object_place):
    path = f"{object_place.root}/a//f"  # a key that the fast client would change
    object_place.put(path, b"old" * 1000)
    with object_place.file_system.new_random_access_file(path) as file:
        object_place.put(path, b"another")
        fault = object_place.proxy.fail("GET .*f[^/]*$", "cut_response", count=2)
        with pytest.raises(AbortedError, match="replaced"):
            file.read(0, 10)
        assert fault.hits


@pytest.mark.parametrize("mode", ["cut_response", "short_response"])
def test_a_listing_that_breaks_off_is_asked_for_again(object_place, mode):
    names = [f"name-{number}" for number in range(30)]
    for name in names:
        object_place.put(f"{object_place.root}/{name}", b"")
    fault = object_place.proxy.fail("GET .*(prefix|list-type)=", mode, count=2)
    assert sorted(object_place.file_system.get_children(object_place.root)) == sorted(names)
    assert fault.hits
