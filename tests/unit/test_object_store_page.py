"""The page of object stores' figures is made from a run."""

import json

import pytest
from tools import object_store_page

RUN = {
    "machine": {"processor": "some processor", "cores": "2", "system": "Linux 6", "python": "3.11.7"},
    "rows": [
        {
            "title": "read",
            "workload": "w",
            "items": 1000,
            "item": "read",
            "unit": "seconds for all items",
            "samples": {"recordfs": [1e-3, 2e-3], "boto3": [1e-2, 1e-2]},
            "missing": {"s3fs": "run `make peers`"},
            "requirements": [{"required": "at least 4x boto3", "seen": None, "reached": True}],
        },
        {
            "title": "memory",
            "workload": "w",
            "items": 1,
            "item": "run",
            "unit": "MiB",
            "samples": {"recordfs": [5.0]},
            "missing": {},
            "requirements": [],
        },
    ],
    "surveys": [
        {
            "title": "faults",
            "workload": "w",
            "columns": ["killed", "MiB"],
            "cells": {"recordfs": {"killed": "complete", "MiB": 97.62}, "s3fs": {"killed": "LOST", "MiB": 5000.0}},
            "missing": {},
            "requirements": [{"required": "killed complete", "seen": "LOST", "reached": False}],
        }
    ],
}


def test_every_row_and_survey_is_told():
    text = object_store_page.section([RUN])
    assert "| boto3 | 10.0 µs | 7.50x as fast (5.00 to 10.00) |" in text
    assert "Asked: at least 4x boto3 (reached).\n\ns3fs was not there: run `make peers`." in text
    assert "| recordfs | 5.0 |  |" in text
    assert "| | recordfs | s3fs |\n|---|---|---|\n| killed | complete | LOST |\n| MiB | 97.6 | 5,000 |" in text
    assert "killed complete (missed)" in text


def test_only_what_is_between_the_markers_changes(tmp_path, monkeypatch: pytest.MonkeyPatch):
    page, run = tmp_path / "page.md", tmp_path / "run.json"
    page.write_text("before\n<!-- figures:begin -->\nold\n<!-- figures:end -->\nafter\n")
    run.write_text(json.dumps(RUN))
    monkeypatch.setattr(object_store_page, "PAGE", str(page))
    monkeypatch.setattr("sys.argv", ["object_store_page", str(run)])
    for _ in range(2):
        assert object_store_page.main() == 0
        text = page.read_text()
        assert text.startswith("before\n<!-- figures:begin -->\n\n2 cores of some processor")
        assert text.endswith("\n\n<!-- figures:end -->\nafter\n")
        assert "old" not in text


def test_rows_that_were_not_run_keep_their_figures():
    before = object_store_page.section([RUN])
    title, workload = "### read\n", "another workload"
    changed = {**RUN, "rows": [{**RUN["rows"][0], "workload": workload}], "surveys": []}
    after = object_store_page.section([changed], before)
    assert after == before.replace(f"{title}\nw.", f"{title}\n{workload}.")
    assert workload in after
