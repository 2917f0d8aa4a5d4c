"""The rules of the house that a reader of the source can check, and so can a test."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import recordfs

SOURCE = Path(recordfs.__file__).parent


class ClassInSource(NamedTuple):
    """A class as it is written.

    Attributes:
        bases: ``(module, name)`` of each base, as far as the file's imports tell.
        fields: The fields of ``self`` that it assigns, with the lines.
    """

    bases: list[tuple[str, str]]
    fields: dict[str, str]


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ast.parse(path.read_text())


def fields_of(definition, path):
    """Return what a class's body and methods assign: the names in its body, and the attributes of ``self``."""
    fields = {}
    for node in ast.walk(definition):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            continue
        for target in targets:
            for leaf in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(leaf, ast.Attribute) and isinstance(leaf.value, ast.Name) and leaf.value.id == "self":
                    fields.setdefault(leaf.attr, f"{path.relative_to(SOURCE.parent)}:{leaf.lineno}")
    return fields


def classes_in_source():
    classes, aliases = {}, {}
    for path, module, tree in modules():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        names = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{package} imports relatively"
                names.update({alias.asname or alias.name: (node.module, alias.name) for alias in node.names})
        aliases.update({(module, name): target for name, target in names.items()})
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
                found = [names.get(base.id, (module, base.id)) for base in bases if isinstance(base, ast.Name)]
                classes[module, node.name] = ClassInSource(found, fields_of(node, path))
    return classes, aliases


def test_subclass_assigns_no_field_of_its_base():
    classes, aliases = classes_in_source()

    def bases_of(key):
        for base in classes[key].bases:
            while base not in classes and base in aliases:
                base = aliases[base]
            if base in classes:
                yield base
                yield from bases_of(base)

    wrong = [
        f"{where}: {name} assigns {field}, which is {base[1]}'s"
        for (module, name), found in classes.items()
        for field, where in found.fields.items()
        for base in bases_of((module, name))
        if field in classes[base].fields
    ]
    assert not wrong, "\n".join(wrong)


def test_contract_of_a_filesystem_is_read_in_one_sitting():
    lines = {path.name: len(path.read_text().splitlines()) for path in (SOURCE / "filesystem").glob("*.py")}
    assert sum(lines.values()) < 900, lines
