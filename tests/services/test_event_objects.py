"""Event files as objects: what a log sends, what an outage costs, and that a curve is read from few bytes."""

import pytest

from recordfs.errors import RecordFSError
from recordfs.events import EventFileWriter, EventLog, SummaryWriter, columns
from support.event_files import scalar, training_events

pytestmark = pytest.mark.service


def test_40_flushes_of_a_log_of_9_megabytes_send_at_most_20(s3, root, fault_proxy):
    with SummaryWriter(f"{root}/run", file_system=s3) as writer:
        fault_proxy.reset()
        for flush in range(40):
            for step in range(3760):
                writer.add_scalar("train/loss/of_the_model", 0.5, flush * 3760 + step)
            writer.flush()
    assert fault_proxy.traffic().sent <= 20e6
    found = columns(f"{root}/run", cache=None, file_system=s3)
    assert found["train/loss/of_the_model"].step.tolist() == list(range(40 * 3760))
    assert found.report.files < 25


@pytest.mark.parametrize("mode", ["reset", "status"])
def test_a_store_that_is_down_for_a_while_costs_no_event(s3, root, fault_proxy, mode):
    writer = EventFileWriter(f"{root}/run", file_system=s3)
    for step in range(100):
        writer.add_event(scalar("a", 1.0, step))
    writer.flush()
    fault_proxy.fail(r"^(PUT|POST) ", mode, count=10**6)
    for step in range(100, 200):
        writer.add_event(scalar("a", 1.0, step))
    with pytest.raises(RecordFSError):
        writer.flush()
    fault_proxy.heal()
    writer.close()
    steps = columns(f"{root}/run", cache=None, file_system=s3)["a"].step.tolist()
    assert sorted(set(steps)) == list(range(200))


def test_one_curve_of_a_large_run_is_few_bytes_and_requests(s3, root, fault_proxy):
    with EventFileWriter(f"{root}/run", file_system=s3) as writer:
        for event in training_events(100, 300):
            writer.add_event(event)
    log = EventLog(f"{root}", cache=None, file_system=s3)
    (file,) = log.files("run")
    fault_proxy.reset()
    found = log.columns("run", "loss/layer_42")
    traffic = fault_proxy.traffic()
    assert found["loss/layer_42"].step.tolist() == list(range(300))
    assert traffic.requests <= 4
    assert traffic.received < 40_000 < file.length / 30
