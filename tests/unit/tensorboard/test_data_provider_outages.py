"""Runs, files and directories that fail or hang delay and hide nothing else of the data provider."""

import threading

from recordfs.errors import UnavailableError
from recordfs.tensorboard.catalog import LogCatalog, LogDirectory
from recordfs.tensorboard.provider import DataProvider
from support.counting_store import SECONDS
from support.data_providers import OPTIONS, ROOT, curves_in, open_provider, query, tags_in, until, write_run


def test_slow_run_holds_up_no_other(store):
    write_run("quick")
    write_run("slow")
    store.waiting["/slow/"] = threading.Event()
    catalog, provider = open_provider(OPTIONS._replace(answer_seconds=0.2))
    with catalog:
        until(lambda: tags_in(provider.ListScalars(query())).get("quick") == ["loss", "accuracy"])
        until(lambda: list(curves_in(provider.ReadScalars(query()))) == ["quick"])
        store.waiting["/slow/"].set()
        until(lambda: sorted(curves_in(provider.ReadScalars(query()))) == ["quick", "slow"])


def test_background_reads_on_though_an_answer_hangs(store):
    write_run("slow")
    catalog, provider = open_provider(OPTIONS._replace(answer_seconds=SECONDS))
    with catalog:
        assert provider.ListRuns(b"")
        store.waiting["slow"] = threading.Event()
        asking = threading.Thread(target=provider.ReadScalars, args=(query(tags=["loss"]),))
        asking.start()
        write_run("foreign", index=False)
        until(lambda: "foreign" in catalog.runs() and not catalog.partial_runs())
        assert asking.is_alive()
        store.waiting["slow"].set()
        asking.join(SECONDS)


def test_broken_run_is_told_and_tried_again(store, caplog):
    write_run("sound")
    write_run("broken")
    store.failing["/broken/"] = UnavailableError("500 every time")
    catalog, provider = open_provider()
    with catalog:
        assert list(curves_in(provider.ReadScalars(query()))) == ["sound"]
        until(lambda: any("500 every time" in text for text in catalog.troubles().values()))
        until(lambda: any("500 every time" in record.getMessage() for record in caplog.records))
        del store.failing["/broken/"]
        until(lambda: sorted(curves_in(provider.ReadScalars(query()))) == ["broken", "sound"])
        until(lambda: not catalog.troubles())


def test_listing_that_fails_is_tried_again(store):
    write_run("run")
    store.listings_to_fail = 3
    catalog, provider = open_provider()
    with catalog:
        until(lambda: list(curves_in(provider.ReadScalars(query()))) == ["run"])
        assert catalog.troubles() == {}


def test_directory_that_cannot_be_listed_takes_no_other_with_it(store):
    write_run("run")
    directories = [LogDirectory(ROOT, "here"), LogDirectory("tbstore://tb/missing", "there")]
    with LogCatalog(directories, OPTIONS).start() as catalog:
        provider = DataProvider(catalog)
        assert tags_in(provider.ListScalars(query())) == {"here/run": ["loss", "accuracy"]}
        assert list(catalog.troubles()) == ["tbstore://tb/missing"]


def test_file_that_cannot_be_opened_holds_up_no_scan_of_another(store):
    write_run("a", index=False)
    write_run("b", index=False, steps=30_000)
    store.failing["/a/"] = UnavailableError("not this one")
    catalog, _ = open_provider()
    with catalog:
        until(lambda: catalog.partial_runs() == ["a"])


def test_run_that_hangs_shows_what_is_known_of_it_and_delays_no_answer(store):
    for run in range(20):
        write_run(f"run{run:02}")
    catalog, provider = open_provider(OPTIONS._replace(answer_seconds=3600.0))
    with catalog:
        assert len(tags_in(provider.ListScalars(query()))) == 20
        store.waiting["/run07/"] = threading.Event()
        curves = curves_in(provider.ReadScalars(query(tags=["loss"])))
        store.waiting["/run07/"].set()
        assert len(curves) == 20
        assert [step for step, _, _ in curves.pop("run07")["loss"]] == [2999]
        assert all(len(curve["loss"]) > 100 for curve in curves.values())


def test_run_whose_store_fails_after_it_was_seen_shows_its_newest_value(store):
    write_run("run")
    catalog, provider = open_provider()
    with catalog:
        assert tags_in(provider.ListScalars(query())) == {"run": ["loss", "accuracy"]}
        store.failing["/run/"] = UnavailableError("500 every time")
        assert curves_in(provider.ReadScalars(query(tags=["loss"])))["run"]["loss"] == [(2999, 1e9 + 2999, 2999.0)]
