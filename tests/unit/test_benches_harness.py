"""The harness of the benchmarks: taking turns, comparing answers, judging. Nothing here is timed for its speed."""

import contextlib

import pytest
from benches.__main__ import benchmark_names, rows_of
from benches.harness import AtLeast, Below, BenchmarkError, Contestant, Result, Row, Within, judge, run_row
from benches.report import as_json, as_markdown
from benches.surveys import Survey
from tools.servers import ServerMissingError

TAKES_TURNS = """
def work():
    with open(path, "a") as file:
        file.write(letter)
    return 7
"""


def contestant(name, source="def work(): return 1", peer=None):
    return Contestant(name, source, peer)


def make_row(*contestants, **fields):
    return Row(title="nothing", workload="no data", contestants=contestants, **fields)


def test_contestants_take_turns_after_one_round_that_is_not_counted(tmp_path):
    log = tmp_path / "log"
    row = make_row(
        *(contestant(letter, f"letter = {letter!r}\n{TAKES_TURNS}") for letter in "AB"),
        make_files=lambda directory: {"path": str(log)},
    )
    result = run_row(row, rounds=3, directory=str(tmp_path))
    assert log.read_text() == "ABABABAB"
    assert {name: len(samples) for name, samples in result.samples.items()} == {"A": 3, "B": 3}


def test_files_of_a_row_are_removed_after_it(tmp_path):
    def make_files(directory):
        (tmp_path / "seen").write_text(directory)
        return {}

    run_row(make_row(contestant("A"), make_files=make_files), rounds=1, directory=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["seen"]


def test_what_runs_meanwhile_has_a_directory_of_its_own_and_gives_variables(tmp_path):
    @contextlib.contextmanager
    def running(directory):
        yield {"served": directory}
        (tmp_path / "ended").write_text(directory)

    row = make_row(contestant("A", "import os\ndef work(): return len(os.listdir(served))"), running=running)
    run_row(row, rounds=1, directory=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["ended"]


def test_without_its_server_a_row_is_not_measured(tmp_path):
    def running(directory):
        raise ServerMissingError("run `make servers`")

    result = run_row(
        make_row(contestant("A"), running=running, requirements=[Below(1)]), rounds=1, directory=str(tmp_path)
    )
    assert result.missing == {"A": "run `make servers`"}
    assert [outcome.reached for outcome in result.outcomes] == [None]
    assert "NOT MEASURED" in as_markdown(result)


def test_contestants_that_did_different_work_give_no_figure(tmp_path):
    with pytest.raises(BenchmarkError, match="answers differ"):
        run_row(make_row(contestant("A"), contestant("B", "def work(): return 2")), rounds=1, directory=str(tmp_path))


def test_check_gives_the_answer_instead_of_work(tmp_path):
    one = contestant("A", "def work(): return 1\ndef check(): return 5")
    other = contestant("B", "def work(): return 2\ndef check(): return 5")
    assert run_row(make_row(one, other), rounds=1, directory=str(tmp_path)).samples.keys() == {"A", "B"}


def test_a_missing_peer_is_told_and_its_requirement_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("RECORDFS_PEERS_DIR", str(tmp_path))
    row = make_row(
        contestant("A"), contestant("TensorFlow", peer="tensorflow"), requirements=[AtLeast(2, over="TensorFlow")]
    )
    result = run_row(row, rounds=1, directory=str(tmp_path))
    assert "make peers" in result.missing["TensorFlow"]
    assert result.outcomes[0].reached is None
    assert "NOT MEASURED" in as_markdown(result)
    assert as_json([result], {})["rows"][0]["requirements"][0]["reached"] is None


@pytest.mark.parametrize(
    ("requirement", "ours", "theirs", "reached"),
    [
        (AtLeast(2.0, over="B"), [1.0, 1.0, 1.0], [3.0, 2.0, 1.0], True),
        (AtLeast(2.0, over="B"), [1.0, 1.0, 1.0], [1.9, 1.9, 9.0], False),
        (Within(1.2, of="B"), [1.2, 1.2, 1.2], [1.0, 1.0, 1.0], True),
        (Within(1.2, of="B"), [1.3, 1.3, 1.3], [1.0, 1.0, 1.0], False),
        (Below(30.0), [29.9, 29.9, 30.0], [], True),
        (Below(30.0), [30.0, 30.0, 10.0], [], False),
    ],
)
def test_the_median_of_the_rounds_decides(requirement, ours, theirs, reached):
    result = Result(make_row(contestant("A"), contestant("B")), samples={"A": ours, "B": theirs})
    assert judge(result, requirement).reached is reached


@pytest.mark.parametrize("name", benchmark_names())
def test_every_benchmark_names_contestants_its_requirements_speak_of(name):
    rows = rows_of(name, scale=0.001)
    assert rows
    for row in rows:
        names = [contestant.name for contestant in row.contestants]
        assert len(set(names)) == len(names)
        if isinstance(row, Survey):
            assert {expectation.column for expectation in row.expectations} <= set(row.columns)
            continue
        assert row.items > 0
        for requirement in row.requirements:
            if isinstance(requirement, AtLeast | Within):
                assert (requirement.over if isinstance(requirement, AtLeast) else requirement.of) in names[1:]
