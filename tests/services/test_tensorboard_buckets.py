"""TensorBoard on log directories in buckets: real TensorBoard, real stores, and a bucket of 1,000 runs, counted."""

import math
import os
import sys
import textwrap

import pytest
from tools.shared_body_store import SharedBodyStore

import recordfs
from recordfs._core import encode_message
from recordfs.events import EventsWriter, SummaryWriter
from recordfs.filesystems.s3 import S3FileSystem
from recordfs.tensorboard.catalog import CatalogOptions, LogCatalog, LogDirectory
from recordfs.tensorboard.messages import Query
from recordfs.tensorboard.provider import DataProvider
from support.event_files import scalar, write_events
from support.servers import ACCESS_KEY, SECRET_KEY
from support.tensorboard import TensorBoard

pytestmark = [pytest.mark.service, pytest.mark.slow]

RUNS, TAGS, STEPS = 1000, 200, 1000

AWS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": "us-east-1"}


def write_runs(root, file_system, runs=3):
    for run in range(runs):
        with SummaryWriter(f"{root}/run{run}", file_system=file_system) as writer:
            for step in range(300):
                writer.add_scalar("loss", run + 1 / (1 + step), step)
            writer.add_text("note", f"run {run}", 1)


def check_board(board, runs=3):
    board.wait_for_runs({f"run{run}" for run in range(runs)})
    for run in range(runs):
        rows = board.get("plugin/scalars/scalars", run=f"run{run}", tag="loss")
        assert [row[1] for row in rows] == list(range(300))
        assert rows[-1][2] == pytest.approx(run + 1 / 300)
        (note,) = board.get("plugin/text/text", run=f"run{run}", tag="note/text_summary")
        assert f"run {run}" in note["text"]


@pytest.mark.parametrize("s3_server", ["seaweedfs"], indirect=True)
def test_tensorboard_shows_a_bucket_and_what_is_flushed_to_it(s3_server, root):
    file_system = S3FileSystem(
        endpoint_url=s3_server.endpoint, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )
    write_runs(root, file_system)
    environment = {**AWS, "AWS_ENDPOINT_URL": s3_server.endpoint}
    with TensorBoard(root, "auto", environment=environment, python=sys.executable) as board:
        check_board(board)
        with SummaryWriter(f"{root}/live", file_system=file_system) as writer:
            for step in range(10):
                writer.add_scalar("loss", step, step)
            writer.flush()
            board.wait_for_runs({"live"})
            writer.add_scalar("loss", 99.0, 10)
            writer.flush()
            board.wait_until(lambda: board.get("plugin/scalars/scalars", run="live", tag="loss")[-1][1] == 10)
        assert SECRET_KEY not in board.log()


@pytest.mark.parametrize("gcs_server", ["fake-gcs-server"], indirect=True)
def test_tensorboard_shows_a_bucket_of_google_cloud_storage(gcs, gcs_proxy, gcs_root):
    write_runs(gcs_root, gcs)
    environment = {"STORAGE_EMULATOR_HOST": gcs_proxy.endpoint, "GOOGLE_CLOUD_PROJECT": "test"}
    with TensorBoard(gcs_root, "auto", environment=environment, python=sys.executable) as board:
        check_board(board)


def test_tensorboard_shows_an_hdfs_and_what_a_running_job_flushes_to_it(hdfs, hdfs_root, hdfs_cluster, tmp_path):
    write_runs(hdfs_root, hdfs)
    properties = {
        "dfs.namenode.rpc-address": hdfs_cluster.facts["namenodes"][0],
        "dfs.namenode.http-address": hdfs_cluster.http_address,
    }
    rows = (f"<property><name>{name}</name><value>{value}</value></property>" for name, value in properties.items())
    (tmp_path / "hdfs-site.xml").write_text(f"<configuration>{''.join(rows)}</configuration>")
    with TensorBoard(hdfs_root, "auto", environment={"HADOOP_CONF_DIR": str(tmp_path)}, python=sys.executable) as board:
        check_board(board)
        with SummaryWriter(f"{hdfs_root}/live", file_system=hdfs) as writer:
            writer.add_scalar("loss", 0.0, 0)
            writer.flush()
            board.wait_for("plugin/scalars/scalars", run="live", tag="loss")
            writer.add_scalar("loss", 99.0, 10)
            writer.flush()
            board.wait_until(lambda: board.get("plugin/scalars/scalars", run="live", tag="loss")[-1][1] == 10)


def test_tensorboard_shows_a_filesystem_of_the_users_own(tmp_path):
    (tmp_path / "my_store.py").write_text(
        textwrap.dedent(
            """
            import recordfs
            from recordfs.filesystems.posix import PosixFileSystem

            @recordfs.register_file_system("mystore")
            class MyStore(PosixFileSystem):
                pass
            """
        )
    )
    write_runs(str(tmp_path / "logs"), None)
    environment = {"PYTHONPATH": str(tmp_path), "RECORDFS_PLUGIN_MODULES": "my_store"}
    with TensorBoard(f"mystore://{tmp_path}/logs", "auto", environment=environment, python=sys.executable) as board:
        check_board(board)


