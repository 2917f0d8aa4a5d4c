import errno
import gc
import os
import sys
import threading
import tracemalloc

import pytest

from recordfs._core import ReadOnlyMemoryRegion
from recordfs.errors import ClosedFileError, OutOfRangeError


@pytest.fixture(params=["held", "mapped"])
def region(request, tmp_path):
    if request.param == "held":
        return ReadOnlyMemoryRegion(b"0123456789")
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return ReadOnlyMemoryRegion.map_file(descriptor)
    finally:
        os.close(descriptor)


def is_mapped(path):
    with open("/proc/self/maps") as maps:
        return str(path) in maps.read()


def test_a_region_is_a_read_only_buffer(region):
    assert bytes(region) == b"0123456789"
    assert len(region) == region.length == 10
    view = memoryview(region)
    assert view.readonly
    assert view.obj is region
    assert bytes(view[2:5]) == b"234"
    with pytest.raises(TypeError):
        view[0] = 1


def test_no_copy_is_made_of_held_bytes():
    data = bytes(10_000_000)
    tracemalloc.start()
    try:
        view = memoryview(ReadOnlyMemoryRegion(data))[5:]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(view) == len(data) - 5
    assert peak < 100_000


def test_views_outlive_close_and_collection(region):
    view = memoryview(region)[3:]
    region.close()
    region.close()
    assert region.closed
    del region
    gc.collect()
    assert bytes(view) == b"3456789"


def test_a_closed_region_gives_no_new_views(region):
    region.close()
    assert region.length == 10
    with pytest.raises(BufferError):
        memoryview(region)
    with pytest.raises(ClosedFileError):
        _ = region.data
    with pytest.raises(ClosedFileError), region:
        pass


def test_the_mapping_goes_with_the_last_view_after_close(tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(b"abc")
    with open(path, "rb") as file:
        region = ReadOnlyMemoryRegion.map_file(file.fileno())
    with region:
        view = region.data
        slice_of_view = view[1:]
    assert is_mapped(path)
    view.release()
    assert is_mapped(path)
    slice_of_view.release()
    assert not is_mapped(path)


def test_the_mapping_goes_with_an_unclosed_region(tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(b"abc")
    with open(path, "rb") as file:
        region = ReadOnlyMemoryRegion.map_file(file.fileno())
    assert is_mapped(path)
    del region
    gc.collect()
    assert not is_mapped(path)


def test_held_bytes_are_let_go_at_close():
    data = bytes(1000)
    before = sys.getrefcount(data)
    region = ReadOnlyMemoryRegion(data)
    assert sys.getrefcount(data) == before + 1
    region.close()
    assert sys.getrefcount(data) == before


def test_an_empty_file_is_an_empty_region(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    with open(path, "rb") as file, ReadOnlyMemoryRegion.map_file(file.fileno()) as region:
        assert bytes(region) == b""
    with ReadOnlyMemoryRegion(b"") as region:
        assert len(region.data) == 0


def test_what_cannot_be_mapped_is_an_os_error(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match=r"No such device$") as caught:
            ReadOnlyMemoryRegion.map_file(descriptor)
    finally:
        os.close(descriptor)
    assert caught.value.errno == errno.ENODEV
    with pytest.raises(OSError, match=r"Bad file descriptor$") as caught:
        ReadOnlyMemoryRegion.map_file(descriptor)
    assert caught.value.errno == errno.EBADF
    with pytest.raises(TypeError):
        ReadOnlyMemoryRegion("text")


def test_views_from_many_threads_while_one_closes(region):
    failures = []

    def look():
        try:
            for _ in range(2000):
                assert bytes(memoryview(region)) == b"0123456789"
        except BufferError:
            pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    region.close()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_subregion_is_a_part_without_a_copy_that_outlives_the_whole(region):
    part = region.subregion(2, 5)
    nested = part.subregion(1, 4)
    region.close()
    del region
    gc.collect()
    assert bytes(part) == b"23456"
    assert (bytes(nested), len(nested)) == (b"3456", 4)
    part.close()
    assert bytes(nested) == b"3456"
    with pytest.raises(ClosedFileError):
        part.subregion(0, 1)


def test_subregions_of_a_mapping_keep_it_and_no_longer(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    with open(path, "rb") as file, ReadOnlyMemoryRegion.map_file(file.fileno()) as whole:
        part = whole.subregion(4, 2)
    assert is_mapped(path)
    assert bytes(part) == b"45"
    part.close()
    assert not is_mapped(path)


@pytest.mark.parametrize(("offset", "length"), [(0, 11), (10, 1), (11, 0), (2**63, 2**63), (5, 2**64 - 4)])
def test_a_subregion_lies_within_the_whole(region, offset, length):
    with pytest.raises(OutOfRangeError, match="region of 10 bytes"):
        region.subregion(offset, length)
    assert bytes(region.subregion(10, 0)) == b""
