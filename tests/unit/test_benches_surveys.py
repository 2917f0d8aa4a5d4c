"""The tables of what contestants do: who is asked, what is expected, and how a writer's fate is told."""

import contextlib
import random

import pytest
from benches.faults import PIECE, _Course, _verdict
from benches.harness import Contestant
from benches.report import as_json
from benches.surveys import Expectation, Survey, run_survey, survey_as_markdown
from tools.servers import ServerMissingError


@contextlib.contextmanager
def running(directory):
    yield directory


def make_survey(**fields):
    return Survey(
        **{
            "title": "t",
            "workload": "w",
            "columns": ["MiB", "fate"],
            "contestants": [Contestant("ours", ""), Contestant("other", "", peer="tensorflow")],
            "running": running,
            "examine": lambda contestant, given: {"MiB": 1.25, "fate": contestant.name},
            "expectations": [Expectation("MiB", "at most 1", lambda cell: cell <= 1)],
            **fields,
        }
    )


def test_everybody_is_asked_and_ours_is_judged(tmp_path):
    result = run_survey(make_survey(), directory=str(tmp_path))
    text = survey_as_markdown(result)
    assert "| ours | 1.2 | ours |" in text
    assert "| other | 1.2 | other |" in text
    assert "- required MiB at most 1: MISSED, 1.2" in text
    (survey,) = as_json([result], {})["surveys"]
    assert survey["requirements"] == [{"required": "MiB at most 1", "seen": 1.25, "reached": False}]
    assert not list(tmp_path.iterdir())


def test_without_the_server_nobody_is_asked_and_nothing_counts_as_reached(tmp_path):
    def missing(directory):
        raise ServerMissingError("run `make servers`")

    result = run_survey(make_survey(running=missing), directory=str(tmp_path))
    assert result.missing.keys() == {"ours", "other"}
    assert [holds for _, _, holds in result.outcomes()] == [False]
    assert "NOT MEASURED" in survey_as_markdown(result)


def piece(number):
    return random.Random(number).randbytes(PIECE)


@pytest.mark.parametrize(
    ("content", "course", "fate"),
    [
        (piece(0) + piece(1), _Course([0, 1], []), "complete"),
        (piece(0) + piece(1), _Course([0, 1], ["OSError", "OSError"]), "raised OSError; complete"),
        (piece(0), _Course([0, 1], []), "0.25 of 0.50 MiB LOST"),
        (None, _Course([0, 1], ["OSError"]), "raised OSError; no object, 0.50 of 0.50 MiB LOST"),
        (piece(0) + b"x", _Course([0], []), "1 bytes TOO MANY"),
        (piece(0), _Course([0], [], hung=True), "no return within 60 s; complete"),
    ],
)
def test_the_fate_of_a_writer_is_told_by_what_the_store_holds(content, course, fate):
    assert _verdict(content, course) == fate
