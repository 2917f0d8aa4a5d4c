"""The conformance scenarios R: reading."""

from __future__ import annotations

import array
import threading
from typing import TYPE_CHECKING

import pytest

from recordfs.errors import (
    AbortedError,
    ClosedFileError,
    InvalidArgumentError,
    IsADirectoryError,
    NotFoundError,
)
from recordfs.testing.numbers import NO_WHOLE_NUMBERS, other_whole_number

if TYPE_CHECKING:
    from recordfs.testing.place import Place

__all__ = ["ReadingScenarios"]


class ReadingScenarios:
    """Random reads, ranges and memory regions."""

    def test_r1_reads_at_any_offset(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        with place.file_system.new_random_access_file(path) as file:
            assert file.read(3, 4) == b"3456"
            assert file.read(0, 1) == b"0"
            assert file.read(0, 10) == b"0123456789"
            assert type(file.read(3, 4)) is bytes

    def test_r2_reads_short_at_the_end_and_nothing_past_it(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        with place.file_system.new_random_access_file(path) as file:
            assert file.read(8, 10) == b"89"
            for offset in (10, 11, 1 << 40, 1 << 62, 1 << 63, 1 << 70):
                assert file.read(offset, 5) == b"", offset

    def test_r3_reads_nothing_when_asked_for_nothing(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        with place.file_system.new_random_access_file(path) as file:
            assert file.read(3, 0) == b""
            assert file.read_into(3, bytearray()) == 0

    def test_r4_refuses_negative_numbers_and_what_is_no_whole_number(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        with place.file_system.new_random_access_file(path) as file:
            for no_number in NO_WHOLE_NUMBERS:
                for method, *arguments in (
                    (file.read, no_number, 1),
                    (file.read, 0, no_number),
                    (file.read_into, no_number, bytearray(4)),
                    (file.read_ranges, [(0, 1), (no_number, 1)]),
                    (file.read_ranges, [(0, no_number)]),
                    (file.read_ahead, no_number, 1),
                ):
                    with pytest.raises(TypeError, match="whole number"):
                        method(*arguments)
            assert file.read(other_whole_number(2), other_whole_number(3)) == b"234"
            assert file.read_ranges([(other_whole_number(4), other_whole_number(2))]) == [b"45"]
            for offset, n in ((-1, 1), (0, -1)):
                with place.fails(InvalidArgumentError, path):
                    file.read(offset, n)
            with place.fails(InvalidArgumentError, path):
                file.read_into(-1, bytearray(4))

    def test_r5_a_hostile_length_takes_only_the_memory_of_what_is_there(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        with place.file_system.new_random_access_file(path) as file:
            assert file.read(0, 1 << 45) == b"0123456789"
            assert file.read(5, (1 << 63) - 1) == b"56789"

    def test_r6_reads_into_a_buffer(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        with place.file_system.new_random_access_file(path) as file:
            buffer = bytearray(b"----------")
            got = file.read_into(2, memoryview(buffer)[1:5])
            assert 1 <= got <= 4
            assert buffer == b"-" + b"2345"[:got] + b"-" * (9 - got)
            at_end = file.read_into(8, buffer)
            assert 1 <= at_end <= 2
            assert buffer[:at_end] == b"89"[:at_end]
            for offset in (10, 11, 1 << 62, 1 << 70):
                assert file.read_into(offset, buffer) == 0, offset
            buffer.append(0)  # a buffer that the file still held could not be resized

    def test_r7_takes_writable_buffers_of_any_kind_and_no_others(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        with place.file_system.new_random_access_file(path) as file:
            numbers = array.array("I", [0, 0])
            got = file.read_into(0, numbers)
            assert numbers.tobytes()[:got] == b"01234567"[:got]
            assert file.read_into(0, array.array("I")) == 0
            for wrong in (b"read-only", memoryview(bytearray(8))[::2]):
                with place.fails(InvalidArgumentError, path):
                    file.read_into(0, wrong)

    def test_r8_reads_ranges_in_the_order_asked(self, place: Place) -> None:
        data = bytes(range(256)) * 1000
        path = place.put("f", data)
        end = len(data)
        ranges = [(200_000, 10), (0, 5), (0, 5), (3, 10), (100, 0), (end - 3, 10), (end, 4), (end + 9, 4), (7, 70_000)]
        expected = [data[offset : offset + length] for offset, length in ranges]
        with place.file_system.new_random_access_file(path) as file:
            assert file.read_ranges([]) == []
            for max_gap in (0, 1000, 1 << 30):
                assert file.read_ranges(ranges, max_gap=max_gap) == expected
            assert file.read_ranges(ranges) == expected

    def test_r9_refuses_all_ranges_for_one_wrong_one(self, place: Place) -> None:
        path = place.put("f")
        with place.file_system.new_random_access_file(path) as file:
            for wrong in ((-1, 2), (2, -1)):
                with place.fails(InvalidArgumentError, path):
                    file.read_ranges([(0, 1), wrong])
            with place.fails(InvalidArgumentError, path):
                file.read_ranges([(0, 1)], max_gap=-1)

    def test_r10_what_cannot_be_opened(self, place: Place) -> None:
        path = place.put("f")
        with place.fails(NotFoundError, place.path("missing")):
            place.file_system.new_random_access_file(place.path("missing"))
        with place.fails(NotFoundError, place.path("missing/deeper")):
            place.file_system.new_random_access_file(place.path("missing/deeper"))
        with place.fails(IsADirectoryError, place.root):
            place.file_system.new_random_access_file(place.root)
        with place.fails(place.error_below_a_file, f"{path}/below"):
            place.file_system.new_random_access_file(f"{path}/below")

    def test_r11_an_empty_file_is_a_file(self, place: Place) -> None:
        path = place.put("f", b"")
        with place.file_system.new_random_access_file(path) as file:
            assert file.size() == 0
            assert file.read(0, 10) == b""
            assert file.read_ranges([(0, 10)]) == [b""]

    def test_r12_an_open_file_sees_what_is_flushed_later(self, place: Place) -> None:
        place.needs("write", "growing_reads")
        if place.capabilities.flush_visibility != "flush":
            pytest.skip("declares that only close publishes")
        path = place.path("f")
        with place.file_system.new_writable_file(path) as writer:
            writer.append(b"first")
            writer.flush()
            with place.file_system.new_random_access_file(path) as file:
                assert file.read(0, 100) == b"first"
                assert file.read(5, 100) == b""
                writer.append(b" second")
                writer.flush()
                assert file.read(5, 100) == b" second"
                assert file.size() == 12

    def test_r13_many_threads_read_one_file(self, place: Place) -> None:
        data = bytes(range(256)) * 512
        path = place.put("f", data)
        wrong: list[int] = []
        with place.file_system.new_random_access_file(path) as file:

            def read_some(first: int) -> None:
                offsets = range(first, len(data), 4096 + 7)
                wrong.extend(at for at in offsets if file.read(at, 1000) != data[at : at + 1000])

            threads = [threading.Thread(target=read_some, args=(first,)) for first in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert wrong == []

    def test_r14_a_closed_file_refuses_all_but_its_name(self, place: Place) -> None:
        path = place.put("f")
        with place.file_system.new_random_access_file(path) as file:
            assert file.name == path
        file.close()
        assert file.name == path
        for call in (
            lambda: file.read(0, 1),
            lambda: file.read_into(0, bytearray(1)),
            lambda: file.read_ranges([(0, 1)]),
            file.size,
        ):
            with place.fails(ClosedFileError, path):
                call()

    def test_r15_a_memory_region_has_the_bytes(self, place: Place) -> None:
        data = b"0123456789" * 1000
        path = place.put("f", data)
        region = place.file_system.new_read_only_memory_region_from_file(path)
        view = memoryview(region)
        assert view.readonly
        assert view.nbytes == len(data) == len(region)
        assert bytes(view[5:9]) == b"5678"
        assert bytes(region) == data
        empty = place.put("empty", b"")
        assert bytes(place.file_system.new_read_only_memory_region_from_file(empty)) == b""

    def test_r16_what_gives_no_memory_region(self, place: Place) -> None:
        path = place.put("f")
        with place.fails(NotFoundError, place.path("missing")):
            place.file_system.new_read_only_memory_region_from_file(place.path("missing"))
        with place.fails(IsADirectoryError, place.root):
            place.file_system.new_read_only_memory_region_from_file(place.root)
        with place.fails(place.error_below_a_file, f"{path}/below"):
            place.file_system.new_read_only_memory_region_from_file(f"{path}/below")

    def test_r17_several_readers_are_independent(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        first = place.file_system.new_random_access_file(path)
        with place.file_system.new_random_access_file(path) as second:
            first.close()
            assert second.read(2, 3) == b"234"

    def test_r18_an_open_file_notices_that_it_was_replaced_or_deleted(self, place: Place) -> None:
        place.needs("write", "detects_replacement")
        path = place.put("f", b"first")
        for change in (lambda: place.put("f", b"second, and longer"), lambda: place.file_system.delete_file(path)):
            with place.file_system.new_random_access_file(path) as file:
                size = file.size()
                assert len(file.read(0, 100)) == size
                change()
                with place.fails(AbortedError, path):
                    file.read(size, 100)
                with place.fails(AbortedError, path):
                    file.size()

    def test_r19_reading_ahead_changes_nothing_that_comes(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        with place.file_system.new_random_access_file(path) as file:
            for offset, n in ((0, 4), (8, 100), (10, 1), (1 << 40, 1 << 40), (2, 0)):
                size = file.read_ahead(offset, n)
                assert size is None or size == 10
                assert file.read(2, 5) == b"23456"
                assert file.read(offset, 10) == b"0123456789"[offset:]
            file.read_ahead(0, 10)

    def test_r20_fills_a_buffer_as_far_as_the_file_goes(self, place: Place) -> None:
        data = bytes(range(256)) * 12_000
        path = place.put("f", data)
        with place.file_system.new_random_access_file(path) as file:
            for offset, size in ((0, len(data)), (3, 2_500_000), (len(data) - 10, 10), (7, 5), (7, 0)):
                buffer = bytearray(size)
                assert file.read_range_into(offset, buffer) == size, offset
                assert buffer == data[offset : offset + size], offset
                buffer.append(0)  # a buffer that the file still held could not be resized
            buffer = bytearray(2_000_000)
            assert file.read_range_into(len(data) - 1_500_000, buffer) == 1_500_000
            assert buffer[:1_500_000] == data[-1_500_000:]
            for offset in (len(data), len(data) + 1, 1 << 70):
                assert file.read_range_into(offset, buffer) == 0, offset
            with place.fails(InvalidArgumentError, path):
                file.read_range_into(-1, buffer)
            with place.fails(InvalidArgumentError, path):
                file.read_range_into(0, b"read-only")
        with place.fails(ClosedFileError, path):
            file.read_range_into(0, buffer)
