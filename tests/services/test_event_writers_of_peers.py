"""The SummaryWriters of torch and tensorboardX on real stores: one line each, and the events are in the bucket."""

import sysconfig

import pytest

from recordfs.events import EventLog
from support.peers import call_peer, peer_process

pytestmark = [pytest.mark.service, pytest.mark.peer]

WRITERS = {
    "torch": "import recordfs.interop.torch as interop\nfrom torch.utils.tensorboard import SummaryWriter\n",
    "tensorboardx": "import recordfs.interop.tensorboardx as interop\nfrom tensorboardX import SummaryWriter\n",
}

WRITE = """
import sys
sys.path.append(packages)  # the clients of stores, which the peer's environment has not
interop.install(options=options)
writer = SummaryWriter(path)
for step in range(50):
    writer.add_scalar("loss", 1 / (1 + step), step)
writer.add_text("note", "hello", 1)
writer.add_scalars("group", {"a": 1.0}, 1)
writer.flush()
"""

WRITE_ON = """
for step in range(50, 100):
    writer.add_scalar("loss", 1 / (1 + step), step)
writer.close()
writer.add_scalar("loss", 0.0, 100)  # begins another file
writer.close()
"""

READ = """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(path, size_guidance={"scalars": 0}).Reload()
result = {"steps": [event.step for event in events.Scalars("loss")], "tags": sorted(events.Tags()["tensors"])}
"""


def write_with(peer, directory, options, look):
    """Log with a peer's writer; ``look`` is called while the run is under way, after a flush."""
    settings = {"path": directory, "options": options, "packages": sysconfig.get_path("purelib")}
    with peer_process(peer, recordfs=True) as process:
        process.call(WRITERS[peer] + WRITE + "import builtins\nbuiltins.kept = writer\nresult = None", **settings)
        look()
        process.call("import builtins\nwriter = builtins.kept\n" + WRITE_ON + "result = None")


def check_run(tmp_path, directory, file_system, fetch):
    """Check what recordfs finds there, and what TensorBoard finds in the bytes that the store's own client gives."""
    log = EventLog(directory, cache=None, file_system=file_system)
    assert len(log.runs) == 2, "the run, and one below it for the group"
    assert log.columns(".")["loss"].step.tolist() == list(range(101))
    copies = tmp_path / "copies"
    copies.mkdir()
    for number, file in enumerate(log.files(".")):
        (copies / f"events.out.tfevents.{number}").write_bytes(fetch(file.path))
    found = call_peer("torch", READ, path=str(copies))
    assert found == {"steps": list(range(101)), "tags": ["note/text_summary"]}


def steps_so_far(directory, file_system):
    return EventLog(directory, cache=None, file_system=file_system).columns(".")["loss"].step.tolist()


@pytest.mark.parametrize(
    ("object_place", "peer"),
    [
        ("seaweedfs", "torch"),
        ("seaweedfs", "tensorboardx"),
        ("versitygw", "tensorboardx"),
        ("fake-gcs-server", "torch"),
        ("fake-gcs-server", "tensorboardx"),
    ],
    indirect=["object_place"],
)
def test_a_peer_logs_into_a_bucket(tmp_path, object_place, peer):
    directory = f"{object_place.root}/run"
    seen = []
    write_with(
        peer, directory, object_place.options, lambda: seen.extend(steps_so_far(directory, object_place.file_system))
    )
    assert seen == list(range(50)), "a flush shows what was logged before"
    check_run(tmp_path, directory, object_place.file_system, object_place.get)


@pytest.mark.parametrize("peer", list(WRITERS))
def test_a_peer_logs_into_hdfs(tmp_path, hdfs_cluster, hdfs_root, hdfs, peer):
    directory = f"{hdfs_root}/run"
    options = {"webhdfs": f"http://{hdfs_cluster.http_address}"}
    seen = []
    write_with(peer, directory, options, lambda: seen.extend(steps_so_far(directory, hdfs)))
    assert seen == list(range(50)), "a flush shows what was logged before"

    def fetch(path):
        local = tmp_path / "fetched"
        local.unlink(missing_ok=True)
        hdfs_cluster.shell("-get", path.removeprefix(hdfs_cluster.url), str(local))
        return local.read_bytes()

    check_run(tmp_path, directory, hdfs, fetch)
