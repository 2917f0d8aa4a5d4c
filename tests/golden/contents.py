"""What the golden files hold, for the scripts that write them and the tests that read them.

It imports nothing but the standard library, because the scripts run in the peers' environments.
"""

MIXED_SIZES = [0, 1, 2, 3, 4, 11, 12, 13, 100, 1_000, 0, 32_768, 70_001, 5, 0]


def mixed_records() -> list[bytes]:
    """Records of many sizes, empty ones among them; they deflate well, so that no file is large."""
    return [bytes((7 * number + position // 50) % 251 for position in range(size)) for number, size in
            enumerate(MIXED_SIZES)]


def line_records(first: int, count: int) -> list[bytes]:
    """The records ``line <n>``."""
    return [b"line %d" % number for number in range(first, first + count)]


# tf.train.Example: one dict a record, {feature: (kind, values)}; kind None: a Feature in which no list is set.
EXAMPLES = [
    {
        "label": ("int64", [3]),
        "image": ("bytes", [b"\xff\xd8\x00image\x00\xff"]),
        "embedding": ("float", [0.5, -1.25, 3.0]),
    },
    {
        "label": ("int64", [-1]),
        "tags": ("bytes", [b"a", b"", b"\xc3\xa4 utf-8", b"\xff\xfe not utf-8"]),
        "embedding": ("float", []),
    },
    {
        "label": ("int64", [0, 1, -1, 127, 128, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]),
        "empty": (None, []),
        "no bytes": ("bytes", []),
        "no ints": ("int64", []),
    },
    {"float": ("float", [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-45, 3.4028234663852886e38])},
    {},
    {"": ("int64", [7]), "ключ": ("bytes", ["значение".encode()])},
    {"long": ("int64", list(range(-300, 300))), "vector": ("float", [number / 8 for number in range(300)])},
]

# tf.train.SequenceExample: (context, {feature list: [features]}).
SEQUENCE_EXAMPLES = [
    (
        {"length": ("int64", [3])},
        {
            "tokens": [("int64", [1, 2]), ("int64", []), ("int64", [3])],
            "words": [("bytes", [b"one"]), ("bytes", [b"two", b"three"])],
            "weights": [("float", [0.5])],
        },
    ),
    ({}, {"empty": []}),
    ({"id": ("bytes", [b"x"])}, {}),
]
