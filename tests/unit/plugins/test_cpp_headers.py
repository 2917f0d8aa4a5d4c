"""The C++ headers: what they promise, that each compiles by itself, and that copies of them do not meet."""

import os
import subprocess

import pytest

import recordfs
from recordfs.errors import InternalError
from support.plugin_libraries import compile_program, guide_plugin
from support.servers import REPOSITORY

pytestmark = pytest.mark.slow  # a C++ compiler takes seconds for each file


def headers():
    include = recordfs.get_include()
    return sorted(
        os.path.relpath(os.path.join(directory, name), include)
        for directory, _, names in os.walk(include)
        for name in names
    )


def test_the_headers_keep_their_promises(tmp_path):
    source = os.path.join(REPOSITORY, "tests", "support", "adapter_checks.cc")
    program = compile_program(source, tmp_path / "checks")
    done = subprocess.run([program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0
    assert done.stderr.endswith("shown 1\n")


def test_every_header_compiles_by_itself_and_twice_without_a_warning(tmp_path):
    """All in one file, each in a place of its own, so that one compiler run checks them; then in any order."""
    names = headers()
    assert "tensorflow/core/platform/file_system.h" in names
    for order in (names, names[::-1]):
        source = tmp_path / "all.cc"
        source.write_text("".join(f'#include "{name}"\n' for name in [*order, *order]) + "int main() {}\n")
        compile_program(source, tmp_path / "all", "-fsyntax-only")


@pytest.mark.parametrize(
    "name", ["recordfs/status.h", "recordfs/path.h", "recordfs/file_system.h", "recordfs/plugin.h"]
)
def test_a_header_needs_no_other_before_it(tmp_path, name):
    source = tmp_path / "one.cc"
    source.write_text(f'#include "{name}"\nint main() {{}}\n')
    compile_program(source, tmp_path / "one", "-fsyntax-only")


@pytest.mark.parametrize(
    ("size", "said"), [(5, "Read returned 5 bytes at a null pointer"), (1 << 40, "Read returned .* were asked for")]
)
def test_a_read_that_gives_bytes_that_cannot_be_is_an_error(tmp_path, monkeypatch, size, said):
    monkeypatch.setenv("FOOBAR_ROOT", str(tmp_path))
    (tmp_path / "file").write_bytes(b"bytes")
    recordfs.load_file_system_library(guide_plugin(tmp_path, f"READ_LIES={size}"))
    try:
        with (
            recordfs.get_file_system("foobar://").new_random_access_file("foobar://h/file") as file,
            pytest.raises(InternalError, match=said),
        ):
            file.read(0, 100)
    finally:
        recordfs.unregister_file_system("foobar")
        recordfs.unregister_file_system("emptybar")


def test_two_files_of_one_library_share_their_registrations(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.cc").write_text(f"""
            #include "tensorflow/core/platform/env.h"
            class {name}FileSystem : public tensorflow::FileSystem {{}};
            REGISTER_FILE_SYSTEM("{name}fs", {name}FileSystem);
        """)
    program = tmp_path / "libtwo.so"
    compile_program(tmp_path / "one.cc", program, "-fPIC", "-shared", str(tmp_path / "two.cc"))
    schemes = recordfs.load_file_system_library(program)
    for scheme in schemes:
        recordfs.unregister_file_system(scheme)
    assert sorted(schemes) == ["onefs", "twofs"]


def test_two_copies_of_one_library_have_state_of_their_own(tmp_path):
    """The linker makes one of what has vague linkage in all libraries of a process, unless it is hidden."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        library = guide_plugin(tmp_path / name)
        assert recordfs.load_file_system_library(library) == ["foobar", "emptybar"]
        for scheme in ("foobar", "emptybar"):
            recordfs.unregister_file_system(scheme)


def test_what_an_operation_says_it_cannot_do_is_done_without_it(tmp_path):
    """A class of the guide has to have every operation; that it has no memory regions it says when it is asked."""
    (tmp_path / "no.cc").write_text("""
        #include "tensorflow/core/platform/env.h"
        namespace tensorflow {
        class NoFileSystem : public FileSystem {
         public:
          Status NewRandomAccessFile(const string& name, std::unique_ptr<RandomAccessFile>* result) override {
            return Env::Default()->NewRandomAccessFile(TranslateName(name), result);
          }
          Status NewWritableFile(const string& name, std::unique_ptr<WritableFile>* result) override {
            return Env::Default()->NewWritableFile(TranslateName(name), result);
          }
          Status NewReadOnlyMemoryRegionFromFile(const string&, std::unique_ptr<ReadOnlyMemoryRegion>*) override {
            return errors::Unimplemented("this store has no memory regions");
          }
          Status CopyFile(const string&, const string&) override { return errors::Unimplemented("no copies"); }
          Status Stat(const string& name, FileStatistics* statistics) override {
            return Env::Default()->Stat(TranslateName(name), statistics);
          }
        };
        REGISTER_FILE_SYSTEM("nofs", NoFileSystem);
        }
    """)
    compile_program(tmp_path / "no.cc", tmp_path / "libno.so", "-fPIC", "-shared")
    recordfs.load_file_system_library(tmp_path / "libno.so")
    try:
        file_system = recordfs.get_file_system("nofs://")
        (tmp_path / "f").write_bytes(b"bytes")
        assert bytes(file_system.new_read_only_memory_region_from_file(f"nofs://h{tmp_path}/f")) == b"bytes"
        file_system.copy_file(f"nofs://h{tmp_path}/f", f"nofs://h{tmp_path}/g")
        assert (tmp_path / "g").read_bytes() == b"bytes"
    finally:
        recordfs.unregister_file_system("nofs")
