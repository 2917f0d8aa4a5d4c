"""TensorBoard, in both its modes of loading, shows every kind of summary that SummaryWriter writes."""

import struct
import zlib

import numpy as np
import pytest

from recordfs import RecordWriter
from recordfs.events import EventsWriter, SummaryWriter, columns
from recordfs.events.writer import session_start_events
from support.event_files import WALL, scalar, training_events, write_events
from support.tensorboard import TensorBoard

pytestmark = [pytest.mark.peer, pytest.mark.slow]

RNG = np.random.default_rng(7)
WEIGHTS = RNG.normal(size=1000)
PICTURE = RNG.integers(0, 256, (9, 7, 3), dtype="uint8")
LABELS, PREDICTIONS = [0, 1, 1, 0, 1], [0.1, 0.9, 0.4, 0.35, 0.8]


def write_everything(directory):
    with SummaryWriter(directory) as writer:
        for step in range(20):
            writer.add_scalar("loss", 1 / (1 + step), step, WALL + step)
            writer.add_scalar("described", step, step, display_name="Shown so", summary_description="*described*")
            writer.add_scalar("tensor", step / 2, step, new_style=True)
        writer.add_text("note", "**hello**", 3)
        writer.add_histogram("weights", WEIGHTS, 1)
        writer.add_histogram("constant", np.ones(5), 1)
        writer.add_histogram_raw("raw", 0, 2, 3, 3, 5, [1.0, 2.0], [1.0, 2.0], 4)
        writer.add_image("picture", PICTURE, 1, dataformats="HWC")
        writer.add_audio("tone", np.sin(np.arange(4000) / 10), 1, 8000)
        writer.add_pr_curve("pr", LABELS, PREDICTIONS, 1, num_thresholds=11)
        writer.add_mesh("mesh", np.arange(12).reshape(1, 4, 3), faces=np.zeros((1, 2, 3)), colors=np.full((1, 4, 3), 9))
        band = ["Margin", ["loss", "tensor", "described"]]
        writer.add_custom_scalars({"category": {"chart": ["Multiline", ["loss", "tensor"]], "band": band}})
        writer.add_hparams({"lr": 0.1, "bn": True, "opt": "adam"}, {"hp/acc": 0.5}, run_name="first")
        writer.add_hparams({"lr": 0.2, "layers": 3}, {"hp/acc": 0.75}, run_name="second")
        writer.add_scalars("group/x", {"a": 1.0, "b": 2.0}, 1)


def write_indexed_and_plain(directory):
    """The same events with an index and without, at the end and in the middle of a file."""
    events, more = (
        training_events(5, 200),
        [scalar(f"loss/layer_{n:02d}", 0.5, 200 + m) for n in range(5) for m in range(50)],
    )
    for run, index in (("indexed", True), ("plain", False)):
        write_events(directory / run, events, index=index)
        path = write_events(directory / f"{run}_grown", events, index=index)
        with RecordWriter(path, append=True) as writer:
            writer.write_batch(more)


def write_restarted(directory):
    with SummaryWriter(directory) as writer:
        for step in range(10):
            writer.add_scalar("a", 1.0, step)
        (first,) = writer.file_writer.paths
    # TensorBoard reads files in the order of their names, and this one's has to say a later second.
    with EventsWriter(f"{directory}/events", after=first) as writer:
        for event in session_start_events(WALL, 5):
            writer.write_event(event)
        for step in (5, 6, 7):
            writer.write_event(scalar("a", 2.0, step))


@pytest.fixture(scope="module", params=["true", "false", "recordfs"])
def board(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("logs")
    write_everything(directory)
    write_indexed_and_plain(directory)
    write_restarted(directory / "restarted")
    write_events(directory / "unordered", [scalar("a", n, step) for n, step in enumerate([0, 1, 2, 2, 5, 3, 4, 4])])
    runs = {".", "first", "second", "group_x_a", "group_x_b", "indexed", "indexed_grown", "plain", "plain_grown"}
    with TensorBoard(directory, request.param) as board:
        board.wait_for_runs({*runs, "restarted", "unordered"})
        board.is_fast, board.logdir = request.param == "true", directory
        # What has no index is read in the background.
        board.wait_until(lambda: len(shown(board, "plain_grown", "loss/layer_04")) == 250)
        board.wait_until(lambda: len(shown(board, "plain", "loss/layer_04")) == 200)
        yield board


def test_scalars_are_shown(board):
    tags = board.get("plugin/scalars/tags")
    assert {"loss", "described", "tensor"} <= set(tags["."])
    assert tags["."]["described"]["description"] == "<p><em>described</em></p>"
    assert tags["."]["described"]["displayName"] == "Shown so"
    rows = board.get("plugin/scalars/scalars", run=".", tag="loss")
    assert [row[:2] for row in rows] == [[WALL + step, step] for step in range(20)]
    assert [row[2] for row in rows] == [np.float32(1 / (1 + step)) for step in range(20)]
    assert [row[2] for row in board.get("plugin/scalars/scalars", run=".", tag="tensor")] == [n / 2 for n in range(20)]


def test_scalars_of_one_chart_are_runs_of_their_own(board):
    for run, value in (("group_x_a", 1.0), ("group_x_b", 2.0)):
        assert [row[1:] for row in board.get("plugin/scalars/scalars", run=run, tag="group/x")] == [[1, value]]


def test_texts_are_shown(board):
    (row,) = board.get("plugin/text/text", run=".", tag="note/text_summary")
    assert (row["step"], "<strong>hello</strong>" in row["text"]) == (3, True)


def test_histograms_are_shown(board):
    assert {"weights", "constant", "raw"} <= set(board.get("plugin/histograms/tags")["."])
    ((_, step, buckets),) = board.get("plugin/histograms/histograms", run=".", tag="weights")
    assert step == 1
    assert sum(count for _, _, count in buckets) == pytest.approx(1000)
    below = sum(count for _, right, count in buckets if right <= 0)
    assert below == (WEIGHTS < 0).sum()
    assert board.get("plugin/distributions/distributions", run=".", tag="weights")
    ((_, _, constant),) = board.get("plugin/histograms/histograms", run=".", tag="constant")
    assert sum(count for _, _, count in constant) == pytest.approx(5)


def test_pictures_are_shown_to_the_pixel(board):
    assert "picture" in board.get("plugin/images/tags")["."]
    (picture,) = board.get("plugin/images/images", run=".", tag="picture")
    png = board.bytes_at(f"plugin/images/individualImage?{picture['query']}")
    begin = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[begin - 4 : begin])
    lines = np.frombuffer(zlib.decompress(png[begin + 4 : begin + 4 + length]), "uint8").reshape(9, 1 + 7 * 3)
    pixels = lines[:, 1:].reshape(9, 7, 3).cumsum(axis=1, dtype="uint8")
    assert (pixels == PICTURE).all()


