"""What a job asks of S3 is what is counted, seen from the other side."""

import os

import pytest

from recordfs.filesystems.s3 import S3FileSystem
from support.servers import ACCESS_KEY, SECRET_KEY

pytestmark = pytest.mark.service

MIB = 1 << 20


def counted(file_system):
    statistics = file_system.statistics().values()
    return tuple(sum(counts[field] for counts in statistics) for field in range(3))


def test_counts_are_what_went_by(s3, root, fault_proxy):
    with s3.new_writable_file(f"{root}/f") as file:
        file.append(os.urandom(12 * MIB))
        file.flush()
        file.append(b"tail")
    with s3.new_random_access_file(f"{root}/f") as file:
        assert len(file.read(0, 9 * MIB)) == 9 * MIB
        assert len(file.read(100, 1000)) == 1000
    s3.get_children(root)
    s3.copy_file(f"{root}/f", f"{root}/g")
    s3.delete_recursively(root)
    went_by = fault_proxy.traffic()
    requests, sent, received = counted(s3)
    assert requests == went_by.requests
    assert sent == went_by.sent
    assert 9 * MIB + 1000 <= received <= went_by.received
    assert s3.statistics()["GetRange"].requests >= 2


def test_retries_are_counted(s3, root, fault_proxy):
    with s3.new_writable_file(f"{root}/f") as file:
        file.append(b"x")
    before = s3.statistics()["HeadObject"].requests
    fault_proxy.fail("^HEAD ", "status", count=2)
    s3.stat(f"{root}/f")
    assert s3.statistics()["HeadObject"].requests - before == 3


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_worker_reads_and_counts_its_own(home, s3_server, root):
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": "us-east-1"}
    with S3FileSystem(endpoint_url=s3_server.endpoint, **keys) as file_system:
        with file_system.new_writable_file(f"{root}/f") as file:
            file.append(b"0123456789")
        before = counted(file_system)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with file_system.new_random_access_file(f"{root}/f") as file:
                    right = file.read(2, 3) == b"234"
                requests, _, received = counted(file_system)
                status = 0 if right and (requests, received) == (2, 3) else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert counted(file_system) == before
