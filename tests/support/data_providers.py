"""Runs for a data provider of TensorBoard, what it is asked, and what its answers hold."""

import threading
import time

import numpy as np

from recordfs._core import decode_message, encode_message
from recordfs.events import EventsWriter
from recordfs.tensorboard.catalog import CatalogOptions, LogCatalog, LogDirectory
from recordfs.tensorboard.provider import DataProvider
from support.counting_store import SECONDS

__all__ = [
    "OPTIONS",
    "ROOT",
    "blobs_in",
    "curves_in",
    "descriptions_in",
    "lengths_in",
    "open_provider",
    "query",
    "tags_in",
    "until",
    "varints",
    "wait_until_whole",
    "write_run",
]

OPTIONS = CatalogOptions(requests=8, reload_seconds=0.02, answer_seconds=10.0)

ROOT = "tbstore://tb/logs"


def write_run(run, *, steps=3000, tags=("loss", "accuracy"), index=True, offset=0.0):
    with EventsWriter(f"{ROOT}/{run}/events", index=index) as writer:
        for step in range(steps):
            values = [(1, "b", encode_message([(1, "b", tag), (2, "f", offset + step)])) for tag in tags]
            event = [(1, "d", 1e9 + step), (2, "v", step), (5, "b", encode_message(values))]
            writer.write_event(encode_message(event))


def open_provider(options=OPTIONS):
    catalog = LogCatalog([LogDirectory(ROOT)], options).start()
    return catalog, DataProvider(catalog)


def wait_until_whole(catalog, seconds):
    """Wait until every event of every file has been looked at; return whether that came about in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if catalog.runs() and not catalog.partial_runs():
            return True
        time.sleep(0.05)
    return False


def until(check):
    """Wait for what the background brings about."""
    pause = threading.Event()
    for _ in range(SECONDS * 50):
        if check():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come about")


def query(plugin="scalars", *, runs=None, tags=None, points=1000):
    fields = [(2, "b", encode_message([(1, "b", plugin)]))]
    filters = []
    if runs is not None:
        filters.append((1, "b", encode_message([(1, "b", run) for run in runs])))
    if tags is not None:
        filters.append((2, "b", encode_message([(1, "b", tag) for tag in tags])))
    if filters:
        fields.append((3, "b", encode_message(filters)))
    return encode_message([*fields, (4, "b", encode_message([(1, "v", points)]))])


def varints(packed):
    numbers, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value - (1 << 64) if value >> 63 else value)
            value, shift = 0, 0
    return numbers


def curves_in(answer):
    """The curves of a ReadScalarsResponse: {run: {tag: [(step, wall time, value)]}}."""
    runs = {}
    for _, run in decode_message(answer):
        name, *tags = decode_message(run)
        found = runs.setdefault(name[1].decode(), {})
        for _, tag in tags:
            (_, tag_name), (_, data) = decode_message(tag)
            data = dict(decode_message(data))
            walls = np.frombuffer(data[2], "<f8").tolist()
            values = np.frombuffer(data[3], "<f4").tolist()
            found[tag_name.decode()] = list(zip(varints(data[1]), walls, values, strict=True))
    return runs


def tags_in(answer):
    runs = {}
    for _, run in decode_message(answer):
        name, *tags = decode_message(run)
        runs[name[1].decode()] = [dict(decode_message(tag))[1].decode() for _, tag in tags]
    return runs


def _tags_in(answer):
    """Each tag of an answer: its run, its name, and the fields of what describes it."""
    for _, run in decode_message(answer):
        name, *tags = decode_message(run)
        for _, tag in tags:
            fields = dict(decode_message(tag))
            yield name[1].decode(), fields[1].decode(), dict(decode_message(fields[2]))


def lengths_in(answer):
    """The most blobs of each tag in a ListBlobSequencesResponse."""
    return {(run, tag): fields[3] for run, tag, fields in _tags_in(answer)}


def blobs_in(provider, request):
    """The blobs of the only tag that is asked for."""
    [(_, run)] = decode_message(provider.ReadBlobSequences(request))
    data = dict(decode_message(dict(decode_message(decode_message(run)[1][1]))[2]))
    points = [
        value for number, value in decode_message(dict(decode_message(decode_message(run)[1][1]))[2]) if number == 3
    ]
    assert len(varints(data[1])) == len(points)
    found = []
    for point in points:
        for _, reference in decode_message(point):
            key = dict(decode_message(reference))[1].decode()
            parts = provider.ReadBlob(encode_message([(1, "b", key)]))
            found.append(b"".join(dict(decode_message(part)).get(1, b"") for part in parts))
    return found


def descriptions_in(answer):
    """The description of each tag in a ListScalarsResponse."""
    return {tag: dict(decode_message(fields[3])).get(3, b"").decode() for _, tag, fields in _tags_in(answer)}
