"""The checkpoints that TensorFlow wrote: read by us as what they hold, and made anew by it to the same bytes."""

import os
import subprocess
import sys

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointReader,
    convert_checkpoint,
    get_checkpoint_state,
    latest_checkpoint,
    list_variables,
    load_checkpoint,
    load_variable,
)
from recordfs.errors import UnimplementedError
from support.peers import require_peer

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden")
sys.path.append(GOLDEN)  # the contents are imported by TensorFlow's side as well, which knows no packages of ours

import checkpoint_contents as contents  # noqa: E402

CHECKPOINTS = os.path.join(GOLDEN, "checkpoints")


def golden(name):
    return os.path.join(CHECKPOINTS, name)


def assert_same(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if expected.dtype == object:
        assert found.tolist() == expected.tolist()
    else:
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("name", contents.every_type())
def test_every_type_is_read_as_it_was_saved(name, mapped):
    with CheckpointReader(golden("every_type")) as reader:
        assert_same(reader.get_tensor(name, mapped=mapped), contents.every_type()[name])


def test_all_types_at_once_are_read_as_they_were_saved():
    with CheckpointReader(golden("every_type")) as reader:
        found = reader.get_many()
    assert list(found) == sorted(contents.every_type())
    for name, expected in contents.every_type().items():
        assert_same(found[name], expected)


def test_quantized_types_are_read_as_their_integers():
    with CheckpointReader(golden("quantized")) as reader:
        for name, expected in contents.quantized().items():
            assert reader.entry(name).dtype == name
            assert_same(reader[name], expected)


def test_partitioned_tensor_is_put_together_and_its_slices_are_no_tensors():
    with CheckpointReader(golden("partitioned")) as reader:
        assert list(reader) == ["bias", "kernel"]
        assert len(reader.entry("kernel").slices) == 2
        for name, expected in contents.partitioned().items():
            assert_same(reader[name], expected)
        assert_same(reader.get_slice("kernel", np.s_[1:9:2, 1:3]), contents.partitioned()["kernel"][1:9:2, 1:3])


def test_variant_is_refused_by_name_and_the_rest_is_read():
    with CheckpointReader(golden("variant")) as reader:
        (variant,) = [entry.name for entry in reader.entries() if entry.dtype == "variant"]
        with pytest.raises(UnimplementedError, match="only TensorFlow") as caught:
            reader[variant]
        assert variant in caught.value.message
        assert reader["number/.ATTRIBUTES/VARIABLE_VALUE"] == 7


def test_object_graph_leads_from_attributes_to_tensors():
    with CheckpointReader(golden("objects-1")) as reader:
        keys = reader.object_graph.keys_by_path()
        for path, expected in contents.variables().items():
            assert_same(reader[keys[path]], expected)
        assert reader[keys["save_counter"]] == 1


def test_several_data_files_are_one_checkpoint():
    with CheckpointReader(golden("shards")) as reader:
        assert reader.num_shards == 3
        key = reader.object_graph.keys_by_path()["large"]
        assert {stored.shard for stored in reader.entry(key).slices} == {0, 1, 2}
        assert_same(reader[key], contents.LARGE)
        assert_same(reader.get_slice(key, np.s_[3_000:9_000]), contents.LARGE[3_000:9_000])


def test_state_of_a_tf1_saver_leads_to_its_newest_checkpoint():
    state = get_checkpoint_state(CHECKPOINTS)
    assert state.model_checkpoint_path == golden("tf1-13")
    assert state.all_model_checkpoint_paths == (golden("tf1-12"), golden("tf1-13"))
    assert latest_checkpoint(CHECKPOINTS) == golden("tf1-13")
    with load_checkpoint(CHECKPOINTS) as reader:
        assert reader.prefix == golden("tf1-13")
        assert reader.object_graph is None
    assert (["layers/0", []]) in [list(variable) for variable in list_variables(CHECKPOINTS)]
    assert load_variable(CHECKPOINTS, "layers/0:0") == 3


def test_v1_checkpoint_is_named_as_such():
    with pytest.raises(UnimplementedError, match="V1"):
        CheckpointReader(golden("of_v1"))


@pytest.mark.peer
@pytest.mark.parametrize("through", [None, "weights.safetensors", "weights.npz"])
def test_weights_of_keras_2_and_their_slots_are_found_by_attribute(tmp_path, through):
    prefix = golden("keras_weights")
    if through is not None:
        convert_checkpoint(prefix, tmp_path / through, by_attribute=True)
        prefix = tmp_path / "back"
        convert_checkpoint(tmp_path / through, prefix, by_attribute=True)
    layer = "layer_with_weights-0"
    with CheckpointReader(prefix) as reader:
        graph = reader.object_graph
        for name, expected in contents.keras_weights().items():
            assert_same(reader[graph.key_at(f"{layer}/{name}")], expected)
            assert_same(reader[graph.slots()["optimizer", "momentum", f"{layer}/{name}"]], np.zeros_like(expected))
        assert reader[graph.key_at("optimizer/iter")] == 1


def test_tensorflow_still_writes_the_same_checkpoints(tmp_path):
    script = os.path.join(GOLDEN, "make_checkpoints_with_tensorflow.py")
    subprocess.run([require_peer("tensorflow"), script, str(tmp_path)], check=True, capture_output=True, timeout=200)
    made = sorted(os.listdir(tmp_path / "checkpoints"))
    of_keras_2 = {name for name in os.listdir(CHECKPOINTS) if name.startswith("keras_weights.")}
    assert made == sorted(set(os.listdir(CHECKPOINTS)) - of_keras_2)
    for name in made:
        if not name.startswith("variant"):
            with open(golden(name), "rb") as kept:
                assert kept.read() == (tmp_path / "checkpoints" / name).read_bytes(), name
