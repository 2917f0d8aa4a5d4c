"""Writes the golden file of the index inside event files; see README.md. Its bytes say what format version 1 is."""

import os
import sys

from recordfs._core import EventFramer, encode_message, encode_scalar


def events():
    """Scalars of 32 and 64 bits, a text, and a job that starts again."""
    start = encode_message([(1, "v", 1)])
    yield encode_message([(1, "d", 1_700_000_000.25), (3, "b", "brain.Event:2")])
    plugin = encode_message([(1, "b", encode_message([(1, "b", "scalars")]))])
    text = encode_message([(1, "b", encode_message([(1, "b", "text")]))])
    for step in range(-2, 98):
        wall = 1_700_000_001.5 + step * 0.75
        if step == 50:
            yield encode_message([(1, "d", wall), (2, "v", 40), (7, "b", start)])
        for tag in range(6):
            yield encode_scalar(f"loss/of_the_layer_number_{tag}", 1 / (3 + step + tag), step, wall + tag / 4096)
        tensor = encode_message([(1, "v", 2), (2, "b", b""), (6, "d", step / 3)])
        fields = [(1, "b", "double"), (8, "b", tensor)] + ([(9, "b", plugin)] if step == -2 else [])
        summary = encode_message([(1, "b", encode_message(fields))])
        yield encode_message([(1, "d", wall), (2, "v", step), (5, "b", summary)])
    words = encode_message([(1, "v", 7), (2, "b", b""), (8, "b", "golden")])
    summary = encode_message([(1, "b", encode_message([(1, "b", "note"), (8, "b", words), (9, "b", text)]))])
    yield encode_message([(1, "d", 1_700_000_099.0), (2, "v", 98), (5, "b", summary)])


if __name__ == "__main__":
    golden = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
    framer = EventFramer(index=True)
    for event in events():
        framer.add(event)
    framer.finish()
    os.makedirs(f"{golden}/events", exist_ok=True)
    with open(f"{golden}/events/recordfs_index_1.tfevents", "wb") as file:
        file.write(framer.take())
