"""The object graph: attribute paths, and what they lead to."""

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointReader,
    ObjectAttribute,
    ObjectGraph,
    ObjectNode,
    save_checkpoint,
)
from recordfs.errors import (
    DataLossError,
    InvalidArgumentError,
)


def test_attribute_paths_make_an_object_graph(directory):
    prefix = save_checkpoint(f"{directory}/ckpt", {"net/w": np.ones(2), "net/b.x": 0}, by_attribute=True)
    with CheckpointReader(prefix) as reader:
        graph = reader.object_graph
        assert graph.keys_by_path() == {
            "net/w": "net/w/.ATTRIBUTES/VARIABLE_VALUE",
            "net/b.x": "net/b..x/.ATTRIBUTES/VARIABLE_VALUE",
            "save_counter": "save_counter/.ATTRIBUTES/VARIABLE_VALUE",
        }
        assert graph.key_at("net/w") in reader
        assert graph.key_at("net") is None
        assert graph.node_at("elsewhere") is None
        assert ObjectGraph.decode(graph.encode()) == graph


@pytest.mark.parametrize(
    "paths", [["a//b"], ["/a"], [""], ["a/"], ["a", "a"], ["a\\b"], ["a\\"], ["a/.ATTRIBUTES/x"] * 2]
)
def test_attribute_paths_that_lead_nowhere_are_refused(paths):
    with pytest.raises(InvalidArgumentError):
        ObjectGraph.from_attributes(paths)


def test_names_with_slashes_and_backslashes_are_told_apart_from_paths():
    graph = ObjectGraph.from_attributes(["d/a/b", r"d/a\/b", r"d/a\\/b", "d/a.Sb", "d/a..b"])
    assert graph.keys_by_path() == {
        "d/a/b": "d/a/b/.ATTRIBUTES/VARIABLE_VALUE",
        r"d/a\/b": "d/a.Sb/.ATTRIBUTES/VARIABLE_VALUE",
        r"d/a\\/b": r"d/a\/b/.ATTRIBUTES/VARIABLE_VALUE",
        "d/a.Sb": "d/a..Sb/.ATTRIBUTES/VARIABLE_VALUE",
        "d/a..b": "d/a....b/.ATTRIBUTES/VARIABLE_VALUE",
    }
    for path, key in graph.keys_by_path().items():
        assert graph.key_at(path) == key


def test_names_of_tensors_find_their_place_in_the_graph():
    slot = "w/.OPTIMIZER_SLOT/opt/a.Sb/momentum/.ATTRIBUTES/VARIABLE_VALUE"
    graph = ObjectGraph.from_attributes(["w", "table/.ATTRIBUTES/table-keys", slot])
    assert graph.slots() == {(r"opt/a\/b", "momentum", "w"): slot}
    node = graph.node_at("table")
    assert [(attribute.name, attribute.key) for attribute in node.attributes] == [
        ("table-keys", "table/.ATTRIBUTES/table-keys")
    ]
    assert graph.keys_by_path() == {"w": "w/.ATTRIBUTES/VARIABLE_VALUE"}


@pytest.mark.parametrize("shape", ["deep", "wide"])
def test_small_graph_cannot_have_paths_that_fill_the_memory(shape):
    value = ObjectAttribute("VARIABLE_VALUE", "", "key")
    if shape == "deep":
        nodes = [ObjectNode({"a": number + 1}, (value,)) for number in range(30_000)]
    else:
        nodes = [ObjectNode({"a" * 1_000_000: 1}), ObjectNode({str(number): number + 2 for number in range(1000)}, ())]
        nodes += [ObjectNode({}, (value,))] * 999
    graph = ObjectGraph([*nodes, ObjectNode({}, (value,))])
    with pytest.raises(DataLossError, match="attribute paths"):
        graph.keys_by_path()
