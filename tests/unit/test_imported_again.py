"""recordfs imported anew in one process, as where a test puts ``sys.modules`` back: everything works again."""

import subprocess
import sys
import textwrap

PROGRAM = """
    import io, sys
    from unittest import mock

    with mock.patch.dict(sys.modules):
        from recordfs import RecordReader as FormerReader
        from recordfs import RecordWriter as FormerWriter

    from recordfs import RecordReader, RecordWriter
    from recordfs.errors import ClosedFileError, CorruptRecordError
    from recordfs.events import SummaryWriter
    from recordfs.example import BadRecordError, ExampleParser, FixedLenFeature
    from recordfs.gfile import GFile

    assert RecordWriter is not FormerWriter

    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(b"one")
    writer.write(b"two")
    writer.flush()
    assert list(RecordReader(io.BytesIO(file.getvalue()))) == [b"one", b"two"]
    assert list(FormerReader(io.BytesIO(file.getvalue()))) == [b"one", b"two"]

    def raised(call, *arguments):
        try:
            call(*arguments)
        except Exception as error:
            return type(error)

    broken = bytearray(file.getvalue())
    broken[2] ^= 1
    assert raised(list, RecordReader(io.BytesIO(broken))) is CorruptRecordError
    writer.close()
    assert raised(writer.write, b"three") is ClosedFileError
    assert raised(ExampleParser({"a": FixedLenFeature([], bytes)}).parse, [b"no Example"]) is BadRecordError

    with GFile("ram://again/lines", "w") as lines:
        lines.write("a\\nb\\n")
    assert list(GFile("ram://again/lines")) == ["a\\n", "b\\n"]
    with SummaryWriter("ram://again/run") as scalars:
        for step in range(3):
            scalars.add_scalar("a", 0.5, step)
    assert len(list(RecordReader(scalars.file_writer.paths[0]))) >= 4
"""


def test_a_program_that_imports_recordfs_anew_has_all_of_it_and_catches_its_errors():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
