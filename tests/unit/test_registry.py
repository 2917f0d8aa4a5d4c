"""Which filesystem serves a path."""

import importlib.metadata
import os
import subprocess
import sys
import threading

import pytest

import recordfs
from recordfs import RecordWriter, gfile, operations, registry
from recordfs.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    MissingDependencyError,
    UnimplementedError,
    UnknownSchemeError,
)
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.registry import (
    canonical_scheme,
    configure_file_system,
    get_file_system,
    get_registered_schemes,
    register_file_system,
    registration_of,
    resolve,
    unregister_file_system,
)
from recordfs.spelling import did_you_mean
from recordfs.testing.processes import in_child


@pytest.fixture(autouse=True)
def fresh_registry(monkeypatch):
    """Give each test a registry of its own."""
    monkeypatch.setattr(registry, "_state", registry._State())
    monkeypatch.delenv("RECORDFS_PLUGIN_MODULES", raising=False)


class Optioned(MemoryFileSystem):
    """Remembers its options."""

    made = 0

    def __init__(self, *, region=None, nested=None, **options):
        super().__init__(**options)
        self.region = region
        self.nested = nested
        type(self).made += 1


def test_local_paths_and_file_are_one_filesystem():
    system = get_file_system("/tmp/x")
    assert type(system) is PosixFileSystem
    for path in ("relative", "file:///tmp", "FILE://host/x", b"bytes", "C:\\x", ""):
        assert get_file_system(path) is system
    assert type(get_file_system("RAM://a")) is MemoryFileSystem


def test_a_class_an_instance_and_a_name_can_be_registered():
    instance = MemoryFileSystem()
    register_file_system("cls", Optioned)
    register_file_system("inst://", instance)
    register_file_system("Lazy", "recordfs.filesystems.memory:MemoryFileSystem")
    assert type(get_file_system("cls://x")) is Optioned
    assert get_file_system("INST://x") is instance
    assert type(get_file_system("lazy://x")) is MemoryFileSystem
    assert {"", "cls", "file", "inst", "lazy", "ram"} <= set(get_registered_schemes())
    assert registration_of("inst") == ("recordfs.filesystems.memory:MemoryFileSystem", "registered in code")
    assert registration_of("file")[1] == "built in"


def test_registering_works_as_a_decorator():
    @recordfs.register_file_system("deco")
    class Decorated(MemoryFileSystem):
        pass

    assert isinstance(get_file_system("deco://"), Decorated)
    assert Decorated.__name__ == "Decorated"


@pytest.mark.parametrize("scheme", ["1a", "a b", "a/b", "s3:/", "é", "a:b"])
def test_a_malformed_scheme_is_refused(scheme):
    with pytest.raises(InvalidArgumentError, match="a scheme is"):
        register_file_system(scheme, MemoryFileSystem)


def test_what_is_no_filesystem_is_refused():
    for wrong in (object(), dict, 3, lambda: MemoryFileSystem()):
        with pytest.raises(TypeError, match="expected a FileSystem"):
            register_file_system("wrong", wrong)
    for malformed in ("module", "module:", ":Class"):
        with pytest.raises(InvalidArgumentError, match="module:Class"):
            register_file_system("wrong", malformed)
    register_file_system("wrong", "collections:OrderedDict")
    with pytest.raises(InvalidArgumentError, match=r"collections:OrderedDict.*wrong://"):
        get_file_system("wrong://x")


def test_a_taken_scheme_is_replaced_only_when_asked_and_comes_back():
    for scheme in ("ram", "file", ""):
        with pytest.raises(AlreadyExistsError):
            register_file_system(scheme, Optioned)
    local = get_file_system("/x")
    register_file_system("", Optioned, overwrite=True)
    assert type(get_file_system("/x")) is Optioned
    assert type(get_file_system("file:///x")) is Optioned
    unregister_file_system("")
    assert type(get_file_system("/x")) is type(local)
    with pytest.raises(UnknownSchemeError):
        unregister_file_system("ram")


def test_file_can_be_served_apart_from_local_paths():
    register_file_system("file", Optioned, overwrite=True)
    configure_file_system("file", region="here")
    assert get_file_system("file:///x").region == "here"
    assert type(get_file_system("/x")) is PosixFileSystem


def test_an_unknown_scheme_says_what_there_is():
    with pytest.raises(UnknownSchemeError) as caught:
        get_file_system("nosuch://x")
    assert isinstance(caught.value, UnimplementedError)
    for part in ("nosuch://", "ram://", "register_file_system('nosuch'"):
        assert part in str(caught.value)
    with pytest.raises(UnknownSchemeError):
        registration_of("nosuch")


def test_options_of_a_call_win_over_those_of_the_scheme_key_by_key():
    register_file_system("opt", Optioned)
    configure_file_system("opt", region="scheme", nested="scheme")
    system = get_file_system("opt://", options={"region": "call"})
    assert (system.region, system.nested) == ("call", "scheme")
    configure_file_system("OPT://", region="other")
    system = get_file_system("opt://")
    assert (system.region, system.nested) == ("other", None)
    configure_file_system("opt")
    assert get_file_system("opt://").region is None


