"""The data provider: bounded answers from few reads."""

import numpy as np
import pytest

from recordfs._core import decode_message, encode_message
from recordfs.errors import InvalidArgumentError
from recordfs.events import EventsWriter
from recordfs.events.event import SummaryValue
from recordfs.events.index import EventIndex
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.tensorboard.values import tensor_of
from support.counting_store import SECONDS
from support.data_providers import (
    OPTIONS,
    ROOT,
    curves_in,
    open_provider,
    query,
    tags_in,
    until,
    wait_until_whole,
    write_run,
)


def test_opening_reads_one_tail_a_file_and_a_curve_one_range(store):
    for run in range(5):
        write_run(f"run{run}", offset=run)
    sizes = [entry.length for entry in MemoryFileSystem().list_directory("ram://tb/logs/run0")]
    catalog, provider = open_provider(OPTIONS._replace(reload_seconds=0))
    with catalog:
        assert tags_in(provider.ListScalars(query())) == {f"run{run}": ["loss", "accuracy"] for run in range(5)}
        assert len(store.reads) == 5
        curves = curves_in(provider.ReadScalars(query(tags=["loss"], points=100)))
        assert len(store.reads) == 10
        assert sum(count for _, count in store.reads) < 5 * sizes[0] / 4
    assert set(curves) == {f"run{run}" for run in range(5)}
    for run in range(5):
        points = curves[f"run{run}"]["loss"]
        assert 40 < len(points) <= 100
        assert points[0] == (0, 1e9, float(run))
        assert points[-1] == (2999, 1e9 + 2999, run + 2999.0)


def test_curve_of_many_points_keeps_its_spikes_and_ends(store):
    with EventsWriter(f"{ROOT}/run/events") as writer:
        for step in range(5000):
            value = {1234: 1e6, 3456: -1e6}.get(step, float(step % 7))
            writer.write_event(
                encode_message(
                    [
                        (1, "d", float(step)),
                        (2, "v", step),
                        (5, "b", encode_message([(1, "b", encode_message([(1, "b", "x"), (2, "f", value)]))])),
                    ]
                )
            )
    catalog, provider = open_provider()
    with catalog:
        points = curves_in(provider.ReadScalars(query(points=40)))["run"]["x"]
        newest = curves_in(provider.ReadScalars(query(points=1)))["run"]["x"]
        assert provider.ReadScalars(query(points=0)) == b""
    assert len(points) <= 40
    assert {1e6, -1e6} <= {value for _, _, value in points}
    assert (points[0][0], points[-1][0]) == (0, 4999)
    assert [step for step, _, _ in newest] == [4999]


def test_answer_of_many_runs_is_bounded(store):
    for run in range(40):
        write_run(f"run{run:02}", steps=2500, tags=("loss",))
    catalog, provider = open_provider()
    with catalog:
        curves = curves_in(provider.ReadScalars(query(points=1000)))
    assert len(curves) == 40
    assert sum(len(run["loss"]) for run in curves.values()) <= 30_000


def test_foreign_file_shows_its_tags_and_newest_values_before_it_is_read(store):
    write_run("run", steps=20_000, index=False)
    size = next(entry.length for entry in MemoryFileSystem().list_directory("ram://tb/logs/run"))
    catalog, provider = open_provider(OPTIONS._replace(scan_threads=0))
    with catalog:
        assert tags_in(provider.ListScalars(query())) == {"run": ["loss", "accuracy"]}
        points = curves_in(provider.ReadScalars(query(tags=["loss"])))["run"]["loss"]
        assert (points[0][0], points[-1][0]) == (0, 19_999)
        assert sum(count for _, count in store.reads) < size * 0.05
        assert catalog.partial_runs() == ["run"]
    whole, provider = open_provider()
    with whole:
        assert wait_until_whole(whole, SECONDS)
        points = curves_in(provider.ReadScalars(query(tags=["loss"], points=30_000)))["run"]["loss"]
    assert [step for step, _, _ in points] == list(range(20_000))


def test_filter_that_is_empty_means_none_and_one_that_is_absent_all(store):
    write_run("run")
    catalog, provider = open_provider()
    with catalog:
        assert provider.ReadScalars(query(runs=[])) == b""
        assert provider.ReadScalars(query(tags=[])) == b""
        assert tags_in(provider.ListScalars(query(tags=["loss", "none"]))) == {"run": ["loss"]}
        assert provider.ListScalars(query("nobody")) == b""
        with pytest.raises(InvalidArgumentError):
            provider.ListScalars(b"\x13\x37\xff")


def test_damaged_column_of_an_index_is_read_from_the_events(store):
    write_run("run", steps=5000, tags=("loss", "accuracy"))
    [path] = MemoryFileSystem().get_matching_paths("ram://tb/logs/run/*")
    with MemoryFileSystem().new_random_access_file(path) as file:
        content = bytearray(file.read(0, file.size()))
    index = EventIndex.from_tail(bytes(content), len(content))
    [(offset, length)] = index.ranges("loss")
    content[offset + length // 2] ^= 0xFF
    with MemoryFileSystem().new_writable_file(path) as file:
        file.append(content)
    catalog, provider = open_provider()
    with catalog:
        assert provider.ReadScalars(query())
        until(
            lambda: [len(curves_in(provider.ReadScalars(query(tags=["loss"], points=9000)))["run"]["loss"])] == [5000]
        )
        assert "index is damaged" in catalog.troubles()[path.replace("ram", "tbstore")]


def test_histogram_of_values_beyond_32_bits_is_shown_with_infinite_edges():
    limits, counts = np.array([1e300, 2e300]), np.array([3.0, 4.0])
    content = [(1, "d", -1e300), (2, "d", 2e300), (6, "b", limits.tobytes()), (7, "b", counts.tobytes())]
    tensor = dict(decode_message(tensor_of(SummaryValue("h", "histo", encode_message(content)))))
    assert np.frombuffer(tensor[4], "<f4").reshape(2, 3).tolist() == [
        [float("-inf"), float("inf"), 3.0],
        [float("inf"), float("inf"), 4.0],
    ]
