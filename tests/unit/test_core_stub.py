"""The stub of the native module: an editor shows the docstrings that stand there, so they are those of the module."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

import pytest

import recordfs
from recordfs import _core

STUB = Path(recordfs.__file__).with_name("_core.pyi")


def documented(
    node: ast.Module | ast.ClassDef, native: object, prefix: str = ""
) -> list[tuple[str, str | None, object]]:
    """Every public name of the stub with its docstring there, and what it names."""
    found: list[tuple[str, str | None, object]] = []
    for one in node.body:
        if not isinstance(one, ast.ClassDef | ast.FunctionDef) or one.name.startswith("__"):
            continue
        object_ = getattr(native, one.name)
        found.append((prefix + one.name, ast.get_docstring(one), object_))
        if isinstance(one, ast.ClassDef):
            found += documented(one, object_, f"{one.name}.")
    return found


NAMES = documented(ast.parse(STUB.read_text()), _core)


@pytest.mark.skipif(sys.platform != "linux", reason="plugins are loaded on Linux only")
def test_the_stub_names_what_the_module_has() -> None:
    public = {name for name in dir(_core) if not name.startswith("_")}
    stubbed = {name for name, _, _ in NAMES if "." not in name}
    constants = {name for name in public if not callable(getattr(_core, name))}
    unnamed = public - stubbed - constants
    # What the module hands out and nobody makes needs no name: programs know it by what it does.
    assert unnamed <= {"Lease", "RecordBatches", "RecordViews"}, unnamed


@pytest.mark.parametrize(("name", "docstring", "native"), NAMES, ids=[name for name, _, _ in NAMES])
def test_a_docstring_of_the_stub_is_that_of_the_module(name: str, docstring: str | None, native: object) -> None:
    documentation = native.__doc__
    expected = inspect.cleandoc(documentation) if documentation else None
    assert docstring == expected, "run python tools/write_stub_docstrings.py"


def test_the_writer_that_users_subclass_is_documented() -> None:
    docstrings = {name: docstring for name, docstring, _ in NAMES}
    for method in ("write", "write_batch", "flush", "sync", "tell", "close", "closed", "discard", "records_written"):
        assert docstrings[f"NativeRecordWriter.{method}"]
    assert "Raises:" in (docstrings["NativeRecordWriter.write"] or "")
