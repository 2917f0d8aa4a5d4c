"""Plugin libraries for the tests, compiled when they are needed; no C compiler is a loud skip, and fails in CI.

What was compiled is kept in ``.pytest_cache``, and compiled again when the compiler, its options, the source or any
file beside the source or in a directory of includes is another: the workers of a run need the same few libraries.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile

import pytest

import recordfs
from support.servers import REPOSITORY

__all__ = ["EXAMPLE", "compile_library", "compile_program", "example_plugin", "guide_plugin"]

EXAMPLE = os.path.join(REPOSITORY, "examples", "plugin-c")
_WARNINGS = ["-Wall", "-Wextra", "-Werror"]
_STRICT = ["-Wpedantic", "-Wshadow"]
_KEPT = os.path.join(REPOSITORY, ".pytest_cache", "compiled")


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
    command += ["-O1", *_WARNINGS, "-pthread", *options, str(source)]
    kept = os.path.join(_KEPT, _fingerprint(command))
    if not os.path.exists(kept):
        os.makedirs(_KEPT, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_KEPT) as directory:
            made = os.path.join(directory, "made")
            done = subprocess.run([*command, "-o", made], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            if not os.path.exists(made):  # -fsyntax-only
                open(made, "wb").close()
            os.replace(made, kept)
    shutil.copy2(kept, result)
    return str(result)


def _fingerprint(command: list[str]) -> str:
    """Return a name for what a command compiles: the compiler, its options, and every source that it may read."""
    compiler, source = os.path.realpath(command[0]), command[-1]
    directories = [os.path.dirname(source), *(word[2:] for word in command if word.startswith("-I"))]
    files = {os.path.join(at, name) for top in directories for at, _, names in os.walk(top) for name in names}
    sources = [source, *sorted(name for name in files if name.endswith((".c", ".cc", ".h")))]
    options = [word for word in command[1:-1] if not word.startswith(("-I", "/"))]
    content = hashlib.sha256(repr((compiler, os.stat(compiler).st_mtime_ns, options)).encode())
    for name in sources:
        with open(name, "rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return content.hexdigest()


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
