"""`memmapped_package://`: what is read, what is refused, and that what is written can be mapped."""

import contextlib
import os
import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recordfs
from recordfs._core import ReadOnlyMemoryRegion
from recordfs.errors import (
    ClosedFileError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnimplementedError,
)
from recordfs.filesystems._memmapped_package import read_directory
from recordfs.filesystems.memmapped import DEFAULT_GRAPH, MemmappedFileSystem, MemmappedPackageWriter

GOLDEN = os.path.join(os.path.dirname(__file__), "../../golden/memmapped/tensorflow-2.21.package")
A, B = "memmapped_package://a_1.weights", "memmapped_package://b"


def package_of(directory, *, data=b"0123456789abcdef", start=None):
    return data + directory + (len(data) if start is None else start).to_bytes(8, "little")


def element(name, offset, length):
    """An element whose numbers all fit into one byte."""
    message = bytes([0x08, offset, 0x12, len(name)]) + name + bytes([0x18, length])
    return bytes([0x0A, len(message)]) + message


def opened(data):
    return MemmappedFileSystem(package=ReadOnlyMemoryRegion(data))


def write_package(path, add):
    with MemmappedPackageWriter(recordfs.get_file_system(path).new_writable_file(str(path), atomic=True)) as package:
        add(package)


# Reading


def test_a_package_of_tensorflow_is_read():
    package = MemmappedFileSystem(package=GOLDEN)
    assert package.region_names == [A, B, DEFAULT_GRAPH, "memmapped_package://"]
    assert memoryview(package.new_read_only_memory_region_from_file(A)).cast("f").tolist() == [0.5, 1.5, 2.5]
    with package.new_random_access_file(B) as file:
        assert file.read(90, 20) == bytes(range(90, 100))
        assert (file.read(100, 1), file.size(), file.name) == (b"", 100, B)
        buffer = bytearray(4)
        assert (file.read_into(1, buffer), buffer) == (4, b"\1\2\3\4")
        assert file.read_ranges([(98, 9), (0, 1)]) == [b"bc", b"\0"]
    assert package.stat(DEFAULT_GRAPH) == (11, 0, False, None)


def test_the_package_is_chosen_by_configuration_or_by_the_call():
    recordfs.configure_file_system("memmapped_package", package=GOLDEN)
    try:
        assert recordfs.get_file_system(A).get_file_size("MEMMAPPED_PACKAGE://b") == 100
    finally:
        recordfs.configure_file_system("memmapped_package")
    assert recordfs.get_file_system(A, options={"package": f"file://{os.path.abspath(GOLDEN)}"}).file_exists(A)
    with pytest.raises(FailedPreconditionError, match="configure_file_system"):
        recordfs.get_file_system(A).stat(A)
    with pytest.raises(InvalidArgumentError, match="new_read_only_memory_region_from_file"):
        MemmappedFileSystem(package="s3://bucket/model.pkg")
    with pytest.raises(InvalidArgumentError, match="colour"):
        MemmappedFileSystem(package=GOLDEN, colour="red")


def test_regions_are_parts_of_one_mapping_and_outlive_the_filesystem():
    package = MemmappedFileSystem(package=GOLDEN)
    region = package.new_read_only_memory_region_from_file(B)
    address = _address(region)
    assert _address(package.new_read_only_memory_region_from_file(B)) == address
    assert _address(package.new_read_only_memory_region_from_file(A)) == address - 64
    del package
    assert bytes(region) == bytes(range(100))


def _address(region):
    with open("/proc/self/maps") as maps:
        assert os.path.basename(GOLDEN) in maps.read()
    import ctypes

    class PyBuffer(ctypes.Structure):
        _fields_ = [("buf", ctypes.c_void_p), ("rest", ctypes.c_char * 128)]

    view = PyBuffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(region), ctypes.byref(view), 0)
    address = view.buf
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(view))
    return address


def test_a_package_that_was_replaced_is_seen_and_open_regions_stay(tmp_path):
    path = tmp_path / "package"
    write_package(path, lambda package: package.add_tensor(A, b"old"))
    file_system = recordfs.get_file_system(A, options={"package": str(path)})
    old = file_system.new_read_only_memory_region_from_file(A)
    write_package(path, lambda package: package.add_tensor(B, b"new"))
    assert (
        bytes(recordfs.get_file_system(B, options={"package": str(path)}).new_random_access_file(B).read(0, 9))
        == b"new"
    )
    assert not file_system.file_exists(A)
    assert bytes(old) == b"old"
    path.unlink()
    assert file_system.file_exists(B)


