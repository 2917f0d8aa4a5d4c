"""TensorBoard on a bucket: recordfs installed beside TensorFlow, and logs that the own writer of PyTorch wrote."""

import os
import sys
import sysconfig

import pytest

from recordfs.filesystems.s3 import S3FileSystem
from support.peers import peer_process
from support.servers import ACCESS_KEY, SECRET_KEY
from support.tensorboard import TensorBoard

pytestmark = [pytest.mark.peer, pytest.mark.service, pytest.mark.slow]

AWS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": "us-east-1"}

WRITE_WITH_TENSORFLOW = """
    import tensorflow as tf
    for run in range(2):
        with tf.summary.create_file_writer(f"{directory}/run{run}").as_default():
            for step in range(300):
                tf.summary.scalar("loss", run + 1 / (1 + step), step=step)
            tf.summary.histogram("weights", [1.0, 2.0, 3.0], step=1)
            tf.summary.text("note", "from TensorFlow", step=1)
    result = None
"""

WRITE_WITH_TORCH = """
    import numpy as np
    from torch.utils.tensorboard import SummaryWriter
    for run in range(2):
        with SummaryWriter(f"{directory}/run{run}") as writer:
            for step in range(300):
                writer.add_scalar("loss", run + 1 / (1 + step), step)
            writer.add_histogram("weights", np.arange(100.0), 1)
            writer.add_text("note", "from PyTorch", 1)
            writer.add_image("picture", np.zeros((3, 4, 5)), 1)
            writer.add_pr_curve("pr", np.array([0, 1, 1, 0]), np.array([0.1, 0.9, 0.4, 0.35]), 1)
            writer.add_scalars("group", {"a": 1.0, "b": 2.0}, 1)
            writer.add_hparams({"lr": 0.1}, {"accuracy": 0.5}, run_name="trial")
    result = None
"""

ROUTES = {
    "scalars": ("scalars/scalars", "loss"),
    "histograms": ("histograms/histograms", "weights"),
    "text": ("text/text", "note"),
}


@pytest.fixture
def bucket(s3_server, root):
    file_system = S3FileSystem(
        endpoint_url=s3_server.endpoint, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )

    def upload(directory):
        for top, _, names in os.walk(directory):
            for name in names:
                relative = os.path.relpath(os.path.join(top, name), directory)
                with (
                    open(os.path.join(top, name), "rb") as source,
                    file_system.new_writable_file(f"{root}/{relative}") as target,
                ):
                    target.append(source.read())
        return root

    return upload


def everything(board, runs):
    """What the dashboards are answered about some runs, without what differs between two servers."""
    board.wait_for_runs(runs)
    board.wait_until(lambda: "still reading" not in str(board.get("environment")))
    found = {"runs": sorted(board.get("runs"))}
    for plugin, (route, _) in ROUTES.items():
        tags = found[f"{plugin} tags"] = board.get(f"plugin/{plugin}/tags")
        for run in tags:
            for tag in tags[run]:
                found[plugin, run, tag] = board.get(f"plugin/{route}", run=run, tag=tag)
    for plugin in ("images", "pr_curves"):
        found[f"{plugin} tags"] = board.get(f"plugin/{plugin}/tags")
    parameters = board.post("plugin/hparams/experiment", {"experimentName": ""})
    found["hyperparameters"] = sorted(str(one) for one in parameters.get("hparamInfos", []))
    return found


@pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True)
def test_logs_of_pytorch_in_a_bucket_show_as_by_the_loader_of_its_own_tensorboard(s3_server, bucket, tmp_path):
    with peer_process("torch") as torch:
        torch.call(WRITE_WITH_TORCH, directory=str(tmp_path))
    runs = {"run0", "run1", "run0/trial", "run1/group_a"}
    root = bucket(tmp_path)
    with TensorBoard(tmp_path, "false", "--recordfs", "off", python=sys.executable) as board:
        board.wait_until(lambda: len(board.get("plugin/scalars/scalars", run="run1", tag="loss")) == 300)
        expected = everything(board, runs)
    environment = {**AWS, "AWS_ENDPOINT_URL": s3_server.endpoint}
    with TensorBoard(root, "auto", environment=environment, python=sys.executable) as board:
        assert everything(board, runs) == expected


@pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True)
def test_tensorboard_beside_tensorflow_opens_a_bucket_that_tensorflow_refuses(s3_server, bucket, tmp_path):
    logs, modules = tmp_path / "logs", tmp_path / "modules"
    with peer_process("tensorflow") as tensorflow:
        tensorflow.call(WRITE_WITH_TENSORFLOW, directory=str(logs))
    root = bucket(logs)
    modules.mkdir()
    # The clients for S3, which TensorFlow's environment has not, after everything that it has.
    (modules / "sitecustomize.py").write_text(f"import sys\nsys.path.append({sysconfig.get_path('purelib')!r})\n")
    environment = {**AWS, "AWS_ENDPOINT_URL": s3_server.endpoint}
    with TensorBoard(root, "recordfs", "--recordfs", "auto", environment=environment, modules=str(modules)) as board:
        shown = everything(board, {"run0", "run1"})
        assert "Unsupported filename scheme" not in board.log()
    for run in range(2):
        values = [(step, value) for _, step, value in shown["scalars", f"run{run}", "loss"]]
        assert [step for step, _ in values] == list(range(300))
        assert values[-1][1] == pytest.approx(run + 1 / 300)
        assert "from TensorFlow" in str(shown["text", f"run{run}", "note"])
        assert len(shown["histograms", f"run{run}", "weights"]) == 1
