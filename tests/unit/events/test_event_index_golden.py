"""The index of version 1, as docs/formats/event-index.md has it, is read for ever: by us, and by that page alone."""

import os
import struct
import sys
import zlib

from recordfs._core import EventFramer
from recordfs.events.file_columns import ReadOptions, read_file_columns
from recordfs.registry import get_file_system

GOLDEN = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", "golden"))
PATH = os.path.join(GOLDEN, "events", "recordfs_index_1.tfevents")


def read(**options):
    with get_file_system(PATH).new_random_access_file(PATH) as file:
        return read_file_columns(file, ReadOptions(**options))


def test_the_golden_index_gives_what_the_golden_events_give():
    indexed, scanned = read(), read(use_index=False)
    assert indexed.indexed_bytes == os.path.getsize(PATH)
    assert list(indexed.points) == list(scanned.points)
    assert len(indexed.points) == 7
    for tag, points in scanned.points.items():
        assert [part.tobytes() for part in indexed.points[tag][:4]] == [part.tobytes() for part in points[:4]]
    # The file is older than the kinds that tell in which field a value is.
    scanned_tags = [entry._replace(value_kind=None) for entry in scanned.tags]
    assert repr(indexed.tags) == repr(scanned_tags)
    assert indexed.starts == scanned.starts
    assert [start.step for start in indexed.starts] == [40]


class Numbers:
    """The numbers of a block, as the page says they stand."""

    def __init__(self, block):
        self.content = zlib.decompress(block)
        self.place = 0

    def varint(self):
        value = shift = 0
        while True:
            byte = self.content[self.place]
            self.place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self):
        value = self.varint()
        return value >> 1 if value % 2 == 0 else -(value + 1 >> 1)

    def bytes(self, count):
        self.place += count
        return self.content[self.place - count : self.place]


def as_double(bits):
    return struct.unpack("<d", struct.pack("<Q", bits % 2**64))[0]


def test_the_page_alone_is_enough_to_read_a_curve():
    with open(PATH, "rb") as file:
        data = file.read()
    trailer = data[-36:-4]
    record, columns, rows, directory, version = struct.unpack("<QIIII", trailer[:24])
    assert (version, trailer[24:]) == (1, b"RFSEVIX1")
    end = len(data) - 36
    assert data[record + 12 + 9 :].startswith(b"\xca\xb5\x03")
    rows_begin = end - directory - rows
    numbers = Numbers(data[end - directory : end])
    assert numbers.varint() == 1
    first_wall = numbers.signed()
    assert as_double(first_wall) == 1_700_000_000.25
    assert numbers.varint() == 1
    segment = [numbers.varint() for _ in range(7)]
    assert segment[0] == record
    row_count, start_count = segment[5:]
    tags, wall = {}, first_wall
    for _ in range(numbers.varint()):
        name = numbers.bytes(numbers.varint()).decode()
        kind = numbers.bytes(1)[0]
        metadata = numbers.varint()
        numbers.bytes(max(0, metadata - 1))
        count, last_step = numbers.varint(), numbers.signed()
        wall += numbers.signed()
        last_value = struct.unpack("<d", numbers.bytes(8))[0]
        numbers.signed(), numbers.signed()
        ((_, points, back, length),) = [[numbers.varint() for _ in range(4)] for _ in range(numbers.varint())]
        assert points >> 1 == count
        tags[name or kind] = (kind, count, last_step, as_double(wall), last_value, back, length)
    assert numbers.place == len(numbers.content)
    assert tags["loss/of_the_layer_number_2"][:3] == (0, 100, 97)
    assert tags["double"][:2] == (1, 100)
    assert tags["note"][0] == 2
    assert tags[16 + 7][0] == 16 + 7

    numbers = Numbers(data[rows_begin : rows_begin + rows])
    starts, steps, walls = [numbers.varint() for _ in range(start_count)], [], []
    for _ in range(row_count):
        steps.append((steps[-1] if steps else 0) + numbers.signed())
    bits = change = 0
    for _ in range(row_count):
        change += numbers.signed()
        bits += change
        walls.append(bits)
    assert [steps[start] for start in starts] == [40]

    kind, count, _, _, _, back, length = tags["loss/of_the_layer_number_2"]
    assert rows_begin - back >= rows_begin - columns
    numbers = Numbers(data[rows_begin - back : rows_begin - back + length])
    row, found_rows, offset, found_walls = 0, [], 0, []
    for _ in range(count):
        row += numbers.varint()
        found_rows.append(row)
    for row in found_rows:
        offset += numbers.signed()
        found_walls.append(as_double(walls[row] + offset))
    planes = [numbers.bytes(count) for _ in range(4)]
    values = [struct.unpack("<f", bytes(plane[n] for plane in planes))[0] for n in range(count)]
    assert numbers.place == len(numbers.content)
    points = read().points["loss/of_the_layer_number_2"]
    assert [steps[row] for row in found_rows] == points.step.tolist()
    assert found_walls == points.wall_time.tolist()
    assert values == points.value.tolist()


def test_what_is_written_today_holds_the_same_events():
    sys.path.insert(0, GOLDEN)
    try:
        from make_with_recordfs import events
    finally:
        sys.path.remove(GOLDEN)
    framer = EventFramer(index=True)
    for event in events():
        framer.add(event)
    size = framer.offset
    with open(PATH, "rb") as file:
        assert file.read(size) == framer.take()
