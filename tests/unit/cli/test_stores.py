"""The commands about filesystems themselves: schemes, doctor, mmap-pack."""

import json
import os
import re
from pathlib import Path

import pytest

import recordfs as library
from recordfs import registry
from recordfs.errors import UnavailableError
from recordfs.filesystems.memmapped import MemmappedFileSystem
from recordfs.filesystems.memory import MemoryFileSystem
from support.command_line import Recordfs
from support.web_server import serve


def test_schemes_lists_what_serves_each_and_from_where(recordfs: Recordfs) -> None:
    library.register_file_system("mystore", MemoryFileSystem)
    try:
        status, out, _ = recordfs("schemes")
    finally:
        library.unregister_file_system("mystore")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "(local paths)\trecordfs.filesystems.posix:PosixFileSystem\tbuilt in"
    assert "mystore://\trecordfs.filesystems.memory:MemoryFileSystem\tregistered in code" in lines
    objects = [json.loads(line) for line in recordfs("schemes", "--json").out.splitlines()]
    assert {
        "scheme": "ram",
        "file_system": "recordfs.filesystems.memory:MemoryFileSystem",
        "registered": "built in",
    } in (objects)


def test_schemes_lists_what_works_beside_a_plugin_that_does_not(
    tmp_path: Path, recordfs: Recordfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recordfs_test_good.py").write_text(
        "import recordfs\nfrom recordfs.filesystems.memory import MemoryFileSystem\n"
        "recordfs.register_file_system('good', MemoryFileSystem)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry._state.registrations, "plugin_modules_loaded", False)
    monkeypatch.setenv("RECORDFS_PLUGIN_MODULES", "recordfs_no_such_module,recordfs_test_good")
    try:
        status, out, err = recordfs("schemes")
        as_json = recordfs("schemes", "--json")
    finally:
        library.unregister_file_system("good")
    assert (status, as_json.status) == (1, 1)
    assert err.startswith("recordfs: the module recordfs_no_such_module, named by RECORDFS_PLUGIN_MODULES")
    assert out.startswith("(local paths)\t")
    assert "\ngood://\t" in out
    *schemes, failure = [json.loads(line) for line in as_json.out.splitlines()]
    if "scheme" in failure:  # the line of the failure may come first
        failure, *schemes = [*schemes, failure]
    assert failure["error"] == "MissingDependencyError"
    assert {"ram", "good"} <= {line["scheme"] for line in schemes}


def test_doctor_tells_programs_too(tmp_path: Path, recordfs: Recordfs) -> None:
    status, out, _ = recordfs("doctor", "--json", str(tmp_path))
    findings = {found["name"]: found for found in map(json.loads, out.splitlines())}
    assert status == 0
    assert findings["path"]["outcome"] == str(tmp_path)
    assert findings["listing"] == {"name": "listing", "status": "ok", "outcome": "ok, 0 names"}
    status, out, _ = recordfs("doctor", "--json", str(tmp_path / "missing"))
    assert status == 1
    assert json.loads(out.splitlines()[-1])["status"] == "failed"


def test_doctor_looks_and_leaves_everything_as_it_was(tmp_path: Path, recordfs: Recordfs) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    status, out, err = recordfs("doctor", str(tmp_path))
    assert (status, err) == (0, "")
    assert "filesystem:   recordfs.filesystems.posix:PosixFileSystem (built in)\n" in out
    assert re.search(r"credentials:  .*uid", out)
    assert "stat:         ok, a directory\n" in out
    assert "listing:      ok, 1 name\n" in out
    assert f"reading:      ok, 5 bytes from the beginning of {tmp_path}/f\n" in out
    assert "writing" not in out
    assert "stat:         ok, a file of 5 bytes" in recordfs("doctor", str(tmp_path / "f")).out
    assert os.listdir(tmp_path) == ["f"]


def test_doctor_writes_under_a_fresh_name_and_cleans_up(tmp_path: Path, recordfs: Recordfs) -> None:
    status, out, _ = recordfs("doctor", "--write", str(tmp_path))
    assert status == 0
    assert re.search(rf"mkdir:        ok, {tmp_path}/\.recordfs-doctor-[0-9a-f]{{32}}\n", out)
    for step in ("writing:      ok, and flushed bytes are visible", "appending:    ok", "renaming:     ok"):
        assert step in out
    assert os.listdir(tmp_path) == []


def test_doctor_cleans_up_after_a_failure_and_says_which(
    tmp_path: Path, recordfs: Recordfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, source: str, target: str, *, overwrite: bool = True) -> None:
        raise UnavailableError("no network", path=source)

    monkeypatch.setattr("recordfs.filesystems.posix.PosixFileSystem.rename_file", fail)
    status, out, _ = recordfs("doctor", "--write", str(tmp_path))
    assert status == 1
    assert re.search(r"renaming:     FAILED: UnavailableError: .*no network", out)
    assert os.listdir(tmp_path) == []


def test_doctor_of_what_is_missing_and_of_what_nobody_serves(tmp_path: Path, recordfs: Recordfs) -> None:
    status, out, _ = recordfs("doctor", str(tmp_path / "missing"))
    assert status == 1
    assert "FAILED: NotFoundError" in out
    status, out, err = recordfs("doctor", "nobody://x")
    assert (status, out) == (1, "")
    assert "register_file_system('nobody', ...)" in err


def test_doctor_takes_a_place_where_nothing_is_yet_in_a_store_that_has_no_buckets(recordfs: Recordfs) -> None:
    status, out, _ = recordfs("doctor", "--write", "ram://new")
    assert status == 0
    assert "stat:         ok, nothing there yet\n" in out
    assert "writing:      ok" in out


class GuardedFileSystem(MemoryFileSystem):
    """A store that takes a secret."""

    def __init__(self, *, token: str = "", region: str = "", **options: object) -> None:
        super().__init__(**options)


def test_doctor_names_options_and_shows_no_secret(recordfs: Recordfs) -> None:
    library.register_file_system("guarded", GuardedFileSystem)
    try:
        _, out, _ = recordfs("doctor", "guarded://x", "-o", "token=abc123", "-o", "region=north")
    finally:
        library.unregister_file_system("guarded")
    assert "options:      region='north', token=(not shown)\n" in out
    assert "abc123" not in out


def test_doctor_tells_what_a_store_cannot_do(recordfs: Recordfs) -> None:
    with serve() as site:
        site.files["/f"] = b"12345"
        status, out, _ = recordfs("doctor", "--write", f"{site.url}/f")
    assert status == 0
    assert "mkdir:        not possible here: HttpFileSystem cannot make directories\n" in out


def test_mmap_pack_writes_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recordfs: Recordfs) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.bin").write_bytes(bytes(100))
    (tmp_path / "b.bin").write_bytes(b"bias")
    (tmp_path / "graph.pb").write_bytes(b"graph")
    assert (
        recordfs("mmap-pack", "model.pkg", "w=w.bin", "memmapped_package://b=b.bin", "--graph", "graph.pb").status == 0
    )
    package = MemmappedFileSystem(package="model.pkg")
    assert package.region_names == ["memmapped_package://w", "memmapped_package://b", "memmapped_package://."]
    assert package._find("memmapped_package://b").offset == 128
    assert recordfs("cat", "memmapped_package://.", "-o", "package=model.pkg").out == "graph"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["w"], "NAME=FILE, found 'w'"),
        ([], "needs a NAME=FILE"),
        (["w=missing"], "missing"),
        (["w=empty"], "empty"),
        (["w/x=w.bin"], "letters, digits"),
        (["w=w.bin", "w=w.bin"], "already"),
    ],
)
def test_mmap_pack_refuses_and_writes_nothing(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recordfs: Recordfs
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.bin").write_bytes(b"x")
    (tmp_path / "empty").write_bytes(b"")
    status, _, err = recordfs("mmap-pack", "model.pkg", *words)
    assert status in (1, 2)
    assert message in err
    assert not (tmp_path / "model.pkg").exists()
