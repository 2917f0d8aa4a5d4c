"""Loading plugin libraries: what is refused and how, and what stands in for what a plugin lacks or does wrong."""

import os
import pickle
import subprocess
import sys

import pytest

import recordfs
from recordfs import errors
from recordfs.plugins.library import load_file_system_library
from support.plugin_libraries import EXAMPLE, compile_library, example_plugin
from support.servers import REPOSITORY

ODD = os.path.join(REPOSITORY, "tests", "support", "odd_plugin.c")


@pytest.fixture
def load(tmp_path):
    """Builds the odd plugin with macros and loads it; what it registers goes with the test."""
    registered = []

    def build_and_load(*macros, **options):
        options_of_compiler = ["-Wno-unused-function", "-Wno-type-limits", f"-I{EXAMPLE}"]
        library = compile_library(ODD, tmp_path / "odd.so", *options_of_compiler, *(f"-D{macro}" for macro in macros))
        registered.extend(load_file_system_library(library, **options))
        return recordfs.get_file_system("odd://")

    yield build_and_load
    for scheme in set(registered):
        recordfs.unregister_file_system(scheme)


@pytest.mark.parametrize(
    ("macro", "kind", "said"),
    [
        ("FILESYSTEM_ABI=1", errors.FailedPreconditionError, "ABI 1 of the filesystem operations"),
        ("READER_ABI=2", errors.FailedPreconditionError, "ABI 2 of the random access file operations"),
        ("NO_ENTRY_POINT", errors.InvalidArgumentError, "does not export TF_InitPlugin"),
        ("INIT_FAILS", errors.PermissionDeniedError, "init for odd:// failed: no key for the vault"),
        ("NO_INIT", errors.FailedPreconditionError, "no init"),
        ("NO_ALLOCATOR", errors.FailedPreconditionError, "plugin_memory_allocate"),
        ("SCHEME_COUNT=0", errors.FailedPreconditionError, "no schemes"),
        ("SCHEME_COUNT=-1", errors.FailedPreconditionError, "18446744073709551615 schemes, and at most 1024"),
        ("SCHEME_COUNT=2", errors.FailedPreconditionError, "two filesystems for the scheme 'odd'"),
        ('SCHEME="odd://"', errors.FailedPreconditionError, "no sound scheme: 'odd://'"),
        ("NEEDS_C", errors.UnimplementedError, "TF_CreateDir"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_refused_with_the_reason(load, tmp_path, macro, kind, said):
    with pytest.raises(kind) as caught:
        load(macro)
    assert said in str(caught.value)
    assert caught.value.path == str(tmp_path / "odd.so")
    with pytest.raises(errors.UnknownSchemeError):
        recordfs.get_file_system("odd://")


def test_a_plugin_that_needs_tensorflows_cplusplus_is_refused_before_it_runs(tmp_path):
    source = tmp_path / "needy.cc"
    source.write_text("""
        #include <cstdio>
        namespace tsl { struct Env { static Env* Default(); }; }
        __attribute__((constructor)) static void run() { std::remove("must-not-run"); std::puts("it ran"); }
        extern "C" void TF_InitPlugin(void*) { tsl::Env::Default(); }
    """)
    library = compile_library(source, tmp_path / "needy.so")
    with pytest.raises(errors.UnimplementedError, match=r"1 C\+\+ symbol.*_ZN3tsl3Env7DefaultEv"):
        load_file_system_library(library)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "not an ELF file"), (b"#!/bin/sh\n", "not an ELF file"), (b"\x7fELF" + b"\0" * 100, "64")],
)
def test_a_file_that_is_no_library_is_refused(tmp_path, content, said):
    path = tmp_path / "plugin.so"
    path.write_bytes(content)
    with pytest.raises(errors.InvalidArgumentError, match=said):
        load_file_system_library(path)


