"""gcsfs reads what recordfs wrote to Google Cloud Storage, and recordfs what gcsfs wrote."""

import random

import pytest

from support.peers import peer_process

pytestmark = [pytest.mark.service, pytest.mark.peer]

MIB = 1 << 20


@pytest.fixture
def gcsfs(gcs_server):
    """Run a snippet with a gcsfs filesystem ``store``."""

    # Its experimental features ask another service than the emulator which kind of bucket this is.
    with peer_process("gcs", environment={"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}) as peer:

        def run(snippet, **arguments):
            source = 'import gcsfs\nstore = gcsfs.GCSFileSystem(project="test", token="anon", endpoint_url=endpoint)\n'
            return peer.call(source + snippet, endpoint=gcs_server.endpoint, **arguments)

        yield run


def test_gcsfs_reads_flushed_and_finished_files(gcs, gcs_root, gcsfs):
    path = f"{gcs_root}/d/f"
    data = random.Random(1).randbytes(11 * MIB)
    with gcs.new_writable_file(path) as writer:
        for start in range(0, 6 * MIB, MIB):
            writer.append(data[start : start + MIB])
        writer.flush()
        assert gcsfs("result = store.cat_file(path)", path=path) == data[: 6 * MIB]
        writer.append(data[6 * MIB :])
    found = gcsfs(
        "store.invalidate_cache()\n"
        "result = [store.cat_file(path), store.cat_file(path, start=7_000_000, end=7_000_100), store.find(root)]",
        path=path,
        root=gcs_root,
    )
    assert found == [data, data[7_000_000:7_000_100], [path.removeprefix("gs://")]]


def test_recordfs_reads_what_gcsfs_wrote(gcs, gcs_root, gcsfs):
    gcsfs(
        "for name in ('a', 'd/b'): store.pipe_file(f'{root}/{name}', name.encode() * 100_000)\nresult = None",
        root=gcs_root,
    )
    assert sorted(gcs.get_children(gcs_root)) == ["a", "d"]
    with gcs.new_random_access_file(f"{gcs_root}/d/b") as file:
        assert file.read(0, 1_000_000) == b"d/b" * 100_000
    with gcs.new_appendable_file(f"{gcs_root}/a") as file:
        file.append(b"more")
    assert gcsfs("store.invalidate_cache()\nresult = store.cat_file(f'{root}/a')", root=gcs_root) == b"a" * 100_000 + (
        b"more"
    )
