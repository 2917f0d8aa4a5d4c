"""Serialized Examples built from the wire up, sound and hostile, for comparing readers.

Written apart from the encoder under test, so that a fault of it cannot hide one of the decoder.
"""

from __future__ import annotations

import random
import struct


def varint(value: int, *, padding: int = 0) -> bytes:
    """A varint; `padding` more bytes than it takes make it overlong."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    for _ in range(padding):
        out[-1] |= 128
        out.append(0)
    return bytes(out)


def delimited(number: int, payload: bytes, *, lie: int = 0) -> bytes:
    """A length-delimited field; `lie` is added to its length."""
    return varint(number << 3 | 2) + varint(max(0, len(payload) + lie)) + payload


def int64_list(*values: int) -> bytes:
    return delimited(3, delimited(1, b"".join(varint(value) for value in values)))


def float_list(*values: float) -> bytes:
    return delimited(2, delimited(1, struct.pack(f"<{len(values)}f", *values)))


def bytes_list(*values: bytes) -> bytes:
    return delimited(1, b"".join(delimited(1, value) for value in values))


def entry(key: bytes, feature: bytes) -> bytes:
    return delimited(1, delimited(1, key) + delimited(2, feature))


def example(*entries: bytes) -> bytes:
    return delimited(1, b"".join(entries))


def feature_list(*steps: bytes) -> bytes:
    return b"".join(delimited(1, step) for step in steps)


def sequence_example(context: list[bytes], lists: list[bytes]) -> bytes:
    return delimited(1, b"".join(context)) + delimited(2, b"".join(lists))


A = entry(b"a", int64_list(1, 2))
F = entry(b"f", float_list(1.5, -2.5))
B = entry(b"b", bytes_list(b"x", b"yy"))

# Features of the records below: `a` is two int64 with default [7, 8], `f` ragged floats, `b` variable bytes,
# `s` int64 steps of two, `m` one required int64 in records that have it.
NAMED: dict[str, bytes] = {
    "sound": example(A, F, B),
    "empty record": b"",
    "no features": example(),
    "value before key": example(delimited(1, delimited(2, int64_list(1, 2)) + delimited(1, b"a"))),
    "third field in an entry": example(
        delimited(1, delimited(1, b"a") + delimited(2, int64_list(1, 2)) + delimited(3, b"q"))
    ),
    "key alone": example(delimited(1, delimited(1, b"a"))),
    "two keys": example(delimited(1, delimited(1, b"z") + delimited(1, b"a"))),
    "two values": example(delimited(1, delimited(2, int64_list(5)) + delimited(2, int64_list(1, 2)))),
    "empty entry": example(delimited(1, b"")),
    "unknown field in features": example(A, delimited(5, b"zz")),
    "unknown field in the record": delimited(5, b"zz") + example(A),
    "unknown varint": b"\x28\x96\x01" + example(A),
    "unknown fixed64": b"\x29" + b"12345678" + example(A),
    "unknown fixed32": b"\x2d" + b"1234" + example(A),
    "unknown group": b"\x2b\x2c" + example(A),
    "wire type 6": b"\x2e" + example(A),
    "field number 0": b"\x00\x05" + example(A),
    "long tag": varint(300 << 3 | 2) + b"\x02zz" + example(A),
    "overlong tag of an entry": example(delimited(1, b"\x8a\x00" + varint(1) + b"a" + delimited(2, int64_list(1, 2)))),
    "unknown field longer than the record": example(A) + b"\x2a\x7fzz",
    "unknown field of negative length": example(A) + b"\x2a\xff\xff\xff\xff\x0f" + example(F),
    "two records in one": example(A) + example(entry(b"a", int64_list(3, 4)), F),
    "duplicate keys": example(A, entry(b"a", int64_list(3, 4)), F, entry(b"f", float_list(9))),
    "duplicate, the last empty": example(A, entry(b"a", b""), F, entry(b"f", b""), B, entry(b"b", b"")),
    "duplicate, the first of another kind": example(entry(b"a", float_list(3, 4)), A),
    "duplicate, the first of no kind": example(entry(b"a", b"\x22\x00"), A),
    "duplicate, the first too long": example(entry(b"a", int64_list(1, 2, 3)), A),
    "features longer than the record": b"\x0a\x7f" + A,
    "cut behind an entry": example(A, F)[: 2 + len(A)],
    "entry longer than the features": b"\x0a\x7f\x0a\x7f" + A[2:],
    "length of 33 bits": b"\x0a" + varint(len(A) | 1 << 32) + A,
    "two packed runs": example(entry(b"a", delimited(3, delimited(1, b"\1\2") + delimited(1, b"\3")))),
    "two packed float runs": example(entry(b"f", delimited(2, delimited(1, bytes(4)) + delimited(1, bytes(4))))),
    "five bytes of floats": example(entry(b"f", delimited(2, delimited(1, b"\0\0\0\0\1")))),
    "float run that lies": example(entry(b"f", delimited(2, b"\x0a\x09" + bytes(8)))),
    "int run that lies": example(entry(b"a", delimited(3, b"\x0a\x09\1\2"))),
    "unpacked": example(entry(b"a", delimited(3, b"\x08\1\x08\2"))),
    "unpacked floats": example(entry(b"f", delimited(2, b"\x0d" + bytes(4) + b"\x0d\0\0\x80\x3f"))),
    "unpacked floats, cut": example(entry(b"f", delimited(2, b"\x0d" + bytes(4) + b"\x0d\0\0"))),
    "unpacked, too many": example(entry(b"a", delimited(3, b"\x08\1\x08\2\x08\3"))),
    "unpacked then packed": example(entry(b"a", delimited(3, b"\x08\1" + delimited(1, b"\2")))),
    "packed then unpacked": example(entry(b"a", delimited(3, delimited(1, b"\1\2") + b"\x08\5"))),
    "unknown field behind a list": example(entry(b"a", delimited(3, delimited(1, b"\1\2") + delimited(4, b"w")))),
    "unknown field before a list": example(entry(b"a", delimited(3, delimited(4, b"w") + delimited(1, b"\1\2")))),
    "unknown field among bytes": example(entry(b"b", delimited(1, delimited(1, b"x") + delimited(4, b"w")))),
    "unknown field first in a feature": example(entry(b"a", delimited(4, b"w") + int64_list(1, 2))),
    "unknown field last in a feature": example(entry(b"a", int64_list(1, 2) + delimited(4, b"w"))),
    "two kinds": example(entry(b"a", int64_list(1, 2) + float_list(3))),
    "two kinds, the other first": example(entry(b"a", float_list(3) + int64_list(1, 2))),
    "overlong varint": example(entry(b"a", delimited(3, delimited(1, b"\x81\x80\x80\x00\x02")))),
    "varint of ten bytes": example(entry(b"a", delimited(3, delimited(1, b"\xff" * 9 + b"\x7f\x02")))),
    "varint of eleven bytes": example(entry(b"a", delimited(3, delimited(1, b"\x80" * 10 + b"\x02\x02")))),
    "cut varint": example(entry(b"a", delimited(3, delimited(1, b"\1\x82")))),
    "key that is not UTF-8": example(entry(b"\xff\xfe", int64_list(1)), A),
    "wrong kind, fixed": example(entry(b"a", float_list(1, 2))),
    "wrong kind, variable": example(entry(b"b", float_list(1, 2))),
    "wrong kind, ragged": example(entry(b"f", int64_list(1, 2))),
    "wrong length": example(entry(b"a", int64_list(1, 2, 3))),
    "empty list": example(entry(b"a", delimited(3, b""))),
    "empty run": example(entry(b"a", delimited(3, delimited(1, b"")))),
    "empty feature": example(entry(b"a", b""), entry(b"f", b"")),
    "value longer than the record": example(entry(b"b", delimited(1, b"\x0a\x7fxx"))),
    "steps": example(entry(b"s", int64_list(1, 2, 3, 4))),
    "broken step": example(entry(b"s", int64_list(1, 2, 3))),
    "noise": b"\xff\xff\xff",
    "text": b"not an example at all",
}

SEQUENCE_NAMED: dict[str, bytes] = {
    "sound": sequence_example(
        [A, B],
        [
            entry(b"t", feature_list(int64_list(1, 2), int64_list(3, 4))),
            entry(b"w", feature_list(float_list(1.5), float_list(), float_list(2, 3))),
            entry(b"x", feature_list(bytes_list(b"q"), bytes_list())),
        ],
    ),
    "empty record": b"",
    "empty feature": sequence_example([entry(b"a", b"")], []),
    "empty steps": sequence_example(
        [A], [entry(b"w", feature_list(b"", delimited(2, b""), delimited(2, delimited(1, b""))))]
    ),
    "step of one byte": sequence_example([A], [entry(b"w", b"\x0a\x01\x12")]),
    "step of another kind": sequence_example([A], [entry(b"w", feature_list(int64_list(1)))]),
    "empty step of another kind": sequence_example([A], [entry(b"w", feature_list(delimited(3, b"")))]),
    "bytes behind a step": sequence_example([A], [entry(b"w", delimited(1, float_list(1) + b"\x0a\x00"))]),
    "unpacked step": sequence_example([A], [entry(b"t", feature_list(delimited(3, b"\x08\1\x08\2")))]),
    "step too long": sequence_example([A], [entry(b"t", feature_list(int64_list(1, 2, 3)))]),
    "step too short": sequence_example([A], [entry(b"t", feature_list(int64_list(1)))]),
    "five bytes of floats": sequence_example([A], [entry(b"w", feature_list(delimited(2, delimited(1, bytes(5)))))]),
    "run that lies": sequence_example([A], [entry(b"w", feature_list(delimited(2, delimited(1, bytes(4), lie=4))))]),
    "cut varint": sequence_example([A], [entry(b"t", feature_list(delimited(3, delimited(1, b"\1\x82"))))]),
    "two packed runs": sequence_example([A], [entry(b"w", feature_list(delimited(2, delimited(1, bytes(4)) * 2)))]),
    "duplicate lists": sequence_example(
        [A], [entry(b"t", feature_list(int64_list(1, 2))), entry(b"t", feature_list(int64_list(5, 6)))]
    ),
    "duplicate context, the last empty": sequence_example([A, entry(b"a", b"")], []),
    "context of another kind": sequence_example([entry(b"a", float_list(1, 2))], []),
    "context too long": sequence_example([entry(b"a", int64_list(1, 2, 3))], []),
    "value that lies": sequence_example([A], [entry(b"x", feature_list(delimited(1, b"\x0a\x05q")))]),
    "value before key": delimited(1, delimited(1, delimited(2, int64_list(1, 2)) + delimited(1, b"a"))),
    "an Example": example(A, B),
    "cut": sequence_example([A, B], [entry(b"t", feature_list(int64_list(1, 2)))])[:-3],
    "noise": b"\xff\xff\xff",
}


def _random_feature(rng: random.Random, key: bytes) -> bytes:
    count = rng.choice([0, 1, 2, 3]) if rng.random() < 0.3 else 2
    kind = {b"a": 3, b"s": 3, b"t": 3, b"f": 2, b"w": 2}.get(key, 1) if rng.random() < 0.9 else rng.choice([1, 2, 3])
    if kind == 3:
        values = [rng.randrange(-(2**63), 2**63) >> rng.randrange(64) for _ in range(count)]
        if rng.random() < 0.2:
            return delimited(3, b"".join(b"\x08" + varint(value) for value in values))
        return int64_list(*values)
    if kind == 2:
        return float_list(*(rng.choice([0.0, 1.5, -2.25, 1e30]) for _ in range(count)))
    return bytes_list(*(bytes(rng.randrange(256) for _ in range(rng.randrange(4))) for _ in range(count)))


def _damage(rng: random.Random, record: bytes) -> bytes:
    """Change, drop, insert or repeat a few bytes."""
    out = bytearray(record)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(5):
            case 0 if at < len(out):
                out[at] = rng.choice([0, 1, 2, 8, 10, 13, 18, 26, 127, 128, 255, rng.randrange(256)])
            case 1 if at < len(out):
                out[at] = (out[at] + rng.choice([-2, -1, 1, 2])) % 256
            case 2:
                del out[at : at + rng.randrange(1, 4)]
            case 3:
                out[at:at] = bytes([rng.choice([0, 1, 10, 18, 26, 128])])
            case _:
                out[at:at] = out[max(0, at - rng.randrange(1, 12)) : at]
    return bytes(out)


def _harmless_to_tensorflow(record: bytes) -> bool:
    """TensorFlow crashes, or takes gigabytes, when a length is 2**31 or more: five bytes of varint in a row."""
    run = 0
    for byte in record:
        run = run + 1 if byte >= 128 else 0
        if run >= 4:
            return False
    return True


def random_examples(seed: int, count: int) -> list[bytes]:
    """Damaged Examples with the features that `NAMED` describes."""
    rng = random.Random(seed)
    out: list[bytes] = []
    while len(out) < count:
        keys = [rng.choice([b"a", b"f", b"b", b"s", b"zz"]) for _ in range(rng.randrange(5))]
        record = _damage(rng, example(*(entry(key, _random_feature(rng, key)) for key in keys)))
        if _harmless_to_tensorflow(record):
            out.append(record)
    return out


def random_sequence_examples(seed: int, count: int) -> list[bytes]:
    """Damaged SequenceExamples with the features that `SEQUENCE_NAMED` uses."""
    rng = random.Random(seed)
    out: list[bytes] = []
    while len(out) < count:
        context = [entry(key, _random_feature(rng, key)) for key in (b"a", b"b") if rng.random() < 0.9]
        lists = []
        for _ in range(rng.randrange(4)):
            key = rng.choice([b"t", b"w", b"x"])
            lists.append(entry(key, feature_list(*(_random_feature(rng, key) for _ in range(rng.randrange(4))))))
        record = _damage(rng, sequence_example(context, lists))
        if _harmless_to_tensorflow(record):
            out.append(record)
    return out
