"""HDFS that wants Kerberos: a cluster beside Hadoop's own KDC, and a client that logs in with a keytab."""

import ctypes.util
import os

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import UnauthenticatedError, UnavailableError
from recordfs.filesystems.hdfs import HdfsFileSystem
from support.servers import HdfsCluster

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def secure_cluster(server_directory):
    if ctypes.util.find_library("gssapi_krb5") is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have libgssapi_krb5")
        pytest.skip("LIBRARY MISSING: libgssapi_krb5")
    with HdfsCluster(server_directory("secure"), "kerberos", "datanodes=1") as cluster:
        yield cluster


@pytest.fixture
def options(secure_cluster, monkeypatch, tmp_path):
    facts = secure_cluster.facts
    monkeypatch.setenv("KRB5_CONFIG", facts["krb5_conf"])
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "no-tickets"))
    return {
        "config": {
            "hadoop.security.authentication": "kerberos",
            "dfs.data.transfer.protection": "authentication",
            "dfs.namenode.kerberos.principal": f"{facts['service']}/_HOST@{facts['realm']}",
        },
        "webhdfs": f"http://{secure_cluster.http_address}",
        "namenode_timeout": 20,
    }


def test_a_keytab_opens_namenode_and_datanodes(secure_cluster, options):
    facts = secure_cluster.facts
    path = f"{secure_cluster.url}/records"
    principal = f"{facts['service']}/localhost@{facts['realm']}"
    with HdfsFileSystem(kerberos_principal=principal, kerberos_keytab=facts["keytab"], **options) as hdfs:
        assert principal in hdfs.describe()["credentials"]
        with RecordWriter(path, file_system=hdfs) as writer:
            writer.write(b"flushed")
            writer.flush()
            writer.write(b"closed")
        assert list(RecordReader(path, file_system=hdfs)) == [b"flushed", b"closed"]


def test_without_a_ticket_the_error_says_what_to_do(secure_cluster, options):
    with HdfsFileSystem(**options) as hdfs, pytest.raises(UnauthenticatedError, match="kinit"):
        hdfs.stat(f"{secure_cluster.url}/")


def test_a_configuration_without_kerberos_is_cut_off_with_a_hint(secure_cluster):
    with HdfsFileSystem(namenode_timeout=5) as hdfs, pytest.raises(UnavailableError, match="wants Kerberos"):
        hdfs.stat(f"{secure_cluster.url}/")
