"""What TensorBoard's flags make of recordfs: when it serves, when it leaves them alone, and what it says then."""

import argparse
import io
import json
import os

import pytest

from recordfs.events import EventsWriter
from recordfs.tensorboard import plugin
from recordfs.tensorboard.catalog import CatalogOptions, LogCatalog, LogDirectory
from recordfs.tensorboard.launcher import answer_time_series
from recordfs.tensorboard.messages import Query
from recordfs.tensorboard.provider import DataProvider
from support.event_files import scalar, session_start, write_events


def flags_of(**changed):
    flags = {
        "recordfs": "auto",
        "recordfs_requests": 4,
        "logdir": "",
        "logdir_spec": "",
        "grpc_data_provider": "",
        "reload_interval": 0.0,
        "purge_orphaned_data": True,
        "window_title": "",
    }
    return argparse.Namespace(**flags | changed)


@pytest.fixture
def served(monkeypatch):
    """The directories and the provider that were to be served, instead of serving them."""
    found = []

    def serve(flags, directories, provider):
        found.append((directories, provider))
        flags.grpc_data_provider = "ours"

    monkeypatch.setattr(plugin, "serve_directories", serve)
    yield found
    for _, provider in found:
        provider._catalog.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"logdir": "/local/logs"}, ""),
        ({"logdir": "ram://a", "recordfs": "off"}, ""),
        ({"logdir": "ram://a", "grpc_data_provider": "theirs"}, ""),
        ({}, ""),
        ({"logdir": "nobodyknows://bucket/logs"}, "no filesystem is registered for nobodyknows://"),
        ({"logdir_spec": "a:ram://a,b:/local/logs"}, "some log directories are local"),
        ({"logdir": "nobody://me:hunter2@host/logs"}, "UnknownSchemeError"),
    ],
)
def test_flags_are_left_alone_and_one_line_says_why(served, capsys, changed, said):
    flags = flags_of(**changed)
    before = vars(flags).copy()
    plugin.RecordFSLoader().fix_flags(flags)
    assert vars(flags) == before
    assert served == []
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == bool(said)
    assert said in "".join(lines)
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize(
    ("changed", "directories"),
    [
        ({"logdir": "ram://a"}, [("ram://a", "")]),
        ({"logdir_spec": "x:ram://a,ram://b"}, [("ram://a", "x"), ("ram://b", "run1")]),
        ({"logdir": "~/logs", "recordfs": "on"}, [(os.path.expanduser("~/logs"), "")]),
        (
            {"logdir_spec": "x:~/a,~/b", "recordfs": "on"},
            [(os.path.expanduser("~/a"), "x"), (os.path.expanduser("~/b"), "run1")],
        ),
    ],
)
def test_directories_are_served_as_tensorboard_reads_them(served, changed, directories):
    flags = flags_of(**changed)
    plugin.RecordFSLoader().fix_flags(flags)
    assert flags.grpc_data_provider == "ours"
    assert [found for found, _ in served] == [directories]


def test_orphaned_points_stay_where_the_user_wants_them(served, tmp_path):
    events = [scalar("loss", 1.0, step) for step in range(20)]
    write_events(tmp_path / "run", [session_start(0), *events, session_start(5), scalar("loss", 2.0, 5)])
    steps = {}
    for purges in (True, False):
        flags = flags_of(logdir=str(tmp_path), recordfs="on", purge_orphaned_data=purges)
        plugin.RecordFSLoader().fix_flags(flags)
        curves = served[-1][1].scalar_curves(Query("scalars", None, ("loss",), 1000))
        steps[purges] = curves["run"]["loss"].steps.tolist()
    assert steps == {True: [0, 1, 2, 3, 4, 5], False: [*range(20), 5]}


def test_run_whose_local_name_is_no_utf8_is_shown_and_harms_no_other(tmp_path):
    for name in (b"sound", b"odd \xff"):
        with EventsWriter(os.path.join(os.fspath(tmp_path), os.fsdecode(name), "events")) as writer:
            writer.write_event(scalar("loss", 1.0, 1))
    with LogCatalog([LogDirectory(str(tmp_path))], CatalogOptions(reload_seconds=0)).start() as catalog:
        provider = DataProvider(catalog)
        assert set(catalog.runs()) == {"sound", "odd \ufffd"}
        assert "odd \ufffd".encode() in provider.ListRuns(b"")
        assert set(provider.scalar_curves(Query("scalars", None, ("loss",), 10))) == {"sound", "odd \ufffd"}


NO_QUESTIONS = [
    *["null", "7", '"text"', "[7]", "[{}]", "{", "[]", '[{"plugin": "scalars"}]'],
    '[{"plugin": "scalars", "tag": ["x"]}]',
    '[{"plugin": "scalars", "tag": "x", "run": ["r"]}]',
    '[{"plugin": "scalars", "tag": "x", "run": {}}]',
]


@pytest.mark.parametrize("asked", NO_QUESTIONS)
@pytest.mark.parametrize("length", [None, "", "-1", "abc", "right"])
def test_questions_that_are_none_are_left_to_tensorboard_whole(asked, length):
    body = f'--xx\r\nContent-Disposition: form-data; name="requests"\r\n\r\n{asked}\r\n--xx--\r\n'.encode()

    class Input:
        left = body

        def read(self, count):
            found, self.left = self.left[:count], self.left[count:]
            return found

    def application(environment, start_response):
        return [environment["wsgi.input"].read(1 << 20)]

    environment = {
        "PATH_INFO": "/data/plugin/timeseries/timeSeries",
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "multipart/form-data; boundary=xx",
        "wsgi.input": Input(),
    }
    if length is not None:
        environment["CONTENT_LENGTH"] = str(len(body)) if length == "right" else length
    with LogCatalog([]) as catalog:
        answer = answer_time_series(application, DataProvider(catalog))
        assert answer(environment, None) == [body]


def test_curves_that_are_asked_for_rightly_are_answered(tmp_path):
    write_events(tmp_path / "run", [scalar("loss", 1.0, 3)])
    asked = json.dumps([{"plugin": "scalars", "tag": "loss"}])
    body = f'--xx\r\nContent-Disposition: form-data; name="requests"\r\n\r\n{asked}\r\n--xx--\r\n'.encode()
    environment = {
        "PATH_INFO": "/data/plugin/timeseries/timeSeries",
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "multipart/form-data; boundary=xx",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    with LogCatalog([LogDirectory(str(tmp_path))], CatalogOptions(reload_seconds=0)).start() as catalog:
        answer = answer_time_series(lambda *_: pytest.fail("not ours"), DataProvider(catalog))
        [found] = json.loads(b"".join(answer(environment, lambda *_: None)))
    assert [point["step"] for point in found["runToSeries"]["run"]] == [3]
