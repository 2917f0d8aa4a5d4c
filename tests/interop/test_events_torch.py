"""The SummaryWriters of torch and tensorboardX write through recordfs after one line each."""

import pytest

from recordfs.events import columns, decode_event
from recordfs.records.reader import RecordReader
from support.peers import peer_process

pytestmark = [pytest.mark.peer, pytest.mark.slow]

INSTALL = {
    "torch": "import recordfs.interop.torch as interop\nfrom torch.utils.tensorboard import SummaryWriter",
    "tensorboardx": "import recordfs.interop.tensorboardx as interop\nfrom tensorboardX import SummaryWriter",
}
WRITE = """
import numpy as np
interop.install(policy="drop")
writer = SummaryWriter(path, purge_step=3)
for step in range(20):
    writer.add_scalar("loss", 1 / (1 + step), step, walltime=1.7e9 + step)
writer.add_text("note", "hello", 1)
writer.add_histogram("weights", np.arange(100.0), 1)
if peer == "torch":  # tensorboardX needs another package for pictures
    writer.add_image("picture", np.zeros((3, 4, 5)), 1)
writer.add_scalars("group", {"a": 1.0}, 1)
writer.add_hparams({"lr": 0.1}, {"acc": 0.5})
writer.flush()
from recordfs import gfile
result = {"flushed": sum(len(names) for _, _, names in gfile.walk(path))}
result["kind"] = type(writer.file_writer.event_writer).__name__
writer.close()
writer.add_scalar("loss", 9.0, 20)
writer.close()
interop.uninstall()
result["contents"] = [
    gfile.GFile(f"{top}/{name}", "rb").read() for top, _, names in gfile.walk(path) for name in sorted(names)
]
"""


@pytest.mark.parametrize("peer", ["torch", "tensorboardx"])
@pytest.mark.parametrize("path", ["local", "ram://bucket/run", "recordfs+ram://bucket/run"])
def test_summary_writers_write_through_recordfs(tmp_path, peer, path):
    where = str(tmp_path / "run") if path == "local" else path
    program = INSTALL[peer] + WRITE.replace("gfile.walk(path)", "gfile.walk(path.removeprefix('recordfs+'))")
    with peer_process(peer, recordfs=True) as process:
        found = process.call(program, path=where, peer=peer)
    assert found["kind"] == "EventFileWriterStandIn"
    assert found["flushed"] == 3, "the run, one below it for the group, one for the hyperparameters"
    assert len(found["contents"]) == 4
    (tmp_path / "back").mkdir()
    for number, content in enumerate(found["contents"]):
        (tmp_path / "back" / f"events.out.tfevents.{number}").write_bytes(content)
    back = columns(tmp_path / "back")
    assert back["loss"].step.tolist() == list(range(21))
    assert back["group"].value.tolist() == [1.0]
    assert back["acc"].value.tolist() == [0.5]
    events = []
    for number in range(4):
        with RecordReader(str(tmp_path / "back" / f"events.out.tfevents.{number}")) as reader:
            events += [decode_event(record) for record in reader]
    starts = sum(event.kind == "session_log" for event in events)
    assert starts == {"torch": 2, "tensorboardx": 4}[peer], "each start of the job is written twice"
    kinds = {value.tag: value.kind for event in events for value in event.summary}
    assert kinds["weights"] == "histo"
    assert kinds.get("picture") == ("image" if peer == "torch" else None)
    assert kinds["note/text_summary"] == "tensor"
