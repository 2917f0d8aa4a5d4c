"""The object graph of ``tf.train.Checkpoint``: which Python attribute held which tensor.

It lies in the checkpoint as a string tensor of its own. TensorFlow restores by it: ``restore`` walks the attributes of
the program's objects and the graph side by side, whatever the tensors are called.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import decode_object_graph, encode_object_graph
from recordfs.checkpoint.attribute_paths import VALUE, attribute_key, join_names, parse_key, split_names
from recordfs.errors import DataLossError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["OBJECT_GRAPH_KEY", "SAVE_COUNTER", "ObjectAttribute", "ObjectGraph", "ObjectNode", "SlotVariable"]

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The name of the tensor that holds the graph."""

SAVE_COUNTER = "save_counter"
"""The attribute of the root that ``tf.train.Checkpoint.save`` counts in, and that ``restore`` asks for."""


_LONGEST_PATHS = 1 << 28
"""Characters of all attribute paths: those of a million variables come to some 100 million."""


class ObjectAttribute(NamedTuple):
    """A value that an object saved.

    Attributes:
        name: ``"VARIABLE_VALUE"`` for a variable.
        full_name: The variable's name in the program that saved it.
        key: The tensor's name in the checkpoint.
        is_optional: A program may do without it.
    """

    name: str
    full_name: str
    key: str
    is_optional: bool = False


class SlotVariable(NamedTuple):
    """A variable that an optimizer keeps for another variable.

    Attributes:
        variable: The number of the node that it is kept for.
        slot_name: What the optimizer calls it, such as ``"momentum"``.
        node: The number of its own node.
    """

    variable: int
    slot_name: str
    node: int


class ObjectNode(NamedTuple):
    """One object.

    Attributes:
        children: Attributes that lead to other objects: name to number of the node.
        attributes: What it saved.
        slot_variables: What it keeps for variables, if it is an optimizer.
        registered_saver: Name of the saver and of the object, where something else saved it.
        has_values: Whether it or something below saved a value; None in old files.
    """

    children: dict[str, int]
    attributes: tuple[ObjectAttribute, ...] = ()
    slot_variables: tuple[SlotVariable, ...] = ()
    registered_saver: tuple[str, str] | None = None
    has_values: bool | None = None