def test_equal_options_share_an_instance():
    register_file_system("opt", Optioned)
    first = get_file_system("opt://", options={"region": "a", "nested": {"x": [1, {"y": 2}]}})
    assert get_file_system("opt://other", options={"nested": {"x": [1, {"y": 2}]}, "region": "a"}) is first
    assert get_file_system("opt://", options={"region": "a", "nested": {"x": [1, {"y": 3}]}}) is not first
    assert get_file_system("opt://", options={"region": 1}) is not get_file_system("opt://", options={"region": True})
    unhashable = bytearray()
    assert get_file_system("opt://", options={"region": unhashable}).region is unhashable


def test_options_that_are_no_mapping_are_a_type_error_that_says_where_a_compression_goes(tmp_path):
    with pytest.raises(TypeError, match=r"dict of what the filesystem takes.*found str; .*compression='GZIP'"):
        RecordWriter(tmp_path / "file", options="GZIP")


def test_wrong_options_are_invalid_arguments():
    register_file_system("opt", Optioned)
    with pytest.raises(InvalidArgumentError, match="colour"):
        get_file_system("opt://", options={"colour": "blue"})

    class TakesNothing(MemoryFileSystem):
        def __init__(self):
            super().__init__()

    register_file_system("nothing", TakesNothing)
    with pytest.raises(InvalidArgumentError, match=r"TakesNothing.*colour"):
        get_file_system("nothing://", options={"colour": "blue"})
    register_file_system("inst", MemoryFileSystem())
    with pytest.raises(InvalidArgumentError, match="takes no options; found colour"):
        get_file_system("inst://", options={"colour": "blue"})


def test_a_type_error_inside_a_filesystem_is_not_hidden():
    class Faulty(MemoryFileSystem):
        def __init__(self, **options):
            super().__init__(**options)
            raise TypeError("a fault of its own")

    register_file_system("faulty", Faulty)
    with pytest.raises(TypeError, match="a fault of its own"):
        get_file_system("faulty://")


def test_resolve_takes_a_filesystem_or_options():
    system = MemoryFileSystem()
    assert resolve(b"ram://x", file_system=system) == (system, "ram://x")
    assert resolve("ram://x")[0] is get_file_system("ram://")
    with pytest.raises(InvalidArgumentError, match="not both"):
        resolve("ram://x", file_system=system, options={})


def test_a_new_registration_is_used_at_once():
    register_file_system("swap", Optioned)
    old = get_file_system("swap://")
    register_file_system("swap", MemoryFileSystem, overwrite=True)
    assert type(get_file_system("swap://")) is MemoryFileSystem
    assert type(old) is Optioned


def test_an_instance_made_while_its_scheme_was_replaced_is_not_kept():
    class ReplacedMeanwhile(MemoryFileSystem):
        def __init__(self):
            super().__init__()
            register_file_system("race", Optioned, overwrite=True)

    register_file_system("race", ReplacedMeanwhile)
    assert type(get_file_system("race://")) is Optioned


def test_many_threads_get_one_instance():
    register_file_system("many", Optioned)
    barrier = threading.Barrier(8)
    got = []

    def run():
        barrier.wait()
        got.append(get_file_system("many://"))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(map(id, got))) == 1


def test_a_forked_child_makes_its_own_even_if_a_thread_held_the_lock():
    register_file_system("forked", Optioned)
    parents = get_file_system("forked://")
    held, release = threading.Event(), threading.Event()

    def hold():
        with registry._state.registrations.lock:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        answer = in_child(lambda: b"same" if get_file_system("forked://") is parents else b"own")
    finally:
        release.set()
        thread.join()
    assert answer == b"own"


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return a function that writes a module which can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        names.append(name)

    yield write
    for name in names:
        sys.modules.pop(name, None)


PLUGIN = """
import recordfs
from recordfs.filesystems.memory import MemoryFileSystem

recordfs.get_file_system("/tmp")

@recordfs.register_file_system("plugged")
class Plugged(MemoryFileSystem):
    pass
"""


def test_modules_named_by_the_environment_are_loaded_when_a_scheme_is_unknown(plugin, monkeypatch):
    plugin("recordfs_test_plugin", PLUGIN)
    monkeypatch.setenv("RECORDFS_PLUGIN_MODULES", " recordfs_test_plugin , ")
    get_file_system("/tmp")
    assert "recordfs_test_plugin" not in sys.modules
    assert type(get_file_system("plugged://x")).__name__ == "Plugged"
    assert registration_of("plugged") == ("recordfs_test_plugin:Plugged", "registered in code")


def test_a_broken_plugin_module_is_named_every_time(plugin, monkeypatch):
    plugin("recordfs_broken_plugin", "import no_such_module_at_all")
    monkeypatch.setenv("RECORDFS_PLUGIN_MODULES", "recordfs_broken_plugin")
    for _ in range(2):
        with pytest.raises(MissingDependencyError, match=r"recordfs_broken_plugin.*no_such_module_at_all"):
            get_file_system("plugged://x")
    get_file_system("/tmp")
    get_file_system("ram://")


