"""The object graph: attribute paths, and what they lead to."""

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointReader,
    ObjectGraph,
    save_checkpoint,
)
from recordfs.errors import (
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


@pytest.mark.parametrize("paths", [["a//b"], ["/a"], [""], ["a/"], ["a", "a"]])
def test_attribute_paths_that_lead_nowhere_are_refused(paths):
    with pytest.raises(InvalidArgumentError):
        ObjectGraph.from_attributes(paths)
