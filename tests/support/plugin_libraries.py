"""Plugin libraries for the tests, compiled when they are needed; no C compiler is a loud skip, and fails in CI."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from support.servers import REPOSITORY

__all__ = ["compile_library", "example_plugin"]

EXAMPLE = os.path.join(REPOSITORY, "examples", "plugin-c")
_WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def _compiler(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    if os.environ.get("CI"):
        pytest.fail(f"CI must have a compiler: none of {', '.join(names)}")
    pytest.skip(f"COMPILER MISSING: none of {', '.join(names)}")


def compile_library(source: str | os.PathLike[str], library: str | os.PathLike[str], *options: str) -> str:
    """Compile one C or C++ file into a shared library, warnings being errors, and return the library's path."""
    if str(source).endswith(".c"):
        command = [_compiler("cc", "gcc", "clang"), "-std=gnu11"]
    else:
        command = [_compiler("c++", "g++", "clang++"), "-std=c++17"]
    command += ["-O1", *_WARNINGS, "-fPIC", "-shared", "-pthread", *options, "-o", str(library), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(library)


def example_plugin(directory: str | os.PathLike[str]) -> str:
    """Build examples/plugin-c as its Makefile says, in a directory, and return the library's path."""
    _compiler("cc", "gcc", "clang")
    copy = os.path.join(directory, "plugin-c")
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("*.so"))
    subprocess.run(["make", "--silent", "-C", copy], check=True)
    return os.path.join(copy, "libmemory_plugin.so")
