"""`import recordfs` stays quick: it loads nothing that a program may never use."""

import subprocess
import sys

import pytest

# Each of these costs 5 to 120 ms, or pulls in something that conflicts with what the user has.
HEAVY = [
    "asyncio",
    "boto3",
    "concurrent.futures",
    "dataclasses",
    "fsspec",
    "google",
    "importlib.metadata",
    "inspect",
    "logging",
    "numpy",
    "obstore",
    "pathlib",
    "pyarrow",
    "rich",
    "tensorflow",
]

WRITE_AND_READ = """
import sys
started_with = set(sys.modules)
import recordfs
{use}
loaded = set(sys.modules) - started_with
print(" ".join(sorted(loaded & set({heavy!r}))))
"""

USE_RECORDS = """
recordfs.RecordReader, recordfs.RecordWriter, recordfs.get_file_system("/tmp"), recordfs.get_file_system("ram://")
"""


def loaded_by(use: str) -> list[str]:
    program = WRITE_AND_READ.format(use=use, heavy=HEAVY)
    # -S and -E: an environment's own start-up files (.pth) may load anything; here only recordfs may.
    search = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", search + program], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


USE_GFILE = """
from recordfs import file_io, gfile
with gfile.GFile("/dev/null", "w") as file:
    file.write("x")
list(gfile.GFile("/dev/null")), gfile.exists("/tmp"), gfile.glob("/no-such-*"), list(gfile.walk("/no-such"))
file_io.read_file_to_string("/dev/null")
"""


@pytest.mark.parametrize(
    "use", ["", USE_RECORDS, USE_GFILE], ids=["import alone", "records and local files", "gfile and file_io"]
)
def test_importing_loads_no_heavy_module(use):
    assert loaded_by(use) == []


def test_every_public_name_can_be_imported():
    import recordfs

    for name in recordfs.__all__:
        assert getattr(recordfs, name) is not None
    assert set(recordfs.__all__) <= set(dir(recordfs))


def test_an_unknown_name_is_an_attribute_error():
    import recordfs

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = recordfs.no_such_name


def test_a_second_interpreter_of_a_process_is_told_that_there_can_be_one():
    program = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
from recordfs import RecordWriter

second = interpreters.create()
code = "try: from recordfs import RecordWriter\\nexcept ImportError as error: print(error)"
interpreters.run_string(second, code) if hasattr(interpreters, "run_string") else interpreters.exec(second, code)
interpreters.destroy(second)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "recordfs works in one interpreter of a process" in done.stdout or "subinterpreters" in done.stdout
