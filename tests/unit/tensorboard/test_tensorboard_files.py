"""Files that TensorBoard reads itself, and its projector: classes of TensorBoard's over recordfs's filesystems."""

import argparse
import subprocess
import sys
import textwrap
import types

import pytest
from tensorboard.backend.event_processing import plugin_asset_util
from tensorboard.compat import tf
from tensorboard.compat.tensorflow_stub import errors
from tensorboard.compat.tensorflow_stub.io import gfile

from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.tensorboard import plugin
from recordfs.tensorboard.catalog import LogCatalog, LogDirectory
from recordfs.tensorboard.other_files import register_with_tensorboard
from recordfs.tensorboard.provider import DataProvider

ROOT = "ram://tbfiles/logs"


@pytest.fixture(autouse=True)
def stub():
    """TensorBoard's own registry, put back afterwards."""
    assert tf.__version__ == "stub", "TensorFlow is not installed beside the tests"
    before = dict(gfile._REGISTERED_FILESYSTEMS)
    register_with_tensorboard([ROOT])
    yield
    gfile._REGISTERED_FILESYSTEMS.clear()
    gfile._REGISTERED_FILESYSTEMS.update(before)
    if MemoryFileSystem().file_exists("ram://tbfiles"):
        MemoryFileSystem().delete_recursively("ram://tbfiles")


def put(name, content):
    with MemoryFileSystem().new_writable_file(f"{ROOT}/{name}") as file:
        file.append(content)


def test_assets_of_dashboards_are_listed_and_read():
    put("run/plugins/profile/2026_11_27/host.xplane.pb", b"\x00\xff")
    put("run/plugins/profile/note.txt", "wörds\nmore\n".encode())
    assert plugin_asset_util.ListPlugins(f"{ROOT}/run") == ["profile"]
    assert sorted(plugin_asset_util.ListAssets(f"{ROOT}/run", "profile")) == ["2026_11_27", "note.txt"]
    assert plugin_asset_util.RetrieveAsset(f"{ROOT}/run", "profile", "note.txt") == "wörds\nmore\n"
    assert plugin_asset_util.ListAssets(f"{ROOT}/none", "profile") == []
    with tf.io.gfile.GFile(f"{ROOT}/run/plugins/profile/2026_11_27/host.xplane.pb", "rb") as file:
        assert file.read() == b"\x00\xff"
    assert {top for top, _, _ in tf.io.gfile.walk(ROOT)} >= {ROOT, f"{ROOT}/run/plugins/profile"}
    assert tf.io.gfile.glob(f"{ROOT}/run/plugins/*/*.txt") == [f"{ROOT}/run/plugins/profile/note.txt"]
    assert tf.io.gfile.stat(f"{ROOT}/run/plugins/profile/note.txt").length == 12


def test_text_is_read_line_by_line_through_characters_of_several_bytes(monkeypatch):
    monkeypatch.setattr(gfile, "_DEFAULT_BLOCK_SIZE", 3)
    text = "".join(f"zeile {number} ä€😀\n" for number in range(50))
    put("text", text.encode())
    with tf.io.gfile.GFile(f"{ROOT}/text", "r") as file:
        assert "".join(file) == text


def test_missing_file_is_tensorboards_error():
    with pytest.raises(errors.NotFoundError, match="ram://tbfiles/logs/none"):
        tf.io.gfile.GFile(f"{ROOT}/none", "r").read()
    assert not tf.io.gfile.exists(f"{ROOT}/none")


def test_file_that_is_written_is_there():
    with tf.io.gfile.GFile(f"{ROOT}/new", "w") as file:
        file.write("one ")
        file.write("two")
    with tf.io.gfile.GFile(f"{ROOT}/new", "r") as file:
        assert file.read() == "one two"


class Dashboard:
    def __init__(self, logdir):
        self.logdir = logdir


@pytest.mark.parametrize(
    ("mode", "address", "logdir", "kept"),
    [
        ("off", "mine", ROOT, ""),
        ("on", "mine", ROOT, ROOT),
        ("off", "another's", ROOT, ROOT),
        ("off", "mine", "/local/logs", "/local/logs"),
    ],
)
def test_projector_is_stilled_where_recordfs_serves_a_url_and_nobody_asked(monkeypatch, mode, address, logdir, kept):
    monkeypatch.setattr(plugin, "_running", {"mine": object()})
    monkeypatch.setattr(plugin, "_contexts", [])
    projector = Dashboard(logdir)
    context = types.SimpleNamespace(
        flags=argparse.Namespace(grpc_data_provider=address, recordfs_projector=mode),
        plugin_name_to_instance={},
    )
    assert plugin.RecordFSLoader().load(context) is None
    context.plugin_name_to_instance["projector"] = projector  # in whichever order TensorBoard finds them
    plugin._still_walkers()
    assert projector.logdir == kept


@pytest.mark.parametrize(
    ("address", "logdir", "kept"),
    [
        ("mine", "s3://bucket/logs", ""),
        ("mine", "gs://bucket/logs", "gs://bucket/logs"),
        ("another's", "s3://bucket/logs", "s3://bucket/logs"),
        ("mine", "/local/logs", "/local/logs"),
    ],
)
def test_profiler_is_kept_from_directories_that_it_cannot_read(monkeypatch, address, logdir, kept):
    monkeypatch.setattr(plugin, "_running", {"mine": object()})
    monkeypatch.setattr(plugin, "_contexts", [])
    profiler = Dashboard(logdir)
    flags = argparse.Namespace(grpc_data_provider=address, recordfs_projector="on")
    context = types.SimpleNamespace(flags=flags, plugin_name_to_instance={"profile": profiler})
    assert plugin.RecordFSLoader().load(context) is None
    plugin._still_walkers()
    assert profiler.logdir == kept


def test_loader_never_raises_whatever_tensorboard_gives_it():
    loader = plugin.RecordFSLoader()
    assert loader.load(None) is None
    plugin._still_walkers()
    loader.fix_flags(None)
    loader.define_flags(None)


def test_directory_with_a_password_is_kept_from_the_pages(monkeypatch):
    monkeypatch.setattr(plugin.gc, "set_threshold", lambda *_: None)
    monkeypatch.setattr(plugin, "_running", {})
    flags = argparse.Namespace(logdir="ftp://user:hunter2@host/logs", logdir_spec="", grpc_data_provider="")
    provider = DataProvider(LogCatalog([LogDirectory(flags.logdir)]))
    server = plugin.serve_directories(flags, [(flags.logdir, "")], provider)
    server.stop()
    assert (flags.logdir, flags.grpc_data_provider) == ("", server.address)
    assert b"hunter2" not in provider.GetExperiment(b"")


def test_plugin_imports_nothing_of_recordfs_before_it_is_needed():
    script = """
        import sys
        import recordfs.tensorboard.plugin
        loaded = [name for name in sys.modules if name.startswith("recordfs.") and name.count(".") > 1]
        assert loaded == ["recordfs.tensorboard.plugin"], loaded
        assert "grpc" not in sys.modules and "numpy" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
