"""Checkpoints that no writer at hand makes: of another byte order, with compressed blocks, damaged, or made to harm.

Everything here is written from the description of the format, apart from the code that it tests.
"""

import struct

from recordfs._core import masked_crc32c

MAGIC = 0xDB4775248B80FB57


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, position):
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def read_block(data, offset, size):
    return data[offset : offset + size]


def records_of(block):
    """The keys and values of a block."""
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 - 4 * restarts
    position, key, records = 0, b"", []
    while position < end:
        shared, position = read_varint(block, position)
        fresh, position = read_varint(block, position)
        length, position = read_varint(block, position)
        key = key[:shared] + block[position : position + fresh]
        position += fresh
        records.append((key, block[position : position + length]))
        position += length
    return records


def read_table(data):
    """The keys and values of a plain table, in their order."""
    _, position = read_varint(data, len(data) - 48)
    _, position = read_varint(data, position)
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    records = []
    for _, handle in records_of(read_block(data, offset, size)):
        start, after = read_varint(handle, 0)
        records += records_of(read_block(data, start, read_varint(handle, after)[0]))
    return records


def block_of(records):
    body = b"".join(b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in records)
    return body + struct.pack("<II", 0, 1)


def table_of(records, *, compress=None):
    """A table of one data block; `compress` turns its contents into Snappy's."""
    out = bytearray()

    def put(contents, compression=0):
        place = varint(len(out)) + varint(len(contents))
        out.extend(contents + bytes([compression]))
        out.extend(struct.pack("<I", masked_crc32c(contents + bytes([compression]))))
        return place

    contents = block_of(records)
    data = put(contents) if compress is None else put(compress(contents), 1)
    meta = put(block_of([]))
    index = put(block_of([(records[-1][0], data)]))
    out.extend((meta + index).ljust(40, b"\0") + struct.pack("<Q", MAGIC))
    return bytes(out)


def snappy_literals(data):
    """Snappy without any compression: literals of at most 60 bytes."""
    out = bytearray(varint(len(data)))
    for start in range(0, len(data), 60):
        piece = data[start : start + 60]
        out.append((len(piece) - 1) << 2)
        out += piece
    return bytes(out)


def fields_of(message):
    """The fields of a message: number, wire type, value."""
    position, fields = 0, []
    while position < len(message):
        tag, position = read_varint(message, position)
        kind = tag & 7
        if kind == 0:
            value, position = read_varint(message, position)
        elif kind == 2:
            length, position = read_varint(message, position)
            value, position = message[position : position + length], position + length
        else:
            (value,) = struct.unpack_from("<I", message, position)
            position += 4
        fields.append((tag >> 3, kind, value))
    return fields


def message_of(fields):
    out = bytearray()
    for number, kind, value in fields:
        out += varint(number << 3 | kind)
        out += varint(value) if kind == 0 else varint(len(value)) + value if kind == 2 else struct.pack("<I", value)
    return bytes(out)


def with_snappy_blocks(source, target):
    """Writes a checkpoint again with a compressed index."""
    with open(f"{source}.index", "rb") as file:
        records = read_table(file.read())
    with open(f"{target}.index", "wb") as file:
        file.write(table_of(records, compress=snappy_literals))
    _copy_data(source, target, lambda data: data)


def _copy_data(source, target, change):
    with open(f"{source}.data-00000-of-00001", "rb") as file:
        data = file.read()
    with open(f"{target}.data-00000-of-00001", "wb") as file:
        file.write(change(data))


# Bytes of a number that are swapped as one, by TensorFlow's number of the type.
_SWAPPED = {1: 4, 2: 8, 3: 4, 5: 2, 8: 4, 9: 8, 14: 2, 17: 2, 18: 8, 19: 2, 22: 4, 23: 8}


def as_big_endian(source, target):
    """Writes a checkpoint again as a machine of the other byte order would."""
    with open(f"{source}.index", "rb") as file:
        records = read_table(file.read())
    changed = []

    def change(data):
        data = bytearray(data)
        for key, value in records:
            fields = fields_of(value)
            if key == b"":
                changed.append((key, message_of([fields[0], (2, 0, 1), *fields[1:]])))
                continue
            found = {number: item for number, _, item in fields}
            start, size = found.get(4, 0), found.get(5, 0)
            own = data[start : start + size]
            crc = _swap_strings(own, found) if found[1] == 7 else _swap_numbers(own, _SWAPPED.get(found[1], 1))
            data[start : start + size] = own
            changed.append((key, message_of([(n, k, crc if n == 6 else v) for n, k, v in fields])))
        return bytes(data)

    _copy_data(source, target, change)
    with open(f"{target}.index", "wb") as file:
        file.write(table_of(changed))


def _swap_numbers(data, width):
    for start in range(0, len(data), width):
        data[start : start + width] = data[start : start + width][::-1]
    return masked_crc32c(bytes(data))


def _swap_strings(data, found):
    count = 1
    for _, _, dim in [field for field in fields_of(found[2]) if field[0] == 2]:
        count *= {number: value for number, _, value in fields_of(dim)}.get(1, 0)
    position, lengths = 0, []
    for _ in range(count):
        length, position = read_varint(data, position)
        lengths.append(length)
    stored = struct.pack(">I", masked_crc32c(b"".join(struct.pack(">I", length) for length in lengths)))
    data[position : position + 4] = stored
    # The checksum goes on from that of the lengths, over the four bytes and the strings.
    return masked_crc32c(
        b"".join(struct.pack(">I", length) for length in lengths) + stored + bytes(data[position + 4 :])
    )