def test_sounds_are_heard(board):
    (sound,) = board.get("plugin/audio/audio", run=".", tag="tone")
    wav = board.bytes_at(f"plugin/audio/individualAudio?{sound['query']}")
    assert wav[:4] == b"RIFF"
    assert len(wav) == 44 + 2 * 4000


def test_curves_of_precision_and_recall_are_shown(board):
    (curve,) = board.get("plugin/pr_curves/pr_curves", run=".", tag="pr")["."]
    assert len(curve["precision"]) == 10, "TensorBoard leaves out thresholds above every prediction"
    assert curve["true_positives"][0] == 3
    assert curve["false_positives"][0] == 2
    # At 0.5: two of three positives, no negative.
    assert curve["thresholds"][5] == pytest.approx(0.5)
    assert (curve["precision"][5], curve["recall"][5]) == (1.0, pytest.approx(2 / 3))


def test_meshes_are_shown(board):
    (run,) = [entry for name, entry in board.get("plugin/mesh/tags").items() if name == "."]
    assert set(run) == {"mesh"}
    entries = board.get("plugin/mesh/meshes", run=".", tag="mesh", sample="0")
    assert sorted(entry["content_type"] for entry in entries) == [1, 2, 3]
    path = "plugin/mesh/data?" + "run=.&tag=mesh&sample=0&step=0&content_type=VERTEX"
    assert np.frombuffer(board.bytes_at(path), "float32").tolist() == [float(n) for n in range(12)]


def test_the_layout_of_custom_scalars_is_taken(board):
    layout = board.get("plugin/custom_scalars/layout")
    assert layout["category"][0]["title"] == "category"
    lines, band = layout["category"][0]["chart"]
    assert (lines["title"], lines["multiline"]["tag"]) == ("chart", ["loss", "tensor"])
    [series] = band["margin"]["series"]
    assert (band["title"], series) == ("band", {"value": "loss", "lower": "tensor", "upper": "described"})


def test_hyperparameters_of_every_run_are_columns(board):
    experiment = board.post("plugin/hparams/experiment", {})
    assert {info["name"] for info in experiment["hparamInfos"]} == {"lr", "bn", "opt", "layers"}
    body = {"allowedStatuses": ["STATUS_SUCCESS"], "colParams": [], "startIndex": 0, "sliceSize": 10}
    groups = board.post("plugin/hparams/session_groups", body)["sessionGroups"]
    found = {group["sessions"][0]["name"]: group["hparams"] for group in groups}
    assert found["first"] == {"lr": 0.1, "bn": True, "opt": "adam"}
    assert found["second"] == {"lr": 0.2, "layers": 3}


def shown(board, run, tag):
    return [(row[1], row[2]) for row in board.wait_for("plugin/scalars/scalars", run=run, tag=tag)]


def test_an_index_changes_nothing_that_is_shown(board):
    for tag in ("loss/layer_00", "loss/layer_04"):
        assert len(shown(board, "indexed", tag)) == 200
        assert shown(board, "indexed", tag) == shown(board, "plain", tag)
        # Here events follow the index.
        assert len(shown(board, "indexed_grown", tag)) == 250
        assert shown(board, "indexed_grown", tag) == shown(board, "plain_grown", tag)


@pytest.mark.parametrize("run", ["restarted", "unordered"])
def test_the_points_that_count_are_those_that_the_loader_counts(board, run):
    column = columns(board.logdir / run, purge="fast" if board.is_fast else "tensorboard")["a"]
    ours = list(zip(column.step.tolist(), column.value.tolist(), strict=True))
    assert len(ours) < len(columns(board.logdir / run)["a"].step) or (run == "unordered" and not board.is_fast)
    assert shown(board, run, "a") == ours