def test_what_a_package_does_not_have_is_missing_and_everything_else_is_unimplemented():
    package = MemmappedFileSystem(package=GOLDEN)
    missing = "memmapped_package://nothing"
    for call in (package.stat, package.new_random_access_file, package.new_read_only_memory_region_from_file):
        with pytest.raises(NotFoundError, match=r"nothing.*tensorflow-2\.21\.package"):
            call(missing)
    assert not package.file_exists(missing)
    assert not package.is_directory(B)
    for call in (
        package.new_writable_file,
        package.new_appendable_file,
        lambda path: list(package.list_directory(path)),
        package.create_dir,
        package.delete_file,
        package.delete_dir,
        package.delete_recursively,
        lambda path: package.rename_file(path, missing),
        lambda path: package.truncate_file(path, 0),
        lambda path: package.copy_file(path, missing),
        lambda path: package.get_matching_paths("memmapped_package://*"),
    ):
        with pytest.raises(UnimplementedError, match="MemmappedFileSystem cannot"):
            call(B)
    assert package.capabilities(B).write is False
    assert package.capabilities(B).memory_region is True


def test_regions_are_copied_out(tmp_path):
    from recordfs.filesystem_defaults.copies import stream_copy

    target = str(tmp_path / "b")
    stream_copy(MemmappedFileSystem(package=GOLDEN), B, recordfs.get_file_system(target), target)
    assert (tmp_path / "b").read_bytes() == bytes(range(100))


def test_a_closed_file_and_wrong_numbers_are_refused():
    file = MemmappedFileSystem(package=GOLDEN).new_random_access_file(B)
    with pytest.raises(InvalidArgumentError):
        file.read(-1, 1)
    with pytest.raises(InvalidArgumentError):
        file.read(0, -1)
    file.close()
    file.close()
    with pytest.raises(ClosedFileError):
        file.read(0, 1)
    with pytest.raises(ClosedFileError):
        file.size()


def test_it_is_pickled_with_its_package_and_read_by_many_threads():
    package = pickle.loads(pickle.dumps(MemmappedFileSystem(package=GOLDEN)))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(package.new_random_access_file(B).read(0, 100))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [bytes(range(100))] * 8


def test_a_missing_package_and_a_directory_are_told_apart(tmp_path):
    with pytest.raises(NotFoundError, match="gone"):
        MemmappedFileSystem(package=tmp_path / "gone").stat(B)
    with pytest.raises(FailedPreconditionError):
        MemmappedFileSystem(package=tmp_path).stat(B)


# Damage


