"""Makes command-line.svg: runs real commands under a pseudo-terminal and draws what they print.

.venv/bin/python docs/images/make_cli_picture.py
"""

import os
import pty
import re
import subprocess
import sys
import sysconfig
import tempfile
from io import StringIO

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from recordfs import RecordReader

COLUMNS = 104
TARGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "command-line.svg")

SHELL_SESSION = (
    "recordfs pack email/ email.tfrecord --shards 2 --exclude __pycache__",
    "recordfs verify 'email-*.tfrecord'",
    "recordfs cp 'email-*.tfrecord' backup/",
    None,  # a byte of the second copy is turned over here
    "recordfs verify 'backup/*'",
    "recordfs head -n 3 --example --width 48 email-00001-of-00002.tfrecord",
)


def run_under_terminal(command: str) -> str:
    """Run a command as if in a terminal and return what it showed."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(COLUMNS), "TERM": "xterm"}
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
    process = subprocess.Popen(["bash", "-c", command], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # what Linux gives when the other side is closed
            break
        shown += chunk
    process.wait()
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def damage(path: str) -> None:
    """Turn over a byte in the data of the tenth record."""
    reader = RecordReader(path)
    for _ in range(9):
        next(iter(reader))
    offset = reader.tell().offset + 100
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))


def main() -> None:
    """Run the session in a fresh directory and draw it."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), color_system="truecolor")
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(os.path.join(sysconfig.get_path("stdlib"), "email"), os.path.join(directory, "email"))
        os.chdir(directory)
        for command in SHELL_SESSION:
            if command is None:
                damage("backup/email-00001-of-00002.tfrecord")
                continue
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")), soft_wrap=True)
            console.print(Text(run_under_terminal(command)), soft_wrap=False)
        os.chdir("/")
    # Rich would load a font from the network; any monospaced one will do.
    svg_format = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(TARGET, title="recordfs", code_format=svg_format)


if __name__ == "__main__":
    main()
