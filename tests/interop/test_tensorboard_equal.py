"""What TensorBoard shows through recordfs is what its own loader shows, tag by tag: our files and foreign ones."""

import os
import shutil
import sys

import numpy as np
import pytest

from recordfs._core import encode_message
from recordfs.events import EventsWriter, SummaryWriter
from support.event_files import scalar, session_start, training_events, write_events
from support.tensorboard import TensorBoard

pytestmark = pytest.mark.slow

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden", "events")

ODD_TAGS = [
    "a b",
    "ä/ö😀",
    "quo\"te'",
    "<b>&amp;",
    "per%20cent+plus",
    "/lead",
    "trail/",
    "a//b",
    "x" * 300,
    "new\nline",
]


def tensor_of_strings(*strings):
    shape = encode_message([(2, "b", encode_message([(1, "v", len(strings))]))])
    return encode_message([(1, "v", 7), (2, "b", shape), *((8, "b", one) for one in strings)])


def write_logs(directory):
    for name in os.listdir(GOLDEN):
        run = directory / "golden" / name.removesuffix(".tfevents")
        run.mkdir(parents=True)
        shutil.copy(os.path.join(GOLDEN, name), run / f"events.out.tfevents.1700000000.host.{name}.0")
    for run, index in (("ours", True), ("foreign", False)):
        write_events(directory / run, training_events(5, 400), index=index)
    with SummaryWriter(str(directory / "kinds_a")) as writer:
        writer.add_histogram("shared", np.arange(50.0), 1)
        writer.add_scalar("other", 2.0, 1)
        writer.add_audio("tone", np.sin(np.arange(4000) / 10), 1, 8000)
        writer.add_pr_curve("pr", [0, 1, 1, 0], [0.1, 0.9, 0.4, 0.35], 1, num_thresholds=11)
        writer.add_mesh("mesh", np.arange(12).reshape(1, 4, 3))
        writer.add_hparams({"lr": 0.1, "on": True, "name": "adam"}, {"accuracy": 0.5}, run_name="trial")
    with SummaryWriter(str(directory / "kinds_b")) as writer:
        writer.add_image("shared", np.zeros((3, 4, 5), "uint8"), 1)
        writer.add_text("other", "words", 1)
    with SummaryWriter(str(directory / "odd" / "rün 1 & <x>" / "a,b:c")) as writer:
        for number, tag in enumerate(ODD_TAGS):
            writer.add_scalar(tag, float(number), number)
    write_restarts(directory)
    write_graphs(directory)


def write_restarts(directory):
    events = [scalar("a", 1.0, step) for step in range(20)]
    restart = [session_start(12), session_start(12), *(scalar("a", 2.0, step) for step in range(12, 15))]
    for run, index in (("restart", True), ("restart_foreign", False)):
        write_events(directory / run, [session_start(0), *events, *restart], index=index)


def write_graphs(directory):
    for run, index in (("graph", True), ("graph_foreign", False)):
        with EventsWriter(f"{directory}/{run}/events", index=index) as writer:
            node = encode_message([(1, "b", "node"), (2, "b", "NoOp")])
            graph = encode_message([(1, "b", node)])
            writer.write_event(encode_message([(1, "d", 1.0), (4, "b", graph)]))
            for step, tag in enumerate(["step1", "step2"]):
                tagged = encode_message([(1, "b", tag), (2, "b", b"")])
                writer.write_event(encode_message([(1, "d", 1.0 + step), (2, "v", step), (8, "b", tagged)]))


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    directory = tmp_path_factory.mktemp("logs")
    write_logs(directory)
    own = TensorBoard(directory, "false", "--recordfs", "off", python=sys.executable)
    with own, TensorBoard(directory, "auto", "--recordfs", "on", python=sys.executable) as ours:
        runs = {"kinds_b", "graph_foreign", "odd/rün 1 & <x>/a,b:c", "restart_foreign"}
        for board in (own, ours):
            board.wait_for_runs(runs)
            board.wait_until(lambda board=board: len(curve(board, "foreign", "loss/layer_04")) == 400)
            board.wait_until(lambda board=board: len(curve(board, "restart_foreign", "a")) == 15)
        # What is compared below was read to its end: the description of a tag tells of the rest.
        ours.wait_until(lambda: "still reading" not in str(ours.get("environment")))
        yield own, ours


