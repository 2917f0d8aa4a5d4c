"""pandas, Dask, PyArrow, Zarr and universal_pathlib reach every recordfs filesystem, through fsspec."""

import pytest

from support.peers import peer_process

pytestmark = pytest.mark.peer

BEGINNING = """
import recordfs

import fsspec
ram = recordfs.get_file_system("ram://")
recordfs.register_file_system("mine", type(ram)(), overwrite=True)
"""


@pytest.fixture(scope="module")
def peer():
    with peer_process("dataframes", recordfs=True) as process:
        yield process


@pytest.fixture(params=["recordfs://ram://", "recordfs+ram://", "recordfs://mine://", "recordfs://"])
def root(request, tmp_path):
    """A URL that fsspec takes, of a place that is empty."""
    return request.param + (str(tmp_path) if request.param.endswith("recordfs://") else f"host{tmp_path}")


def run(peer, source, **arguments):
    return peer.call(BEGINNING + source, **arguments)


def test_pandas_writes_and_reads_through_fsspec(peer, root):
    source = """
import pandas
frame = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "ä"]})
options = {"auto_mkdir": True}
frame.to_parquet(root + "/p/f.parquet", storage_options=options)
frame.to_csv(root + "/p/f.csv.gz", index=False, storage_options=options)
assert pandas.read_parquet(root + "/p/f.parquet").equals(frame)
assert pandas.read_csv(root + "/p/f.csv.gz").equals(frame)
frame.to_json(root + "/p/f.json")
result = pandas.read_json(root + "/p/f.json")["a"].sum().item()
"""
    assert run(peer, source, root=root) == 6


def test_pyarrow_writes_and_reads_through_fsspec(peer, root):
    source = """
import pyarrow as pa, pyarrow.dataset as ds, pyarrow.parquet as pq, pyarrow.fs
file_system, path = fsspec.core.url_to_fs(root, auto_mkdir=True)
arrow = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(file_system))
table = pa.table({"kind": ["a", "b", "a"], "value": [1, 2, 3]})
pq.write_to_dataset(table, path + "/data", partition_cols=["kind"], filesystem=arrow)
read = ds.dataset(path + "/data", filesystem=arrow, partitioning="hive").to_table(filter=ds.field("kind") == "a")
infos = arrow.get_file_info(pyarrow.fs.FileSelector(path + "/data", recursive=True))
with arrow.open_append_stream(path + "/log") as stream:
    stream.write(b"one")
with arrow.open_input_file(path + "/log") as file:
    assert (file.read_at(2, 1), file.size()) == (b"ne", 3)
result = [sorted(read.column("value").to_pylist()), sum(info.is_file for info in infos)]
"""
    assert run(peer, source, root=root) == [[1, 3], 2]


def test_dask_writes_and_reads_through_fsspec(peer, root):
    source = """
import dask, dask.bag, dask.dataframe, pandas
file_system, path = fsspec.core.url_to_fs(root)
for number in range(3):
    file_system.makedirs(path + "/lines", exist_ok=True)
    file_system.pipe(f"{path}/lines/{number}.txt", b"1\\n2\\n")
with dask.config.set(scheduler="threads"):
    total = dask.bag.read_text(root + "/lines/*.txt").map(int).sum().compute()
    frame = dask.dataframe.from_pandas(pandas.DataFrame({"a": range(10)}), npartitions=2)
    frame.to_parquet(root + "/frame", storage_options={"auto_mkdir": True})
    again = dask.dataframe.read_parquet(root + "/frame").a.sum().compute()
result = [total, int(again)]
"""
    assert run(peer, source, root=root) == [9, 45]


def test_zarr_writes_and_reads_through_fsspec(peer, root):
    source = """
import numpy, zarr, zarr.storage
store = zarr.storage.FsspecStore.from_url(root + "/array.zarr", storage_options={"auto_mkdir": True})
array = zarr.create_array(store=store, shape=(100, 100), chunks=(30, 30), dtype="i4")
array[:] = numpy.arange(10_000).reshape(100, 100)
again = zarr.open_array(store=zarr.storage.FsspecStore.from_url(root + "/array.zarr", read_only=True))
assert (again[40:70, 10:80] == numpy.arange(10_000).reshape(100, 100)[40:70, 10:80]).all()
result = again.shape
"""
    assert run(peer, source, root=root) == [100, 100]


@pytest.fixture
def fresh_peer():
    """A process of its own: what an import has settled for one protocol would hold for the next test as well."""
    with peer_process("dataframes", recordfs=True) as process:
        yield process


