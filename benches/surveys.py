"""Tables of what contestants do, where no time is taken: one line a contestant, one column a question.

A benchmark file's ``rows`` may return surveys beside rows. The first contestant is recordfs.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.peers import PeerMissingError, PeerProcess, own_process, peer_python
from tools.servers import ServerMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from benches.harness import Contestant

    Cell = float | str

__all__ = ["Expectation", "Survey", "SurveyResult", "run_survey", "start", "survey_as_json", "survey_as_markdown"]


@dataclass(frozen=True)
class Expectation:
    """What the first contestant's cell in a column has to be.

    Attributes:
        column: Which.
        text: What is expected, in words.
        holds: Tells whether a cell is that.
    """

    column: str
    text: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Survey:
    """One table.

    Attributes:
        title: What is asked, in a few words.
        workload: What everybody does, in one sentence.
        columns: The questions.
        contestants: Ours first. What their sources define is agreed with ``examine``.
        running: What runs meanwhile; gives what ``examine`` needs.
        examine: Answers the questions about one contestant: ``(contestant, what running gave) -> column -> cell``.
        expectations: What the first contestant has to reach.
    """

    title: str
    workload: str
    columns: Sequence[str]
    contestants: Sequence[Contestant]
    running: Callable[[str], AbstractContextManager[Any]]
    examine: Callable[[Contestant, Any], dict[str, Cell]]
    expectations: Sequence[Expectation] = ()


@dataclass
class SurveyResult:
    """What came of it.

    Attributes:
        survey: What was asked.
        cells: For each contestant's name, its line.
        missing: The contestants whose peer or server is not there, and why.
    """

    survey: Survey
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def outcomes(self) -> list[tuple[Expectation, Cell | None, bool]]:
        """Return each expectation, the cell that it is about, and whether it holds."""
        ours = self.cells.get(self.survey.contestants[0].name)
        found: list[tuple[Expectation, Cell | None, bool]] = []
        for expectation in self.survey.expectations:
            cell = None if ours is None else ours[expectation.column]
            found.append((expectation, cell, cell is not None and expectation.holds(cell)))
        return found


def run_survey(survey: Survey, *, directory: str) -> SurveyResult:
    """Ask everybody, with what runs meanwhile in a new directory under ``directory``."""
    result = SurveyResult(survey)
    with contextlib.ExitStack() as stack:
        files = stack.enter_context(tempfile.TemporaryDirectory(prefix="recordfs-bench-", dir=directory))
        try:
            running = stack.enter_context(survey.running(files))
        except ServerMissingError as error:
            result.missing = {contestant.name: str(error) for contestant in survey.contestants}
            return result
        for contestant in survey.contestants:
            try:
                result.cells[contestant.name] = survey.examine(contestant, running)
            except PeerMissingError as error:
                result.missing[contestant.name] = str(error)
    return result


def start(contestant: Contestant, environment: dict[str, str]) -> PeerProcess:
    """Return a new process for a contestant."""
    if contestant.peer is None:
        return own_process(environment)
    return PeerProcess(peer_python(contestant.peer), environment=environment)


def survey_as_markdown(result: SurveyResult) -> str:
    """The table, with heading, workload and what was expected."""
    survey = result.survey
    lines = [f"### {survey.title}", "", f"{survey.workload}.", ""]
    lines += table(list(survey.columns), result.cells)
    lines += [f"\n{name} was not asked: {why}" for name, why in result.missing.items()]
    lines.append("")
    for expectation, cell, holds in result.outcomes():
        seen = "NOT MEASURED" if cell is None else f"{'reached' if holds else 'MISSED'}, {shown(cell)}"
        lines.append(f"- required {expectation.column} {expectation.text}: {seen}")
    return "\n".join(lines)


def table(columns: list[str], cells: dict[str, dict[str, Cell]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return [
        f"| | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
        *(f"| {name} | {' | '.join(shown(line[column]) for column in columns)} |" for name, line in cells.items()),
    ]


def shown(cell: Cell) -> str:
    """Return a cell as people read it."""
    return cell if isinstance(cell, str) else f"{cell:,.{0 if cell >= 1000 or cell == int(cell) else 1}f}"


def survey_as_json(result: SurveyResult) -> dict[str, Any]:
    """The same for programs."""
    survey = result.survey
    return {
        "title": survey.title,
        "workload": survey.workload,
        "columns": list(survey.columns),
        "cells": result.cells,
        "missing": result.missing,
        "requirements": [
            {"required": f"{expectation.column} {expectation.text}", "seen": cell, "reached": holds}
            for expectation, cell, holds in result.outcomes()
        ],
    }