def test_every_cut_and_every_overwritten_header_byte_of_a_library_is_refused_or_loads(tmp_path):
    """The file's numbers are hostile: none may make the reader leave the file. Nothing is run that was damaged."""
    library = example_plugin(tmp_path)
    with open(library, "rb") as file:
        whole = file.read()
    # Without its entry point nothing of it is ever loaded, whatever else is wrong with it.
    damaged = bytearray(whole.replace(b"TF_InitPlugin", b"TF_ExitPlugin"))
    target = tmp_path / "damaged.so"
    for position in [*range(0, 1000, 7), *range(0, len(whole), len(whole) // 200)]:
        changed = bytearray(damaged)
        changed[position] ^= 0xFF
        for content in (bytes(changed), bytes(damaged[:position])):
            target.write_bytes(content)
            with pytest.raises(errors.InvalidArgumentError):
                load_file_system_library(target)


def test_a_missing_library_is_not_found_and_a_bare_name_is_not_searched_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "no.so", "libc.so.6"):
        with pytest.raises(errors.NotFoundError):
            load_file_system_library(path)


def test_another_system_is_told_that_plugins_are_not_for_it(tmp_path, monkeypatch):
    from recordfs.interop.tensorflow import register

    monkeypatch.setattr(sys, "platform", "darwin")
    for call in (lambda: load_file_system_library(tmp_path / "plugin.so"), lambda: register("s3")):
        with pytest.raises(errors.UnimplementedError, match="on Linux only, not on darwin"):
            call()


def test_a_taken_scheme_is_refused_and_can_be_replaced(load):
    load()
    with pytest.raises(errors.AlreadyExistsError):
        load()
    assert load("LARGEST_READ=3", overwrite=True).file_exists("odd://x/file")


def test_reads_and_appends_are_cut_into_pieces_for_plugins_that_cannot_take_more(load):
    file_system = load("LARGEST_READ=3", "LARGEST_APPEND=4", max_read_size=3, max_append_size=4)
    with file_system.new_random_access_file("odd://x/file") as file:
        assert file.read(0, 100) == b"0123456789"
        buffer = bytearray(8)
        assert file.read_into(1, buffer) == 8
        assert buffer == b"12345678"
    with file_system.new_writable_file("odd://x/file") as file:
        file.append(b"a longer piece")
        assert file.tell() == 14


@pytest.mark.parametrize("options", [{"max_read_size": 0}, {"max_append_size": -1}])
def test_bounds_below_one_byte_are_refused(load, options):
    with pytest.raises(errors.InvalidArgumentError, match="at least 1"):
        load(**options)


@pytest.mark.parametrize(
    "capabilities",
    [{"odd": {"fast": True}}, {"odd": {"append": True}}, {"odd": {"atomic_write": True}}, {"other": {}}],
)
def test_capabilities_that_do_not_exist_or_that_the_plugin_cannot_have_are_refused(load, capabilities):
    with pytest.raises(errors.InvalidArgumentError):
        load(capabilities=capabilities)


def test_a_read_that_returns_more_than_was_asked_for_is_the_plugins_fault(load):
    with load("READ_LIES").new_random_access_file("odd://x/file") as file:
        for call in (lambda: file.read(0, 4), lambda: file.read_into(0, bytearray(4)), lambda: file.read(0, 1 << 30)):
            with pytest.raises(errors.InternalError, match=r"asked for .* bytes and returned"):
                call()


@pytest.mark.parametrize("offset", [0, 4])
def test_a_read_of_nothing_before_the_end_is_the_plugins_fault(load, offset, tmp_path):
    file_system = load(f"READ_STOPS_AT={offset}")
    with file_system.new_random_access_file("odd://x/file") as file:
        assert file.read(0, offset) == b"0123"[:offset]
        for call in (lambda: file.read(0, 9), lambda: file.read_into(0, bytearray(9)), lambda: file.read(0, 1 << 30)):
            with pytest.raises(errors.InternalError, match=f"0 bytes and no error at offset {offset} of a file of 10"):
                call()
    with pytest.raises(errors.InternalError, match="0 bytes and no error"):
        recordfs.gfile.copy("odd://x/file", str(tmp_path / "copy"))


@pytest.mark.parametrize("capabilities", [{}, {"growing_reads": True}], ids=["fixed", "growing"])
def test_an_end_before_the_end_is_the_plugins_fault(load, tmp_path, capabilities):
    file_system = load("READ_ENDS_AT=4", capabilities={"odd": capabilities})
    with file_system.new_random_access_file("odd://x/file") as file:
        assert file.read(0, 4) == b"0123"
        for call in (lambda: file.read(0, 9), lambda: file.read_into(4, bytearray(9)), lambda: file.read(0, 1 << 30)):
            with pytest.raises(errors.InternalError, match="a read ended at byte 4 of a file of 10 bytes"):
                call()
    with pytest.raises(errors.InternalError, match="a read ended at byte 4"):
        recordfs.gfile.copy("odd://x/file", str(tmp_path / "copy"))


def test_a_read_of_nothing_at_the_end_is_the_end(load):
    with load("READ_STOPS_AT=10").new_random_access_file("odd://x/file") as file:
        assert file.read(0, 100) == b"0123456789"
        assert file.read(10, 100) == b""


def test_a_length_below_zero_is_the_plugins_fault(load):
    file_system = load("LENGTH=-5")
    for call in (file_system.stat, file_system.new_random_access_file, recordfs.gfile.stat):
        with pytest.raises(errors.InternalError, match="stat returned -5 and no error"):
            call("odd://x/file")


@pytest.mark.parametrize(
    ("told", "begins"),
    [(10, 10), (15, 15), pytest.param(0, 10, id="counts from where it was opened")],
)
def test_appending_begins_where_the_plugin_tells_unless_that_is_before_the_end(load, told, begins):
    with load("APPENDS", f"TELL={told}").new_appendable_file("odd://x/file") as file:
        assert file.tell() == begins
        file.append(b"abc")
        assert file.tell() == begins + 3


def test_appending_at_a_position_below_zero_is_the_plugins_fault(load):
    with pytest.raises(errors.InternalError, match="tell returned -1 and no error"):
        load("APPENDS", "TELL=-1").new_appendable_file("odd://x/file")


def test_an_append_that_took_nothing_can_be_made_again(load):
    file = load("APPEND_TAKES=0").new_writable_file("odd://x/file")
    for _ in range(2):
        with pytest.raises(errors.ResourceExhaustedError, match="the disk is full"):
            file.append(b"12345")
    assert file.tell() == 0
    file.close()


def test_an_append_that_took_a_part_breaks_the_file(load):
    file = load("APPEND_TAKES=2").new_writable_file("odd://x/file")
    with pytest.raises(errors.ResourceExhaustedError):
        file.append(b"12345")
    for call in (lambda: file.append(b"6"), file.flush, file.close):
        with pytest.raises(errors.FailedPreconditionError, match="took a part"):
            call()
    assert file.closed
    with pytest.raises(errors.FailedPreconditionError, match="is lost"):
        file.close()


def test_an_append_that_took_all_and_failed_counts(load):
    file = load("APPEND_TAKES=5").new_writable_file("odd://x/file")
    with pytest.raises(errors.ResourceExhaustedError):
        file.append(b"12345")
    assert file.tell() == 5
    file.close()


OPEN_WRITER = pytest.mark.parametrize(
    "open_writer",
    [lambda path: recordfs.gfile.GFile(path, "wb"), recordfs.RecordWriter, None],
    ids=["gfile", "records", "file"],
)


@OPEN_WRITER
def test_after_a_close_that_failed_every_close_says_that_the_bytes_are_lost(load, open_writer):
    file_system = load("CLOSE_FAILS")
    file = (open_writer or file_system.new_writable_file)("odd://x/file")
    (file.write if open_writer else file.append)(b"bytes")
    with pytest.raises(errors.UnavailableError, match="the network is gone"):
        file.close()
    for _ in range(2):
        with pytest.raises(errors.FailedPreconditionError, match=r"is lost: close failed .*the network is gone"):
            file.close()
    if open_writer is recordfs.RecordWriter:
        file.discard()  # so that it is not tried again when the interpreter ends
        assert file.closed


@OPEN_WRITER
@pytest.mark.parametrize("raises", [False, True], ids=["close", "an error of the program"])
def test_the_first_error_in_a_with_block_comes_out_where_close_fails_as_well(load, open_writer, raises):
    file_system = load("CLOSE_FAILS")
    kind, said = (RuntimeError, "the program's own") if raises else (errors.UnavailableError, "the network is gone")
    files = []

    def write():
        with (open_writer or file_system.new_writable_file)("odd://x/file") as file:
            files.append(file)
            (file.write if open_writer else file.append)(b"bytes")
            if raises:
                raise RuntimeError(said)
            file.close()

    with pytest.raises(kind, match=said) as caught:
        write()
    if raises:
        assert "the network is gone" in caught.value.__notes__[0]
    if open_writer is recordfs.RecordWriter:
        files[0].discard()  # so that it is not tried again when the interpreter ends


def test_children_are_bare_names_each_once(load):
    file_system = load()
    assert sorted(file_system.get_children("odd://x/")) == ["file", "gone"]
    entries = {entry.name: entry for entry in file_system.list_directory("odd://x/")}
    assert entries["file"].length == 10
    assert entries["gone"].is_directory  # so it said, and it was gone when it was looked at


def test_a_child_that_is_a_path_is_refused(load):
    with pytest.raises(errors.InternalError, match=r"\.\./\.\./etc/passwd"):
        load("CHILD_WITH_SLASH").get_children("odd://x/")


@pytest.mark.parametrize(
    ("macro", "said"),
    [
        ("NULL_NAMES=4", "get_children returned 4 names at a null pointer"),
        ("NULL_NAMES=-1", "get_children returned -1 and no error"),
        ("COUNT_LIES", "get_children returned a null name"),
    ],
)
def test_a_listing_that_is_not_as_long_as_the_plugin_says_is_the_plugins_fault(load, macro, said):
    with pytest.raises(errors.InternalError, match=f"the plugin broke the interface: {said}"):
        load(macro).get_children("odd://x/")


@pytest.mark.parametrize("length", ["1ull << 63", "UINT64_MAX"])
def test_a_memory_region_that_no_memory_holds_is_the_plugins_fault(load, length):
    with pytest.raises(errors.InternalError, match="larger than memory"):
        load(f"REGION_LENGTH={length}").new_read_only_memory_region_from_file("odd://x/file")


@pytest.mark.parametrize("byte", [1, 2, 255])
def test_whatever_is_not_0_says_that_a_path_is_a_directory(load, byte):
    assert load(f"DIRECTORY_BYTE={byte}").stat("odd://x/file").is_directory


def test_what_the_plugin_lacks_is_unimplemented_and_named(load):
    file_system = load()
    for call, operation in (
        (lambda: file_system.create_dir("odd://x/d"), "create_dir"),
        (lambda: file_system.delete_file("odd://x/file"), "delete_file"),
        (lambda: file_system.delete_dir("odd://x/d"), "delete_dir"),
        (lambda: file_system.new_appendable_file("odd://x/file"), "new_appendable_file"),
    ):
        with pytest.raises(errors.UnimplementedError, match=operation):
            call()
    capabilities = file_system.capabilities("odd://")
    assert not capabilities.append
    assert capabilities.flush_visibility == "close"


def test_the_log_is_formatted_and_what_is_verbose_is_silent(tmp_path):
    library = compile_library(ODD, tmp_path / "odd.so", f"-I{EXAMPLE}")
    program = f"import recordfs; recordfs.load_file_system_library({library!r})"
    for verbosity, secret in (("0", False), ("1", True)):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "TF_CPP_MAX_VLOG_LEVEL": verbosity},
        )
        assert "W plugin: ready for odd, 42 and 1.50" in done.stderr
        assert ("a secret: 41" in done.stderr) is secret


def test_a_pickled_filesystem_loads_its_library_in_another_process(tmp_path):
    library = example_plugin(tmp_path)
    load_file_system_library(library, capabilities={"cmem": {"growing_reads": True}})
    try:
        pickled = pickle.dumps(recordfs.get_file_system("cmem://"))
    finally:
        recordfs.unregister_file_system("cmem")
    program = (
        "import pickle, sys; f = pickle.loads(sys.stdin.buffer.read());"
        "f.new_writable_file('cmem://h/f').close();"
        "print(f.stat('cmem://h/f').length, f.capabilities('').growing_reads)"
    )
    done = subprocess.run([sys.executable, "-c", program], input=pickled, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["0", "True"]
