"""The data provider shows what a run has become: grown, restarted, replaced, deleted."""

import pytest

from recordfs._core import encode_message
from recordfs.events import EventsWriter, SummaryWriter
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.tensorboard.catalog import LogCatalog, LogDirectory
from recordfs.tensorboard.messages import Query
from recordfs.tensorboard.provider import DataProvider
from support.counting_store import SECONDS
from support.data_providers import (
    OPTIONS,
    ROOT,
    curves_in,
    descriptions_in,
    open_provider,
    query,
    tags_in,
    until,
    wait_until_whole,
    write_run,
)


@pytest.mark.parametrize("index", [True, False])
def test_points_that_are_flushed_show_after_a_look_and_cost_one_read(store, index):
    writer = EventsWriter(f"{ROOT}/run/events", index=index)

    def write(begin, end):
        for step in range(begin, end):
            value = encode_message([(1, "b", "loss"), (2, "f", float(step))])
            writer.write_event(
                encode_message([(1, "d", float(step)), (2, "v", step), (5, "b", encode_message([(1, "b", value)]))])
            )
        writer.flush()

    write(0, 4000)
    write_run("other", steps=10)
    catalog, provider = open_provider()
    with catalog:
        assert wait_until_whole(catalog, SECONDS)

        def last():
            return curves_in(provider.ReadScalars(query(runs=["run"])))["run"]["loss"][-1][0]

        assert last() == 3999
        del store.reads[:]
        write(4000, 4100)
        until(lambda: last() == 4099)
        looks = [count for path, count in store.reads if "/run/" in path and count < 60_000]
        assert not [path for path, _ in store.reads if "/other/" in path]
        assert looks
        writer.close()
        until(lambda: last() == 4099)
        assert len(curves_in(provider.ReadScalars(query(runs=["run"], points=100_000)))["run"]["loss"]) == 4100


def test_run_that_is_deleted_or_written_anew_is_shown_as_it_is_now(store):
    write_run("kept")
    write_run("gone")
    catalog, provider = open_provider()
    with catalog:
        assert sorted(curves_in(provider.ReadScalars(query()))) == ["gone", "kept"]
        MemoryFileSystem().delete_recursively("ram://tb/logs/gone")
        until(lambda: list(curves_in(provider.ReadScalars(query()))) == ["kept"])
        [path] = MemoryFileSystem().get_matching_paths("ram://tb/logs/kept/*")
        write_run("other", steps=7, tags=("new",))
        [other] = MemoryFileSystem().get_matching_paths("ram://tb/logs/other/*")
        MemoryFileSystem().copy_file(other, path)
        until(lambda: tags_in(provider.ListScalars(query()))["kept"] == ["new"])
        assert len(curves_in(provider.ReadScalars(query(runs=["kept"])))["kept"]["new"]) == 7


def test_restarted_job_shows_what_counts(store):
    for run in ("first", "second"):
        writer = SummaryWriter(f"{ROOT}/run", purge_step=None if run == "first" else 50)
        for step in range(100) if run == "first" else range(50, 80):
            writer.add_scalar("loss", {"first": 0.0, "second": 1.0}[run], step)
        writer.close()
    catalog, provider = open_provider()
    with catalog:
        points = curves_in(provider.ReadScalars(query(points=10_000)))["run"]["loss"]
    assert [step for step, _, _ in points] == list(range(80))
    assert [value for _, _, value in points] == [0.0] * 50 + [1.0] * 30


def test_restart_counts_for_tags_that_the_new_file_does_not_have_yet(store):
    first = SummaryWriter(f"{ROOT}/run")
    for step in range(10):
        first.add_scalar("loss", 1.0, step)
        first.add_scalar("eval", 1.0, step)
    first.close()
    second = SummaryWriter(f"{ROOT}/run", purge_step=5)
    second.add_scalar("loss", 2.0, 5)
    second.close()
    catalog, provider = open_provider()
    with catalog:
        points = curves_in(provider.ReadScalars(query(tags=["eval"])))["run"]["eval"]
    assert [step for step, _, _ in points] == list(range(5))


def test_file_that_is_written_anew_and_longer_is_not_taken_for_the_old_one(store):
    write_run("run", steps=1000, tags=("old",), index=False)
    [path] = MemoryFileSystem().get_matching_paths("ram://tb/logs/run/*")
    catalog, provider = open_provider()
    with catalog:
        assert wait_until_whole(catalog, SECONDS)
        write_run("other", steps=1500, tags=("new",), index=False)
        [other] = MemoryFileSystem().get_matching_paths("ram://tb/logs/other/*")
        MemoryFileSystem().copy_file(other, path)
        MemoryFileSystem().delete_recursively("ram://tb/logs/other")
        until(lambda: tags_in(provider.ListScalars(query())) == {"run": ["new"]})
        assert wait_until_whole(catalog, SECONDS)
        points = curves_in(provider.ReadScalars(query(points=10_000)))["run"]["new"]
        assert [step for step, _, _ in points] == list(range(1500))


def test_file_that_grows_while_it_is_scanned_is_whole_in_the_end(store):
    writer = EventsWriter(f"{ROOT}/run/events", index=False)

    def write(begin, end):
        for step in range(begin, end):
            value = encode_message([(1, "b", "loss"), (2, "f", float(step))])
            payload = encode_message([(1, "b", "pad"), (2, "f", 0.0), (7, "b", b"x" * 2000)])
            writer.write_event(
                encode_message(
                    [
                        (1, "d", float(step)),
                        (2, "v", step),
                        (5, "b", encode_message([(1, "b", value), (1, "b", payload)])),
                    ]
                )
            )
        writer.flush()

    write(0, 5000)  # 10 MB: three chunks
    catalog, provider = open_provider(OPTIONS._replace(scan_threads=0))
    with catalog:
        until(lambda: catalog.partial_runs() == ["run"])
        [file] = catalog.runs()["run"]
        steps = 5000
        for _ in range(100):
            write(steps, steps + 5)
            steps += 5
            until(
                lambda last=steps - 1: (
                    curves_in(provider.ReadScalars(query(tags=["loss"])))["run"]["loss"][-1][0] == last
                )
            )
            file.scan()
            if not file.is_partial:
                break
        until(lambda: not file.is_partial)
        points = curves_in(provider.ReadScalars(query(tags=["loss"], points=30_000)))["run"]["loss"]
    writer.close()
    assert [step for step, _, _ in points] == list(range(steps))


def test_partial_run_says_so_until_it_is_read(store):
    write_run("run", steps=20_000, index=False)
    catalog, provider = open_provider(OPTIONS._replace(scan_threads=0))
    with catalog:
        assert "still reading" in descriptions_in(provider.ListScalars(query()))["loss"]
        assert b"still reading" in provider.GetExperiment(b"")
        [file] = catalog.runs()["run"]
        while file.is_partial:
            file.scan()
        assert descriptions_in(provider.ListScalars(query())) == {"loss": "", "accuracy": ""}
        assert b"still reading" not in provider.GetExperiment(b"")


def test_file_below_two_of_the_directories_is_a_run_of_each_look_after_look(store):
    write_run("sub/a")
    directories = [LogDirectory(ROOT, "all"), LogDirectory(f"{ROOT}/sub", "some")]
    with LogCatalog(directories, OPTIONS).start() as catalog:
        provider = DataProvider(catalog)
        for _ in range(3):
            enough = store.listings + 6
            until(lambda enough=enough: store.listings > enough)
            curves = provider.scalar_curves(Query("scalars", None, ("loss",), 10))
            assert set(curves) == {"all/sub/a", "some/a"}
