"""The wheel as a stranger gets it: built by `make wheel`, installed into an empty environment, used there."""

import glob
import os
import shutil
import subprocess
import venv

import pytest

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

USE_IT = """
import recordfs, sys
with recordfs.RecordWriter(sys.argv[1], compression="GZIP") as writer:
    writer.write(b"one")
    writer.write_batch([b"two", b""])
assert list(recordfs.RecordReader(sys.argv[1])) == [b"one", b"two", b""]
print(recordfs.__file__)
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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_works_in_an_empty_environment(tmp_path):
    if shutil.which("cargo") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs cargo for `make wheel`")
        pytest.skip("no cargo on the PATH: the wheel cannot be built")
    run("make", "wheel", cwd=REPOSITORY)
    wheels = glob.glob(os.path.join(REPOSITORY, "dist", "recordfs-*-cp311-abi3-manylinux2014_*.whl"))
    assert wheels, "make wheel has to leave an abi3 wheel for old glibc in dist/"
    newest = max(wheels, key=os.path.getmtime)
    environment = tmp_path / "empty"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", newest)
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
