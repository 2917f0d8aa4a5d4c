"""The document and the suite name the same scenarios."""

import re
from pathlib import Path

from recordfs.testing.conformance import FileSystemConformance

DOCUMENT = Path(__file__).parents[2] / "docs" / "filesystem-contract.md"


def test_every_line_of_the_contract_has_its_scenario_and_none_has_two():
    lines = re.findall(r"^\| ([A-Z]\d+) \|", DOCUMENT.read_text(), re.MULTILINE)
    scenarios = [re.match(r"test_([a-z]\d+)_", name) for name in dir(FileSystemConformance) if name.startswith("test")]
    assert None not in scenarios
    assert len(lines) == len(set(lines))
    assert sorted(scenario[1].upper() for scenario in scenarios) == sorted(lines)
