"""The wheel as a stranger gets it: built by `make wheel`, installed into an empty environment, used there."""

import glob
import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from support.peers import require_peer
from support.tensorboard import TensorBoard

pytestmark = [pytest.mark.slow, pytest.mark.build, pytest.mark.timeout(900)]

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

USE_IT = """
import recordfs, sys
with recordfs.RecordWriter(sys.argv[1], compression="GZIP") as writer:
    writer.write(b"one")
    writer.write_batch([b"two", b""])
assert list(recordfs.RecordReader(sys.argv[1])) == [b"one", b"two", b""]
print(recordfs.__file__)
"""


WRITE_A_RUN = """
import sys
from recordfs.events import SummaryWriter
with SummaryWriter(sys.argv[1] + "/run") as writer:
    for step in range(100):
        writer.add_scalar("loss", 1 / (1 + step), step)
"""

A_STORE = """
import recordfs
from recordfs.filesystems.posix import PosixFileSystem

@recordfs.register_file_system("mystore")
class MyStore(PosixFileSystem):
    pass
"""

LOAD_A_PLUGIN = """
import os, sys, recordfs
print(recordfs.load_file_system_library(sys.argv[1]))
assert os.path.exists(f"{recordfs.get_include()}/tensorflow/core/platform/file_system.h")
"""


def run(*command: str, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment with the wheel and what it asks for."""
    if shutil.which("cargo") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs cargo for `make wheel`")
        pytest.skip("no cargo on the PATH: the wheel cannot be built")
    run("make", "wheel", cwd=REPOSITORY)
    wheels = glob.glob(os.path.join(REPOSITORY, "dist", "recordfs-*-cp311-abi3-manylinux2014_*.whl"))
    assert wheels, "make wheel has to leave an abi3 wheel for old glibc in dist/"
    newest = max(wheels, key=os.path.getmtime)
    environment = tmp_path_factory.mktemp("wheel") / "empty"
    venv.create(environment, with_pip=True)
    run(str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", newest)
    return environment


def test_the_wheel_works_in_an_empty_environment(environment, tmp_path):
    python = str(environment / "bin" / "python")
    where = run(python, "-c", USE_IT, str(tmp_path / "deep" / "f.tfrecord"), cwd=tmp_path)
    assert where.startswith(str(environment)), "the wheel is used, not the source tree"
    listed = run(str(environment / "bin" / "recordfs"), "count", str(tmp_path / "deep" / "f.tfrecord"), cwd=tmp_path)
    assert "3" in listed.split()
    assert (
        run(python, "-c", "import recordfs, os; print(os.path.exists(os.path.join(recordfs.__path__[0], 'py.typed')))")
        == "True\n"
    )
    if shutil.which("cc") is not None and shutil.which("make") is not None:
        plugin = shutil.copytree(os.path.join(REPOSITORY, "examples", "plugin-c"), tmp_path / "plugin")
        run("make", "--silent", "-C", str(plugin))
        assert "cmem" in run(python, "-c", LOAD_A_PLUGIN, str(plugin / "libmemory_plugin.so"), cwd=tmp_path)


@pytest.mark.peer
def test_entry_point_of_the_wheel_opens_a_url_in_a_tensorboard_beside_tensorflow(environment, tmp_path):
    peer = require_peer("tensorflow")
    python = shutil.copytree(environment, tmp_path / "beside", symlinks=True) / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    (Path(run(str(python), "-c", where).strip()) / "peer.pth").write_text(run(peer, "-c", where))
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "my_store.py").write_text(A_STORE)
    run(str(python), "-c", WRITE_A_RUN, str(tmp_path / "logs"))
    variables = {"PYTHONPATH": str(tmp_path / "modules"), "RECORDFS_PLUGIN_MODULES": "my_store"}
    with TensorBoard(f"mystore://{tmp_path}/logs", "auto", environment=variables, python=str(python)) as board:
        board.wait_for_runs({"run"})
        rows = board.get("plugin/scalars/scalars", run="run", tag="loss")
    assert [row[1] for row in rows] == list(range(100))