def write_body(directory, *, index=True):
    """A run of 200 tags and 1,000 steps, 10 MB."""
    with EventsWriter(f"{directory}/events", index=index) as writer:
        for step in range(STEPS):
            for tag in range(TAGS):
                value = math.sin(0.01 * step + tag) + (step * 7919 * (tag + 1)) % 97 / 970
                summary = encode_message([(1, "b", encode_message([(1, "b", f"tag/{tag:03}"), (2, "f", value)]))])
                writer.write_event(encode_message([(1, "d", 1.7e9 + step), (2, "v", step), (5, "b", summary)]))
    return writer.path


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    return write_body(tmp_path_factory.mktemp("body"))


def card(tag):
    tags = encode_message([(2, "b", encode_message([(1, "b", tag)]))])
    plugin = encode_message([(1, "b", "scalars")])
    return encode_message([(2, "b", plugin), (3, "b", tags), (4, "b", encode_message([(1, "v", 1000)]))])


def requests_to(store):
    return sum(store.counts[kind] for kind in ("list", "get", "head"))


def test_thousand_runs_open_by_a_request_each_and_a_hundredth_of_their_bytes(body):
    files = {f"sweep/run_{run:04}/events.out.tfevents.1700000000.h.{run}.0": body for run in range(RUNS)}
    with SharedBodyStore(files, seconds_a_request=0.03) as store:
        recordfs.configure_file_system(
            "s3", endpoint_url=store.endpoint, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1"
        )
        try:
            options = CatalogOptions(reload_seconds=0, answer_seconds=120)
            with LogCatalog([LogDirectory("s3://bucket/sweep")], options).start() as catalog:
                provider = DataProvider(catalog)
                assert provider.ListRuns(b"").count(b"run_") == RUNS
                assert catalog.troubles() == {}
                assert requests_to(store) <= 1010
                for number in range(6):
                    before = requests_to(store)
                    answer = provider.ReadScalars(card(f"tag/{number:03}"))
                    assert answer.count(b"run_") == RUNS
                    assert requests_to(store) - before <= 1000
                assert store.counts["bytes"] <= 0.01 * RUNS * os.path.getsize(body)
        finally:
            recordfs.configure_file_system("s3")


def test_runs_without_an_index_show_newest_values_and_coarse_curves_by_a_hundredth_of_their_bytes(tmp_path):
    body = write_body(tmp_path, index=False)
    runs = RUNS // 5
    files = {f"sweep/run_{run:04}/events.out.tfevents.1700000000.h.{run}.0": body for run in range(runs)}
    with SharedBodyStore(files, seconds_a_request=0.03) as store:
        recordfs.configure_file_system(
            "s3", endpoint_url=store.endpoint, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1"
        )
        try:
            options = CatalogOptions(reload_seconds=0, answer_seconds=120, scan_threads=0)
            with LogCatalog([LogDirectory("s3://bucket/sweep")], options).start() as catalog:
                provider = DataProvider(catalog)
                assert provider.ListScalars(card("tag/199")).count(b"run_") == runs
                assert store.counts["bytes"] <= 0.005 * runs * os.path.getsize(body)
                curves = provider.scalar_curves(Query("scalars", None, ("tag/007",), 1000))
                assert store.counts["bytes"] <= 0.015 * runs * os.path.getsize(body)
                before = requests_to(store)
                provider.ReadScalars(card("tag/008"))
                assert requests_to(store) == before
            for curve in curves.values():
                steps = curve["tag/007"].steps.tolist()
                assert (steps[0], steps[-1]) == (0, STEPS - 1)
                assert len({step * 8 // STEPS for step in steps}) == 8
            assert len(curves) == runs
        finally:
            recordfs.configure_file_system("s3")


def test_runs_under_keys_that_are_no_paths_are_each_found_once(tmp_path):
    write_events(tmp_path, [scalar("loss", 1.0, 1)])
    [name] = os.listdir(tmp_path)
    runs = ["a", "//x", "/y", "b//c", "b/c", "../q", "./r", "a b%20?#", "ü\n"]
    files = {f"sweep/{run}/events.out.tfevents.1700000000.h": str(tmp_path / name) for run in runs}
    with SharedBodyStore(files) as store:
        recordfs.configure_file_system(
            "s3", endpoint_url=store.endpoint, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1"
        )
        try:
            with LogCatalog([LogDirectory("s3://bucket/sweep")], CatalogOptions(reload_seconds=0)).start() as catalog:
                assert sorted(catalog.runs()) == sorted(runs)
                assert catalog.troubles() == {}
                assert len(DataProvider(catalog).scalar_curves(Query("scalars", None, ("loss",), 10))) == len(runs)
        finally:
            recordfs.configure_file_system("s3")
