"""TensorBoard over a bucket that fails: its page lives, and in the end no run and no point is missing."""

import sys

import pytest
from tools.shared_body_store import SharedBodyStore

from recordfs import RecordWriter
from recordfs.events import EventsWriter
from support.event_files import scalar
from support.fault_proxy import FaultProxy
from support.tensorboard import TensorBoard

pytestmark = [pytest.mark.service, pytest.mark.slow]

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}

RUNS, STEPS = 100, 900

ALWAYS = 1_000_000


def write_body(directory, name, steps=STEPS, *, index=True):
    with EventsWriter(str(directory / name / "events"), index=index) as writer:
        for step in range(steps):
            for tag in ("loss", "lr", "accuracy"):
                writer.write_event(scalar(tag, step / 7, step))
    return writer.path


@pytest.fixture
def files(tmp_path):
    """A hundred runs: with an index and without, and one of which a record is no event."""
    indexed = write_body(tmp_path, "indexed")
    foreign = write_body(tmp_path, "foreign", index=False)
    strange = write_body(tmp_path, "strange", index=False)
    with RecordWriter(strange, append=True) as writer:
        writer.write(b"\xff\xff this is no event")
        writer.write(scalar("loss", STEPS / 7, STEPS))
    bodies = [indexed, foreign, indexed, strange]
    return {f"logs/run_{run:02}/events.out.tfevents.1700000000.h.{run}.0": bodies[run % 4] for run in range(RUNS)}


def steps_in(board, run):
    [found] = board.time_series({"plugin": "scalars", "tag": "loss", "run": run})
    return [point["step"] for point in found["runToSeries"].get(run, [])]


def test_bucket_that_fails_in_every_way_loses_no_run_and_ends_no_page(files):
    with SharedBodyStore(files) as store, FaultProxy(int(store.endpoint.rpartition(":")[2])) as proxy:
        proxy.fail(r"GET /bucket/?\?", "status", status=500, count=4)
        proxy.fail(r"run_13/", "status", status=500, count=ALWAYS)
        proxy.fail(r"run_[0-4]\d/", "status", status=503, count=60)
        proxy.fail(r"run_[3-7]\d/", "reset", count=60)
        proxy.fail(r"run_[5-9]\d/", "cut_response", count=40)
        proxy.fail(r"run_[2-6]\d/", "damage", count=10)
        proxy.fail(r"run_8\d/", "delay", seconds=3.0, count=20)
        environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.endpoint}
        with TensorBoard("s3://bucket/logs", "auto", environment=environment, python=sys.executable) as board:
            sound = {f"run_{run:02}" for run in range(RUNS)} - {"run_13"}
            board.wait_for_runs(sound)
            for run in sorted(sound):
                steps = STEPS + 1 if int(run[4:]) % 4 == 3 else STEPS
                board.wait_until(lambda run=run, steps=steps: steps_in(board, run) == list(range(steps)))
            assert steps_in(board, "run_13") == []
            assert "run_13" in board.log()
            proxy.heal()
            board.wait_until(lambda: steps_in(board, "run_13") == list(range(STEPS)))
            assert board.get("plugins_listing")["timeseries"]["enabled"]
            assert "secret" not in board.log()