def test_an_empty_directory_is_fine():
    assert opened(package_of(b"")).region_names == []


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (b"", "it has 0 bytes"),
        (bytes(8), "it has 8 bytes"),
        (package_of(b"", start=17), "said to begin at byte 17"),
        (package_of(b"", start=2**64 - 1), "said to begin at byte"),
        (package_of(b"\x0a"), "inside a number"),
        (package_of(b"\x0a\x05abc"), "5 bytes are announced where 3 are left"),
        (package_of(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "18446744073709551615 bytes are announced"),
        (package_of(b"\x08" + b"\xff" * 11), "64 bits is too long"),
        (package_of(b"\x00\x00"), "no field number 0"),
        (package_of(b"\x0f"), "kind 7"),
        (package_of(b"\x0c"), "kind 4"),
        (package_of(b"\x13"), "inside a group"),
        (package_of(b"\x13" * 101), "kind 3"),
        (package_of(b"\x11\0\0\0"), "inside a number"),
        (package_of(element(b"\xff", 0, 1)), "utf-8"),
        (package_of(element(b"a", 16, 0)), "'a' begins at byte 16, and has to begin before 16"),
        (package_of(element(b"a", 4, 0) + element(b"b", 4, 0)), "'a' begins at byte 4"),
        (package_of(element(b"a", 4, 0) + element(b"b", 3, 0)), "'a' begins at byte 4"),
        (package_of(element(b"a", 0, 1) + element(b"a", 4, 1)), "two regions have the name 'a'"),
        (package_of(element(b"a", 0, 17)), "'a' of 17 bytes at byte 0 reaches beyond 16"),
        (package_of(element(b"a", 0, 5) + element(b"b", 4, 1)), "'a' of 5 bytes at byte 0 reaches beyond 4"),
        (package_of(b"\x0a\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "18446744073709551615 bytes at byte 0"),
    ],
)
def test_damage_is_data_loss_that_names_the_package(package, message, tmp_path):
    path = tmp_path / "damaged.pkg"
    path.write_bytes(package)
    with pytest.raises(DataLossError, match=message) as caught:
        MemmappedFileSystem(package=path).stat("memmapped_package://a")
    assert caught.value.path == str(path)


def test_a_region_without_a_length_is_empty_and_unknown_fields_are_skipped():
    no_length = b"\x0a\x05\x12\x03abc"
    unknown = b"\x1b\x20\x01\x1c" + b"\x21" + bytes(8) + b"\x2d" + bytes(4) + b"\x32\x01x" + b"\x08\x01"
    package = opened(package_of(unknown + no_length + element(b"d", 3, 2)))
    assert package.region_names == ["abc", "d"]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(DataLossError):
        read_directory(memoryview(data), "package")


@given(st.data())
def test_a_package_with_any_bytes_changed_is_read_or_refused_and_never_read_past(data):
    with open(GOLDEN, "rb") as file:
        package = bytearray(file.read())
    for _ in range(data.draw(st.integers(1, 4))):
        # The directory and the offset are the last 113 bytes.
        package[data.draw(st.integers(len(package) - 113, len(package) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataLossError):
        for region in read_directory(memoryview(package), "package").values():
            assert region.offset + region.length <= len(package)


def test_a_package_cut_anywhere_is_refused():
    with open(GOLDEN, "rb") as file:
        package = file.read()
    for size in range(len(package)):
        with pytest.raises(DataLossError):
            read_directory(memoryview(package)[:size], "package")


# Writing


def test_what_is_written_is_what_tensorflow_writes(tmp_path):
    from array import array

    def add(package):
        package.add_tensor(A, array("f", [0.5, 1.5, 2.5]))
        package.add_tensor(B, bytes(range(100)))
        package.add_message(DEFAULT_GRAPH, b"\n\t\n\x01n\x12\x04NoOp")
        package.add_tensor("memmapped_package://", bytes(range(100)))

    write_package(tmp_path / "package", add)
    with open(GOLDEN, "rb") as file:
        assert (tmp_path / "package").read_bytes() == file.read()


def test_tensors_begin_at_multiples_of_64_whatever_stands_before(tmp_path):
    def add(package):
        for index in range(5):
            package.add_message(f"memmapped_package://m{index}", bytes(index))
            package.add_tensor(f"memmapped_package://t{index}", bytes([index]) * (index * 31 + 1))

    write_package(tmp_path / "package", add)
    package = MemmappedFileSystem(package=tmp_path / "package")
    for index in range(5):
        name = f"memmapped_package://t{index}"
        assert package._find(name).offset % 64 == 0
        assert bytes(package.new_read_only_memory_region_from_file(name)) == bytes([index]) * (index * 31 + 1)
        assert package.get_file_size(f"memmapped_package://m{index}") == index


def test_empty_messages_leave_the_package_readable(tmp_path):
    def add(package):
        for name in ("memmapped_package://a", "memmapped_package://b", DEFAULT_GRAPH):
            package.add_message(name, b"")

    write_package(tmp_path / "package", add)
    package = MemmappedFileSystem(package=tmp_path / "package")
    assert len(package.region_names) == 3
    assert bytes(package.new_read_only_memory_region_from_file(DEFAULT_GRAPH)) == b""


@pytest.mark.parametrize(
    "name", ["weights", "memmapped_package://a/b", "memmapped_package://a-b", "memmapped_package://ä", "ram://a"]
)
def test_malformed_names_are_refused(name, tmp_path):
    with pytest.raises(InvalidArgumentError, match="letters, digits"):
        write_package(tmp_path / "package", lambda package: package.add_tensor(name, b"x"))
    assert not (tmp_path / "package").exists()


def test_empty_tensors_and_taken_names_are_refused(tmp_path):
    def add(package):
        package.add_tensor(A, b"x")
        with pytest.raises(InvalidArgumentError, match="empty"):
            package.add_tensor(B, b"")
        with pytest.raises(InvalidArgumentError, match="already"):
            package.add_message(A, b"y")
        with pytest.raises(InvalidArgumentError, match="alignment"):
            package.add_parts(B, [], alignment=0)

    write_package(tmp_path / "package", add)
    assert MemmappedFileSystem(package=tmp_path / "package").region_names == [A]


def test_a_region_whose_parts_fail_is_left_out(tmp_path):
    def parts():
        yield b"some"
        raise OSError("no more")

    def add(package):
        with pytest.raises(OSError, match="no more"):
            package.add_parts(B, parts(), alignment=64)
        package.add_parts(B, [b"so", b"und"], alignment=64)

    write_package(tmp_path / "package", add)
    assert bytes(MemmappedFileSystem(package=tmp_path / "package").new_read_only_memory_region_from_file(B)) == b"sound"


def test_a_package_is_published_whole_or_not_at_all(tmp_path):
    path = tmp_path / "package"

    def add(package):
        package.add_tensor(B, b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_package(path, add)
    assert os.listdir(tmp_path) == []


def test_a_closed_package_takes_nothing_more_and_an_old_file_is_no_package(tmp_path):
    path = str(tmp_path / "package")
    file_system = recordfs.get_file_system(path)
    package = MemmappedPackageWriter(file_system.new_writable_file(path))
    package.add_tensor(B, b"x")
    package.close()
    package.close()
    with pytest.raises(ClosedFileError):
        package.add_tensor(A, b"x")
    with file_system.new_appendable_file(path) as file, pytest.raises(InvalidArgumentError, match="new file"):
        MemmappedPackageWriter(file)
