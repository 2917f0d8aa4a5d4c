"""Write the docstrings of the native module into its stub, where editors look for them.

Run it after a change of docstrings in Rust: ``python tools/write_stub_docstrings.py``. It replaces what the stub has.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

from recordfs import _core

STUB = Path(__file__).parents[1] / "src/recordfs/_core.pyi"

_Edit = tuple[int, int, list[str]]
"""From which line to before which one, counted from 0, and what stands there then."""


def docstring_lines(documentation: str, indent: str) -> list[str]:
    """Return a docstring as lines of the stub."""
    first, *rest = inspect.cleandoc(documentation).replace("\\", "\\\\").split("\n")
    if not rest:
        return [f'{indent}"""{first}"""']
    return [f'{indent}"""{first}', *(f"{indent}{line}" if line else "" for line in rest), f'{indent}"""']


def edits_of(node: ast.Module | ast.ClassDef, native: Any, lines: list[str], indent: str = "") -> list[_Edit]:
    """Return what has to change in a module or class of the stub."""
    found: list[_Edit] = []
    for one in node.body:
        if isinstance(one, ast.ClassDef):
            found += edits_of(one, getattr(native, one.name), lines, indent + "    ")
        elif not isinstance(one, ast.FunctionDef) or one.name.startswith("__"):
            continue
        documentation = getattr(native, one.name).__doc__
        body = list(one.body)
        old = body.pop(0) if ast.get_docstring(one, clean=False) is not None else None
        new = docstring_lines(documentation, indent + "    ") if documentation else []
        if old is not None:
            found.append((old.lineno - 1, old.end_lineno or old.lineno, new or [f"{indent}    ..."]))
        elif new and isinstance(one, ast.ClassDef):
            begin = body[0].lineno - 1 - len(getattr(body[0], "decorator_list", []))
            found.append((begin, begin, new))
        elif new:
            ellipsis = body[0].lineno - 1
            found.append((ellipsis, ellipsis + 1, [lines[ellipsis].rstrip().removesuffix("...").rstrip(), *new]))
    return found


def main() -> None:
    """Write the stub anew."""
    text = STUB.read_text()
    lines = text.split("\n")
    # From the last one on, so that the places of the others stay; of two at one line the longer one first.
    for begin, end, new in sorted(edits_of(ast.parse(text), _core, lines), key=lambda edit: edit[:2], reverse=True):
        lines[begin:end] = new
    STUB.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