def test_a_broken_filesystem_is_named(plugin):
    plugin("recordfs_broken_fs", "raise RuntimeError('out of order')")
    register_file_system("broken", "recordfs_broken_fs:Thing")
    register_file_system("absent", "recordfs.filesystems.memory:NoSuchClass")
    with pytest.raises(MissingDependencyError, match=r"recordfs_broken_fs:Thing for broken://.*out of order"):
        get_file_system("broken://x")
    with pytest.raises(MissingDependencyError, match=r"NoSuchClass for absent://"):
        get_file_system("absent://x")


def test_entry_points_of_installed_packages_are_found(monkeypatch):
    def entry_points(*, group):
        assert group == "recordfs.filesystems"
        value = "recordfs.filesystems.memory:MemoryFileSystem [extra]"
        return [importlib.metadata.EntryPoint("Packaged", value, group)]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert type(get_file_system("packaged://x")) is MemoryFileSystem
    assert registration_of("packaged") == ("recordfs.filesystems.memory:MemoryFileSystem", "entry point")
    assert "packaged" in get_registered_schemes()
    # What is registered in code comes first.
    register_file_system("packaged", Optioned)
    assert type(get_file_system("packaged://x")) is Optioned


def test_known_schemes_never_read_the_entry_points():
    program = "import sys, recordfs; recordfs.get_file_system('/x'); print('importlib.metadata' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}; {program}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "RECORDFS_PLUGIN_MODULES": "no_such_module"},
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("sftp:/host/x", "sftp://host/x"),
        ("memory:/x", "memory://x"),
        ("s3:/bucket/x", "s3://bucket/x"),
        ("S3:/bucket/x", "s3://bucket/x"),
        ("gcs:/bucket/x", "gcs://bucket/x"),
        ("ram:/a", "ram://a"),
        ("file:/tmp/x", "/tmp/x"),
        ("recordfs+s3://bucket/x", "s3://bucket/x"),
        ("recordfs+s3:/bucket/x", "s3://bucket/x"),
        ("recordfs://ram://a/b", "ram://a/b"),
        ("recordfs:/s3:/bucket/x", "s3://bucket/x"),
        ("abfss:/container/x", "abfss://container/x"),
        ("s3:bucket/x", "s3://bucket/x"),
        ("s3:\\\\bucket\\x", "s3://bucket/x"),
        ("gs:", "gs://"),
        (" s3://bucket/x", "s3://bucket/x"),
        ("'gs://bucket/x'", "gs://bucket/x"),
        ("s3:://bucket/x", "s3://bucket/x"),
        ("s3 ://bucket/x", "s3://bucket/x"),
        ("data/s3://bucket/x", "s3://bucket/x"),
        ("/data/gs://bucket/x", "gs://bucket/x"),
        ("simplecache::s3://bucket/x", "fsspec.open('simplecache::s3://bucket/x')"),
        ("simplecache::/tmp/x", "fsspec.open('simplecache::/tmp/x')"),
    ],
)
def test_a_url_that_is_spelt_wrong_is_no_local_folder(tmp_path, monkeypatch, path, right):
    monkeypatch.chdir(tmp_path)
    for call in (gfile.exists, gfile.makedirs, gfile.glob, operations.walk, lambda path: RecordWriter(path)):
        with pytest.raises(InvalidArgumentError) as caught:
            call(path)
        assert right in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_what_only_looks_like_a_url_is_a_local_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("./s3:/bucket", "std::vector", "12:30", "a:b/c", "nothing:/known", "C:/x"):
        assert type(get_file_system(path)).__name__ == "PosixFileSystem"
    register_file_system("nothing", Optioned)
    with pytest.raises(InvalidArgumentError, match="nothing://known"):
        get_file_system("nothing:/known")
    unregister_file_system("nothing")


def test_schemes_of_other_programs_are_spellings_of_ours():
    for other, ours in (("gcs", "gs"), ("s3a", "s3"), ("s3n", "s3"), ("file", "")):
        assert canonical_scheme(f"{other}://bucket/x") == ours
        assert registration_of(other) == registration_of(ours)


@pytest.mark.parametrize(("scheme", "near"), [("ramm", "ram"), ("s4", "s3"), ("htps", "https"), ("sfpt", "sftp")])
def test_an_unknown_scheme_is_told_with_the_near_one_and_no_extra_that_is_there(scheme, near):
    with pytest.raises(UnknownSchemeError, match=f"did you mean {near}://") as caught:
        get_file_system(f"{scheme}://x")
    assert "recordfs[fsspec]" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("option", "near"),
    [("region", "region_name"), ("regoin", "region_name"), ("endpoint", "endpoint_url"), ("foo", "")],
)
def test_an_option_whose_beginning_is_near_is_told(option, near):
    told = did_you_mean(option, ["anonymous", "endpoint_url", "profile_name", "region_name"])
    assert told == (f" (did you mean {near}?)" if near else "")


def test_a_misspelt_option_is_told_with_the_near_one():
    with pytest.raises(InvalidArgumentError, match=r"regionn \(did you mean region\?\)"):
        Optioned(regionn="here")