@pytest.mark.parametrize("base", ["recordfs+ram://bucket", "recordfs+s3://bucket", "recordfs+gs://bucket"])
def test_universal_pathlib_takes_a_path_apart_as_installed(fresh_peer, base):
    source = """
import warnings
warnings.simplefilter("error")
from upath import UPath
path = UPath(base + "/x/y/zz.txt")
assert (path.name, path.stem, path.suffix) == ("zz.txt", "zz", ".txt")
assert (path.drive, path.root, path.anchor) == ("bucket", "/", "bucket/")
assert path.parts == ("bucket/", "x", "y", "zz.txt")
assert [str(parent) for parent in path.parents] == [base + "/x/y", base + "/x", base + "/"]
assert str(path.parent.parent.parent.parent) == base + "/"
assert str(path.with_name("g")) == base + "/x/y/g"
assert str(path.with_suffix(".gz")) == base + "/x/y/zz.gz"
assert str(path.relative_to(path.parent)) == "zz.txt"
assert path.is_relative_to(UPath(base)) and not path.is_relative_to(UPath(base + "/z"))
assert str(UPath(base) / "x" / "y") == str(UPath(base, "x", "y")) == str(path.parent) == base + "/x/y"
assert str(path.joinpath("..", "a").resolve()) == base + "/x/y/a"
import pickle
assert pickle.loads(pickle.dumps(path)) == path
result = type(path).__name__
"""
    assert fresh_peer.call(source, base=base) == "RecordFSPath"


@pytest.mark.parametrize("root", ["recordfs+ram://host", "recordfs+mine://host", "recordfs://"])
def test_universal_pathlib_finds_the_protocols_by_their_entry_points(fresh_peer, root, tmp_path):
    source = """
import warnings
if root.startswith("recordfs+mine"):
    # What a package with a scheme of its own leaves to two entry points.
    from recordfs.interop.fsspec import RecordFSSchemeFileSystem
    class MineFileSystem(RecordFSSchemeFileSystem):
        protocol, scheme = "recordfs+mine", "mine"
    fsspec.register_implementation("recordfs+mine", MineFileSystem)
    import upath.registry
    from recordfs.interop.upath import RecordFSPath
    upath.registry.register_implementation("recordfs+mine", RecordFSPath)
elif root == "recordfs://":
    warnings.simplefilter("ignore")  # universal_pathlib has no class for it
from upath import UPath
top = UPath(root)
(top / "dir").mkdir(parents=True)
file = top / "dir" / "a.txt"
file.write_text("text")
assert (file.name, file.suffix, file.parent.name) == ("a.txt", ".txt", "dir")
assert file.exists() and file.read_text() == "text"
assert [child.name for child in (top / "dir").iterdir()] == ["a.txt"]
assert [match.name for match in top.glob("*/a*")] == ["a.txt"]
with (top / "dir/b").open("wb") as out:
    out.write(b"x")
assert file.stat().st_size == 4
file.unlink()
result = sorted(child.name for child in (top / "dir").iterdir())
"""
    assert fresh_peer.call(BEGINNING + source, root=f"{root}{tmp_path}") == ["b"]


@pytest.mark.parametrize("cache", ["simplecache", "filecache", "blockcache"])
def test_fsspecs_caches_in_front_of_recordfs(peer, root, cache, tmp_path):
    source = """
with fsspec.open(root + "/f", "wb", auto_mkdir=True) as file:
    file.write(bytes(range(256)) * 1000)
cached = {"cache_storage": str(cache_storage)}
for _ in range(2):
    with fsspec.open(f"{cache}::{root}/f", **{cache: cached}) as file:
        file.seek(1000)
        assert file.read(10) == bytes(range(232, 242))
result = True
"""
    assert run(peer, source, root=root, cache=cache, cache_storage=f"{tmp_path}/{cache}")


def test_a_chain_alone_finds_recordfs(fresh_peer, tmp_path):
    (tmp_path / "f").write_bytes(bytes(range(256)) * 1000)
    source = """
import fsspec  # and nothing of recordfs
result = []
for cache in ("blockcache", "filecache", "simplecache"):
    options = {cache: {"cache_storage": f"{directory}/{cache}"}}
    with fsspec.open(f"{cache}::recordfs://{directory}/f", **options) as file:
        file.seek(1000)
        result.append(list(file.read(3)))
"""
    assert fresh_peer.call(source, directory=str(tmp_path)) == [[232, 233, 234]] * 3
