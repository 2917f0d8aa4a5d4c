"""The table of figures in the README is made from a run's samples."""

from pathlib import Path

import pytest
from tools import readme_figures


def row(title: str, samples: dict[str, list[float]], unit: str = "seconds for all items") -> dict[str, object]:
    return {"title": title, "item": "record", "items": 1000, "unit": unit, "samples": samples}


RUN = {
    "machine": {"processor": "some processor", "cores": "2", "system": "Linux 6", "python": "3.11.7"},
    "settings": {"rounds": 3},
    "rows": [
        row("read", {"recordfs": [1e-4, 2e-4, 4e-4], "TensorFlow": [1e-3, 1e-3, 1e-3], "floor": [1e-4] * 3}),
        row("no peer", {"recordfs": [1.0], "floor": [1.0]}),
        row("memory", {"recordfs": [1.0], "TensorFlow": [1.0]}, unit="MiB"),
    ],
}


def test_a_line_a_row_that_tensorflow_took_part_in() -> None:
    lines = readme_figures.section([RUN]).splitlines()
    assert lines[-1] == "| read, one record | 200 ns | 1.0 µs | 5.0x as fast (2.5 to 10.0) |"
    assert len(lines) == 5
    assert "3 rounds" in lines[0]


def test_only_what_is_between_the_markers_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    readme, run = tmp_path / "README.md", tmp_path / "run.json"
    readme.write_text("before\n<!-- benches:begin (x) -->\nold\n<!-- benches:end -->\nafter\n")
    run.write_text(json.dumps(RUN))
    monkeypatch.setattr(readme_figures, "README", str(readme))
    monkeypatch.setattr("sys.argv", ["readme_figures.py", str(run)])
    for _ in range(2):
        assert readme_figures.main() == 0
        text = readme.read_text()
        assert text.startswith("before\n<!-- benches:begin (x) -->\n\nMedians of 3 rounds")
        assert text.endswith("|\n\n<!-- benches:end -->\nafter\n")
        assert "old" not in text