class ObjectGraph:
    """Objects and the attributes between them. Several attributes may lead to one object, and round in circles.

    Its methods change nothing, so that several threads may use one graph.

    Args:
        nodes: The objects; the first is the root.
    """

    def __init__(self, nodes: Iterable[ObjectNode]) -> None:
        self.nodes = list(nodes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectGraph) and self.nodes == other.nodes

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<ObjectGraph of {len(self.nodes)} objects>"

    @classmethod
    def decode(cls, data: bytes, *, path: str = "") -> ObjectGraph:
        """Read a serialized ``TrackableObjectGraph``.

        Args:
            data: The message.
            path: Where it comes from, for errors.

        Raises:
            DataLossError: It is not an object graph, or refers to nodes that are not there.
        """
        return cls(
            ObjectNode(
                {name: node for node, name in children},
                tuple(ObjectAttribute(*attribute) for attribute in attributes),
                tuple(SlotVariable(*slot) for slot in slots),
                saver,
                has_values,
            )
            for children, attributes, slots, saver, has_values in decode_object_graph(data, path)
        )

    def encode(self) -> bytes:
        """Return the serialized ``TrackableObjectGraph``."""
        return encode_object_graph(
            [
                (
                    [(child, name) for name, child in node.children.items()],
                    [(one.name, one.full_name, one.key, one.is_optional) for one in node.attributes],
                    [(slot.variable, slot.slot_name, slot.node) for slot in node.slot_variables],
                    node.registered_saver,
                    node.has_values,
                )
                for node in self.nodes
            ]
        )

    @classmethod
    def from_attributes(cls, paths: Iterable[str]) -> ObjectGraph:
        r"""Return the tree for variables that attributes lead to, the same whatever the order of the paths.

        Args:
            paths: For each variable the attributes that lead to it, joined by ``/``: ``"model/layers/0/kernel"``. A
                list's elements are called ``0``, ``1`` and so on, a dict's by their keys, in which a slash is written
                ``\/`` and a backslash ``\\``. The name of a tensor that is not a variable's value, such as
                ``"table/.ATTRIBUTES/table-keys"``, or of a slot variable, finds its place, too.

        Raises:
            InvalidArgumentError: A part is empty, or a path comes twice.
        """
        tree = _Tree()
        for path in sorted(paths):
            tree.add(path)
        return cls(tree.nodes())

    def paths(self) -> Iterator[tuple[str, ObjectNode]]:
        """Iterate over every object that attributes lead to from the root, each once, by one of the shortest ways.

        Yields:
            The attributes joined by ``/`` (``""`` for the root), and the object. Slot variables have no attribute.

        Raises:
            DataLossError: The paths come to more characters than any program's: a small graph can have long ones.
        """
        seen = {0}
        waiting = deque([("", 0)] if self.nodes else [])
        total = 0
        while waiting:
            path, number = waiting.popleft()
            node = self.nodes[number]
            yield path, node
            for name, child in node.children.items():
                if child not in seen:
                    seen.add(child)
                    below = join_names([name])
                    waiting.append((f"{path}/{below}" if number else below, child))
                    total += len(waiting[-1][0])
                    if total > _LONGEST_PATHS:
                        raise DataLossError(
                            f"the attribute paths of an object graph come to more than {_LONGEST_PATHS} characters"
                        )

    def node_at(self, path: str) -> ObjectNode | None:
        """Return the object that attributes lead to from the root, by any way; None if they lead nowhere.

        Args:
            path: The attributes joined by ``/``; ``""`` is the root.

        Raises:
            InvalidArgumentError: A backslash stands before neither a slash nor a backslash.
        """
        node = self.nodes[0] if self.nodes else None
        for name in split_names(path):
            if node is None or name not in node.children:
                return None
            node = self.nodes[node.children[name]]
        return node

    def key_at(self, path: str) -> str | None:
        """Return the name of the tensor of the variable that attributes lead to; None if there is none.

        Argument and errors as in ``node_at``.
        """
        node = self.node_at(path)
        values = [] if node is None else [attribute for attribute in node.attributes if attribute.name == VALUE]
        return values[0].key if values else None

    def keys_by_path(self) -> dict[str, str]:
        """Return the name of the tensor of every variable, by one of the shortest attribute paths that lead to it.

        Others may lead there, too: ``key_at`` follows any. Errors as in ``paths``.
        """
        return {
            path: attribute.key
            for path, node in self.paths()
            for attribute in node.attributes
            if attribute.name == VALUE
        }

    def slots(self) -> dict[tuple[str, str, str], str]:
        """Return the tensors of slot variables: ``(optimizer, slot name, variable)`` to name; attribute paths all."""
        path_of = {id(node): path for path, node in self.paths()}
        found = {}
        for path, node in self.paths():
            for slot in node.slot_variables:
                variable = path_of.get(id(self.nodes[slot.variable]), "")
                for attribute in self.nodes[slot.node].attributes:
                    if attribute.name == VALUE:
                        found[path, slot.slot_name, variable] = attribute.key
        return found


class _Tree:
    """The nodes of a graph that grows by attribute paths; a child has a higher number than its parent."""

    def __init__(self) -> None:
        self._children: list[dict[str, int]] = [{}]
        self._attributes: list[list[ObjectAttribute]] = [[]]
        self._slots: list[list[SlotVariable]] = [[]]

    def add(self, path: str) -> None:
        """Add the variable that a path leads to, or what the name of a tensor tells."""
        stored = parse_key(path)
        if stored is None:
            names, name, slot = split_names(path), VALUE, None
        else:
            names, name, slot = stored
        if not all(names) or not (names or stored):
            raise InvalidArgumentError(f"an attribute path has to be names joined by slashes, found {path!r}")
        node = self._node(names)
        if slot is not None:
            *optimizer, slot_name = slot
            variable, node = node, self._new_node()
            self._slots[self._node(optimizer)].append(SlotVariable(variable, slot_name, node))
        if any(attribute.name == name for attribute in self._attributes[node]):
            raise InvalidArgumentError(f"the attribute path {path!r} comes twice")
        full_name = path if stored is None else join_names((*names, *(slot or ())))
        self._attributes[node].append(ObjectAttribute(name, full_name, attribute_key(path)))

    def _node(self, names: Iterable[str]) -> int:
        """Return the number of the node that names lead to, made if it is not there."""
        node = 0
        for name in names:
            if name not in self._children[node]:
                self._children[node][name] = self._new_node()
            node = self._children[node][name]
        return node

    def _new_node(self) -> int:
        self._children.append({})
        self._attributes.append([])
        self._slots.append([])
        return len(self._children) - 1

    def nodes(self) -> Iterator[ObjectNode]:
        """Return the nodes."""
        has_values = [bool(own or slots) for own, slots in zip(self._attributes, self._slots, strict=True)]
        for node in reversed(range(len(has_values))):
            has_values[node] |= any(has_values[child] for child in self._children[node].values())
        for below, own, slots, there in zip(self._children, self._attributes, self._slots, has_values, strict=True):
            yield ObjectNode(below, tuple(own), tuple(slots), has_values=there)
