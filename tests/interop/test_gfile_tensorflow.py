"""The same operations by TensorFlow's gfile and by recordfs's, each row in a fresh directory, compared one by one."""

from typing import Any

import pytest

from recordfs import file_io, gfile
from support.gfile_rows import FILE_ROWS, PATH_ROWS, RUNNER, Row
from support.peers import call_peer

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore:unclosed writer:ResourceWarning")]

ROWS: dict[str, Row] = {**FILE_ROWS, **PATH_ROWS}

_BY_TENSORFLOW = f"""
import tensorflow as tf
from tensorflow.python.lib.io import file_io
{RUNNER}
result = run_rows(rows, tf.io.gfile, file_io)
"""


@pytest.fixture(scope="module")
def tensorflow_answers() -> dict[str, Any]:
    answers = call_peer("tensorflow", _BY_TENSORFLOW, rows=[row.source for row in ROWS.values()])
    return dict(zip(ROWS, answers, strict=True))


@pytest.fixture(scope="module")
def recordfs_answers() -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(RUNNER, scope)
    answers = scope["run_rows"]([row.source for row in ROWS.values()], gfile, file_io)
    return dict(zip(ROWS, answers, strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_gfile_answers_as_tensorflow_does_but_where_the_table_says_so(name, tensorflow_answers, recordfs_answers):
    row = ROWS[name]
    if row.tensorflow is None:
        assert recordfs_answers[name] == tensorflow_answers[name]
    else:
        assert tensorflow_answers[name] == row.tensorflow, "TensorFlow has changed: is the difference still one?"
        assert recordfs_answers[name] == row.recordfs
