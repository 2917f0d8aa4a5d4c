"""``python -m benches``: runs the benchmarks named, or all, and prints their tables."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
import tempfile

import benches
from benches.harness import Result, Row, run_row
from benches.report import as_json, as_markdown, machine
from benches.surveys import Survey, SurveyResult, run_survey, survey_as_markdown

_MACHINERY = {"__main__", "harness", "object_stores", "object_work", "payloads", "report", "surveys", "writers"}


def benchmark_names() -> list[str]:
    """The files in benches/ that hold rows, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(benches.__path__) if module.name not in _MACHINERY)


def rows_of(name: str, scale: float) -> list[Row | Survey]:
    """The rows and surveys of ``benches/<name>.py``."""
    rows: list[Row | Survey] = importlib.import_module(f"benches.{name}").rows(scale)
    return rows


def main() -> int:
    """Runs what the command line says; exits with 1 if `--check` is given and a requirement was not reached."""
    parser = argparse.ArgumentParser(prog="python -m benches", description="Measures recordfs beside its peers.")
    parser.add_argument(
        "names", nargs="*", metavar="BENCHMARK", help=f"of {', '.join(benchmark_names())} (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count; one more goes before (default: 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the amounts of data (default: 1)")
    parser.add_argument("--only", metavar="TEXT", default="", help="only rows with TEXT in their title")
    parser.add_argument("--directory", default=_memory_backed(), help="where files go (default: memory-backed storage)")
    parser.add_argument("--json", metavar="FILE", help="write every sample there too")
    parser.add_argument("--check", action="store_true", help="exit with 1 unless every requirement was reached")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(benchmark_names()))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(benchmark_names())}")
    if arguments.rounds < 1 or not arguments.scale > 0:
        parser.error("--rounds must be at least 1 and --scale above 0")

    settings = {"rounds": arguments.rounds, "scale": arguments.scale, "directory": arguments.directory}
    print(", ".join(f"{key} {value}" for key, value in {**machine(), **settings}.items()), flush=True)
    results: list[Result | SurveyResult] = []
    for name in arguments.names or benchmark_names():
        print(f"\n## {name}", flush=True)
        for row in rows_of(name, arguments.scale):
            if arguments.only not in row.title:
                continue
            if isinstance(row, Survey):
                survey = run_survey(row, directory=arguments.directory)
                results.append(survey)
                print(f"\n{survey_as_markdown(survey)}", flush=True)
            else:
                result = run_row(row, rounds=arguments.rounds, directory=arguments.directory)
                results.append(result)
                print(f"\n{as_markdown(result)}", flush=True)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(as_json(results, settings), file, indent=1)
    return 1 if arguments.check and not _all_reached(results) else 0


def _all_reached(results: list[Result | SurveyResult]) -> bool:
    for result in results:
        if isinstance(result, SurveyResult):
            reached = [holds for _, _, holds in result.outcomes()]
        else:
            reached = [bool(outcome.reached) for outcome in result.outcomes]
        if not all(reached):
            return False
    return True


def _memory_backed() -> str:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


if __name__ == "__main__":
    sys.exit(main())
