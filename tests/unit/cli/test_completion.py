"""The scripts that let shells complete the command line."""

import shutil
import subprocess
from pathlib import Path

import pytest

from support.command_line import Recordfs


def complete_in_bash(script: str, words: list[str], tmp_path: Path) -> list[str]:
    """Return what bash proposes for the last word."""
    (tmp_path / "completion").write_text(script)
    program = (
        'source completion; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _recordfs; printf \'%s\\n\' "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", program, "bash", *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (["recordfs", "ver"], ["verify"]),
        (["recordfs", "c"], ["cat", "cp", "count", "checkpoint", "completion"]),
        (["recordfs", "verify", "--no"], ["--no-checksums"]),
        (["recordfs", "export", "--to", "p"], ["parquet"]),
        (["recordfs", "export", "--to", ""], ["parquet", "jsonl", "npz"]),
        (["recordfs", "verify", "data/tr"], []),
        (["recordfs", "nothing", "--no"], []),
        (["recordfs", "checkpoint", "s"], ["show"]),
        (["recordfs", "checkpoint", "diff", "--js"], ["--json"]),
        (["recordfs", "checkpoint", "show", "model/ck"], []),
    ],
)
def test_bash_completes_commands_options_and_values(
    recordfs: Recordfs, tmp_path: Path, words: list[str], proposed: list[str]
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    script = recordfs("completion", "bash")
    assert (script.status, script.err) == (0, "")
    assert complete_in_bash(script.out, words, tmp_path) == proposed


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_get_every_command_and_its_options(recordfs: Recordfs, tmp_path: Path, shell: str) -> None:
    script = recordfs("completion", shell)
    assert script.status == 0
    for command in ("ls", "verify", "mmap-pack", "import"):
        assert command in script.out
    assert "no-checksums" in script.out
    if shutil.which(shell) is not None:
        (tmp_path / "script").write_text(script.out)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)