def curve(board, run, tag):
    [found] = board.time_series({"plugin": "scalars", "tag": tag})
    return found["runToSeries"].get(run, [])


def test_runs_are_the_same(boards):
    own, ours = boards
    assert sorted(ours.get("runs")) == sorted(own.get("runs"))


@pytest.mark.parametrize(
    "plugin", ["scalars", "histograms", "distributions", "images", "audio", "text", "pr_curves", "mesh"]
)
def test_tags_are_the_same(boards, plugin):
    own, ours = (board.get(f"plugin/{plugin}/tags") for board in boards)
    assert ours == own


def test_every_scalar_is_the_same(boards):
    own, ours = boards
    count = 0
    for run, tags in own.get("plugin/scalars/tags").items():
        for tag in tags:
            theirs = own.get("plugin/scalars/scalars", run=run, tag=tag)
            assert ours.get("plugin/scalars/scalars", run=run, tag=tag) == [
                [wall_time, step, as_float32(value)] for wall_time, step, value in theirs
            ]
            count += 1
    assert count > 30


def as_float32(value):
    return float(np.float32(value)) if isinstance(value, float) else value


def test_every_histogram_is_the_same(boards):
    own, _ = boards
    for run, tags in own.get("plugin/histograms/tags").items():
        for tag in tags:
            theirs, mine = (board.get("plugin/histograms/histograms", run=run, tag=tag) for board in boards)
            assert [point[:2] for point in mine] == [point[:2] for point in theirs]
            for (_, _, left), (_, _, right) in zip(mine, theirs, strict=True):
                assert np.allclose(left, right, rtol=1e-6)


def test_every_text_is_the_same(boards):
    own, ours = boards
    for run, tags in own.get("plugin/text/tags").items():
        for tag in tags:
            assert ours.get("plugin/text/text", run=run, tag=tag) == own.get("plugin/text/text", run=run, tag=tag)


@pytest.mark.parametrize(("plugin", "listing"), [("images", "images"), ("audio", "audio")])
def test_every_picture_and_sound_is_the_same_to_the_byte(boards, plugin, listing):
    own, ours = boards
    count = 0
    for run, tags in own.get(f"plugin/{plugin}/tags").items():
        for tag, told in tags.items():
            for sample in range(told["samples"]):
                found = [board.get(f"plugin/{plugin}/{listing}", run=run, tag=tag, sample=sample) for board in boards]
                theirs, mine = ([{**one, "query": ""} for one in entries] for entries in found)
                assert [strip(one) for one in mine] == [strip(one) for one in theirs]
                route = "individualImage" if plugin == "images" else "individualAudio"
                for left, right in zip(*found, strict=True):
                    assert ours.bytes_at(f"plugin/{plugin}/{route}?{right['query']}") == own.bytes_at(
                        f"plugin/{plugin}/{route}?{left['query']}"
                    )
                    count += 1
    assert count


def strip(entry):
    return {key: value for key, value in entry.items() if key not in ("query", "blob_key")}


def test_graphs_and_run_metadata_are_the_same(boards):
    own, ours = boards
    theirs, mine = own.get("plugin/graphs/info"), ours.get("plugin/graphs/info")
    assert mine == theirs
    assert {"step1", "step2"} <= set(mine["graph_foreign"]["tags"])
    for run in ("graph", "graph_foreign"):
        parameters = f"run={run}&conceptual=false"
        assert ours.bytes_at(f"plugin/graphs/graph?{parameters}") == own.bytes_at(f"plugin/graphs/graph?{parameters}")
        where = f"plugin/graphs/run_metadata?run={run}&tag=step2"
        assert ours.bytes_at(where) == own.bytes_at(where)


def test_hyperparameters_are_the_same(boards):
    def normal(found):
        return {**found, "hparamInfos": sorted(found.get("hparamInfos", []), key=str), "timeCreatedSecs": 0}

    own, ours = (board.post("plugin/hparams/experiment", {"experimentName": ""}) for board in boards)
    assert normal(ours) == normal(own)
