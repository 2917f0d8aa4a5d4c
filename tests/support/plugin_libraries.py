"""Plugin libraries for the tests, compiled when they are needed; no C compiler is a loud skip, and fails in CI."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

import recordfs
from support.servers import REPOSITORY

__all__ = ["EXAMPLE", "compile_library", "compile_program", "example_plugin", "guide_plugin"]

EXAMPLE = os.path.join(REPOSITORY, "examples", "plugin-c")
_WARNINGS = ["-Wall", "-Wextra", "-Werror"]
_STRICT = ["-Wpedantic", "-Wshadow"]


def _compiler(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    if os.environ.get("CI"):
        pytest.fail(f"CI must have a compiler: none of {', '.join(names)}")
    pytest.skip(f"COMPILER MISSING: none of {', '.join(names)}")


def _compile(source: str | os.PathLike[str], result: str | os.PathLike[str], *options: str) -> str:
    if str(source).endswith(".c"):
        command = [_compiler("cc", "gcc", "clang"), "-std=gnu11"]
    else:
        command = [_compiler("c++", "g++", "clang++"), "-std=c++17"]
    command += ["-O1", *_WARNINGS, "-pthread", *options, "-o", str(result), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(result)


def compile_library(source: str | os.PathLike[str], library: str | os.PathLike[str], *options: str) -> str:
    """Compile one C or C++ file into a shared library, warnings being errors, and return the library's path."""
    return _compile(source, library, "-fPIC", "-shared", *options)


def compile_program(source: str | os.PathLike[str], program: str | os.PathLike[str], *options: str) -> str:
    """Compile one C++ file that uses recordfs's headers into a program, warnings being errors, and return its path."""
    return _compile(source, program, *_STRICT, *options, f"-I{recordfs.get_include()}")


def example_plugin(directory: str | os.PathLike[str]) -> str:
    """Build examples/plugin-c as its Makefile says, in a directory, and return the library's path."""
    _compiler("cc", "gcc", "clang")
    copy = os.path.join(directory, "plugin-c")
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("*.so"))
    subprocess.run(["make", "--silent", "-C", copy], check=True)
    return os.path.join(copy, "libmemory_plugin.so")


def guide_plugin(directory: str | os.PathLike[str], *macros: str) -> str:
    """Compile the filesystem of TensorFlow's guide against recordfs's headers, and return the library's path."""
    source = os.path.join(REPOSITORY, "tests", "support", "guide_file_system.cc")
    options = [*_STRICT, f"-I{recordfs.get_include()}", *(f"-D{macro}" for macro in macros)]
    return compile_library(source, os.path.join(directory, "libguide.so"), *options)
