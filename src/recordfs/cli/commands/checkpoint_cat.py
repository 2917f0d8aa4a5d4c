"""``recordfs checkpoint cat``: what is in a tensor?"""

from __future__ import annotations

import ast
import io
from typing import TYPE_CHECKING, Any

from recordfs.cli.arguments import add_paths
from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Print a tensor of a checkpoint, or part of it. Of a remote checkpoint only the bytes of that part are read.
Text has one line for each row, with every number. JSON has nested lists; a string is text or, where it is not
UTF-8, an object with base64. The format npy is a file that numpy.load reads. A directory means its newest
checkpoint.
"""

EXAMPLES = """\
recordfs checkpoint cat run/ckpt-100 global_step
recordfs checkpoint cat s3://bucket/run embedding --slice '10:12, :8'
recordfs checkpoint cat --format npy run/ckpt-100 kernel > kernel.npy
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "checkpoint", help="a prefix, or a directory with a state file")
    parser.add_argument("name", help="the tensor's name")
    parser.add_argument("--slice", metavar="INDEX", help="part of it, as NumPy writes it: '0', '10:20, ::2', '..., -1'")
    parser.add_argument("--format", choices=["text", "json", "npy"], default="text", help="(default: text)")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the tensor."""
    from recordfs.checkpoint import load_checkpoint  # brings NumPy

    index = None if arguments.slice is None else parse_index(arguments.slice)
    with load_checkpoint(arguments.checkpoint) as reader:
        array = reader.get_tensor(arguments.name) if index is None else reader.get_slice(arguments.name, index)
    if arguments.format == "npy":
        console.write(_as_npy(array))
    elif arguments.format == "json":
        console.print_json(_as_json(array.tolist()))
    else:
        for line in _lines(array):
            console.print(line)
    return 0


def parse_index(text: str) -> tuple[Any, ...]:
    """Return the index that a text such as ``10:20, ::2`` means.

    Raises:
        InvalidArgumentError: The text is not an index.
    """
    try:
        node = ast.parse(f"x[{text}]", mode="eval").body
        assert isinstance(node, ast.Subscript)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return tuple(_index_part(part) for part in parts)
    except (SyntaxError, ValueError, AssertionError) as error:
        raise InvalidArgumentError(f"not an index of slices and whole numbers: {text!r}") from error


def _index_part(node: ast.expr) -> Any:
    if isinstance(node, ast.Slice):
        bounds = [None if bound is None else _number(bound) for bound in (node.lower, node.upper, node.step)]
        return slice(*bounds)
    if isinstance(node, ast.Constant) and node.value is Ellipsis:
        return Ellipsis
    return _number(node)


def _number(node: ast.expr) -> int:
    value = ast.literal_eval(node)
    if type(value) is not int:
        raise ValueError(value)
    return value


def _as_json(value: Any) -> Any:
    """Return what JSON has for a value of an array's ``tolist``."""
    import base64

    if isinstance(value, list):
        return [_as_json(element) for element in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value if isinstance(value, bool | int | float | str) else float(value)


def _as_npy(array: Any) -> bytes:
    from recordfs.checkpoint.numpy_module import np

    if array.dtype.hasobject:
        raise InvalidArgumentError("strings cannot be written as npy without pickling; print them as json")
    if array.dtype.kind == "V":
        raise InvalidArgumentError(f"npy has no {array.dtype.name}; print it as json or text")
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _lines(array: Any) -> list[str]:
    """Return a line for each innermost row."""
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    return [" ".join(_text(element) for element in row) for row in rows.tolist()]


def _text(element: Any) -> str:
    if isinstance(element, bytes):
        return element.decode("utf-8", "backslashreplace")
    return str(element)
