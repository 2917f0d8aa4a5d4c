"""Memory-mapped packages beside TensorFlow's own reader and writer, which only C++ can reach.

A small program is built with the headers and libraries of TensorFlow's wheel; that takes five seconds.
"""

import os
import random
import shutil
import subprocess

import pytest

import recordfs
from recordfs.errors import DataLossError, InvalidArgumentError
from recordfs.filesystems._memmapped_package import read_directory
from recordfs.filesystems.memmapped import DEFAULT_GRAPH, MemmappedFileSystem, MemmappedPackageWriter
from support.peers import call_peer

pytestmark = pytest.mark.peer

HERE = os.path.dirname(__file__)
GOLDEN = os.path.join(HERE, "../golden/memmapped/tensorflow-2.21.package")
DATA_LOSS, NOT_FOUND, INVALID_ARGUMENT = 15, 5, 3


@pytest.fixture(scope="module")
def tensorflow(tmp_path_factory):
    """A function that runs the program: arguments and input lines in, output lines out."""
    compile_flags, link_flags = call_peer(
        "tensorflow",
        "import tensorflow as tf; result = [tf.sysconfig.get_compile_flags(), tf.sysconfig.get_link_flags()]",
    )
    compiler = shutil.which("g++")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have g++")
        pytest.skip("g++ MISSING: install it to test beside TensorFlow's C++")
    library = next(flag[2:] for flag in link_flags if flag.startswith("-L"))
    program = str(tmp_path_factory.mktemp("peer") / "peer")
    source = os.path.join(HERE, "memmapped_package_peer.cc")
    libraries = ["-l:libtensorflow_cc.so.2", *link_flags, f"-Wl,-rpath,{library}"]
    subprocess.run([compiler, "-w", *compile_flags, source, "-o", program, *libraries], check=True)

    def run(*arguments, lines=()):
        done = subprocess.run(
            [program, *arguments], input="\n".join(lines), text=True, stdout=-1, stderr=-3, check=True
        )
        return done.stdout.splitlines()

    return run


def our_package(path):
    with MemmappedPackageWriter(recordfs.get_file_system(path).new_writable_file(path)) as package:
        package.add_message(DEFAULT_GRAPH, b"\n\t\n\x01n\x12\x04NoOp")
        package.add_tensor("memmapped_package://a", bytes(range(200)))
        package.add_message("memmapped_package://empty", b"")
        package.add_tensor("memmapped_package://B.2_c", b"x")


def test_the_golden_package_is_what_tensorflow_writes(tensorflow, tmp_path):
    path = str(tmp_path / "package")
    tensorflow("write", path)
    with open(path, "rb") as made, open(GOLDEN, "rb") as golden:
        assert made.read() == golden.read()


def test_tensorflow_reads_what_we_write(tensorflow, tmp_path):
    path = str(tmp_path / "package")
    our_package(path)
    names = MemmappedFileSystem(package=path).region_names
    assert len(names) == 4
    (line,) = tensorflow("read", lines=[" ".join([path, *names, "memmapped_package://gone"])])
    expected = [
        f"0:{bytes(MemmappedFileSystem(package=path).new_read_only_memory_region_from_file(name)).hex()}"
        for name in names
    ]
    assert line.split() == ["0", *expected, f"{NOT_FOUND}:"]


def test_what_tensorflow_refuses_we_refuse_and_what_only_we_refuse_reaches_too_far(tensorflow, tmp_path):
    our_package(str(tmp_path / "whole"))
    whole = (tmp_path / "whole").read_bytes()
    directory = int.from_bytes(whole[-8:], "little")
    packages = [*handmade(), *mutations(whole, directory, count=400)]
    paths = []
    for index, package in enumerate(packages):
        paths.append(str(tmp_path / f"{index}.pkg"))
        with open(paths[-1], "wb") as file:
            file.write(package)
    codes = [int(line) for line in tensorflow("read", lines=paths)]
    assert {0, DATA_LOSS} == set(codes)
    for package, code in zip(packages, codes, strict=True):
        refusal = our_refusal(package)
        if code == 0:
            assert refusal is None or "reaches beyond" in refusal, package
        else:
            assert refusal is not None, package


def our_refusal(package):
    """What we say against a package, or None."""
    try:
        read_directory(memoryview(package), "package")
    except DataLossError as error:
        return str(error)
    return None


def handmade():
    """Directories that a protobuf parser has opinions on."""
    for directory in (
        b"",
        b"\x0a\x00",
        b"\x0a\x05\x12\x03abc",
        b"\x1b\x20\x01\x1c\x0a\x00",
        b"\x1b\x20\x01\x24",
        b"\x1b",
        b"\x13" * 99 + b"\x14" * 99,
        b"\x13" * 101 + b"\x14" * 101,
        b"\x0c",
        b"\x0f",
        b"\x00\x00",
        b"\x08" + b"\xff" * 9 + b"\x01",
        b"\x08" + b"\xff" * 9 + b"\x7f",
        b"\x08" + b"\xff" * 10 + b"\x01",
        b"\xfa\xff\xff\xff\x0f\x00",
        b"\xfa\xff\xff\xff\x1f\x00",
        b"\x8a\x80\x00\x00",
        b"\x0a\x02\x12\x01",
        b"\x0a\x03\x12\x01\xff",
        b"\x0d\0\0\0\0",
        b"\x0d\0\0",
        b"\x0a\x02\x0a\x00",
        b"\x0a\x04\x08\x01\x08\x02",
    ):
        yield bytes(64) + directory + (64).to_bytes(8, "little")


def mutations(whole, directory, *, count):
    """The package with bytes of its directory changed, dropped or doubled, always the same ones."""
    chance = random.Random(1)
    for _ in range(count):
        package = bytearray(whole)
        at = chance.randrange(directory, len(package))
        kind = chance.randrange(4)
        if kind == 0:
            del package[at]
        elif kind == 1:
            package.insert(at, package[at])
        else:
            package[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        yield bytes(package)


def test_names_are_refused_as_tensorflow_refuses_them(tensorflow, tmp_path):
    names = ["memmapped_package://" + tail for tail in ("", ".", "a/b", "a-b", "aZ09_.", "a:b", "ä", "..", "a~")]
    names += ["weights", "memmapped_package:/a", "MEMMAPPED_PACKAGE://a"]
    codes = [int(line) for line in tensorflow("name", lines=names)]
    assert set(codes) == {0, INVALID_ARGUMENT}
    path = str(tmp_path / "package")
    with MemmappedPackageWriter(recordfs.get_file_system(path).new_writable_file(path)) as package:
        for name, code in zip(names, codes, strict=True):
            if code == 0:
                package.add_tensor(name, b"x")
            else:
                with pytest.raises(InvalidArgumentError):
                    package.add_tensor(name, b"x")
