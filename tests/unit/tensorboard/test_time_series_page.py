"""What ``recordfs tensorboard`` answers the time series page itself is what TensorBoard answers, to the last word."""

import sys

import numpy as np
import pytest

from recordfs.events import SummaryWriter
from support.tensorboard import TensorBoard

pytestmark = pytest.mark.slow

SCALARS = [{"plugin": "scalars", "tag": tag} for tag in ("loss", "odd/näme \"<'&> 😀", "ends", "none")]
OTHERS = [{"plugin": "histograms", "tag": "weights", "run": "b"}, {"plugin": "images", "tag": "picture", "run": "b"}]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("logs")
    for run in ("a", "b", "c/ünder"):
        with SummaryWriter(str(directory / run)) as writer:
            for step in range(50):
                writer.add_scalar("loss", 1 / (1 + step), step, 1.7e9 + step)
            writer.add_scalar(SCALARS[1]["tag"], 1.5, -3, 1.7e9, summary_description=f"*of* <script>{run}</script>")
            for step, value in enumerate([float("nan"), float("inf"), float("-inf"), 1e-30, 3.0]):
                writer.add_scalar("ends", value, step, 1.7e9 + step)
            if run == "b":
                writer.add_histogram("weights", np.arange(100.0), 1)
                writer.add_image("picture", np.zeros((3, 4, 5), "uint8"), 2)
    return directory


@pytest.fixture(scope="module")
def boards(logdir):
    program = ["-m", "recordfs.cli", "tensorboard", str(logdir), "--port", "0", "--reload", "1"]
    with (
        TensorBoard(logdir, "auto", "--recordfs", "on", python=sys.executable) as plain,
        TensorBoard(logdir, "auto", program=program) as ours,
    ):
        for board in (plain, ours):
            board.wait_for_runs({"a", "b", "c/ünder"})
        yield plain, ours


def test_tags_and_their_descriptions_are_tensorboards(boards):
    plain, ours = (board.get("plugin/timeseries/tags") for board in boards)
    assert ours == plain
    assert ours["images"]["tagRunSampledInfo"] == {"picture": {"b": {"maxSamplesPerStep": 1}}}
    assert "<script>" not in ours["scalars"]["tagDescriptions"][SCALARS[1]["tag"]]


@pytest.mark.parametrize("requests", [SCALARS, [{**one, "run": "a"} for one in SCALARS], OTHERS, [*SCALARS, *OTHERS]])
def test_curves_are_tensorboards(boards, requests):
    plain, ours = (board.time_series(*requests) for board in boards)
    assert strip(ours) == strip(plain)


def strip(answer):
    """Without the keys of pictures, which are another number in each process."""
    for one in answer:
        for points in one.get("runToSeries", {}).values():
            for point in points:
                assert isinstance(point.pop("imageId", ""), str)
    return answer


def test_other_pages_are_tensorboards_own(boards, logdir):
    _, ours = boards
    assert ours.get("environment")["data_location"] == str(logdir)
    assert ours.get("plugins_listing")["timeseries"]["enabled"]
