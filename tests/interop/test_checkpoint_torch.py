"""The tensors of a PyTorch model, saved as a checkpoint: every type that both have, and what is refused by name."""

import sysconfig

import ml_dtypes
import numpy as np
import pytest

from recordfs.checkpoint import CheckpointReader
from support.peers import peer_process

pytestmark = pytest.mark.peer

SAVE = """
    import sys
    sys.path.append(packages)  # ml_dtypes, which PyTorch's environment has not
    import torch
    from recordfs.checkpoint import CheckpointWriter, save_async, save_checkpoint

    model = torch.nn.Linear(3, 2)
    with torch.no_grad():
        model.weight.copy_(torch.arange(6.0).reshape(2, 3))
        model.bias.zero_()
    names = "bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float16 float64 int8 int64 uint8 bool"
    tensors = {
        **dict(model.named_parameters()),
        **{name: torch.tensor([[0.0, 1.0], [1.0, 0.0]]).to(getattr(torch, name)) for name in names.split()},
        "turned": torch.arange(6.0).reshape(2, 3).t(),
        "turned bfloat16": torch.arange(6.0).reshape(2, 3).to(torch.bfloat16).t(),
        "expanded": torch.ones(2).expand(3, 2),
        "scalar": torch.tensor(7, dtype=torch.bfloat16),
        "empty": torch.empty((0, 3), dtype=torch.bfloat16),
        "conjugate": torch.tensor([1 + 2j]).conj(),
    }
    save_checkpoint(directory + "/now", tensors)
    save_async(directory + "/later", tensors).result()

    result = []
    with CheckpointWriter(directory + "/odd") as writer:
        for odd in (torch.ones(2).to_sparse(), torch.ones(2, device="meta"), torch.ones(2, dtype=torch.complex32)):
            try:
                writer.add("odd one", odd)
            except ValueError as error:
                result.append(str(error))
"""


def test_tensors_of_pytorch_are_saved_as_they_are(tmp_path):
    with peer_process("torch", recordfs=True) as process:
        errors = process.call(SAVE, packages=sysconfig.get_paths()["purelib"], directory=str(tmp_path))
    assert len(errors) == 3
    assert all("tensor 'odd one'" in error for error in errors)
    for prefix in ("now", "later"):
        with CheckpointReader(tmp_path / prefix) as reader:
            found = reader.get_many()
        assert found["weight"].tolist() == np.arange(6.0).reshape(2, 3).tolist()
        for name, array in found.items():
            if hasattr(ml_dtypes, name) or name in ("float16", "float64", "int8", "int64", "uint8", "bool"):
                assert array.dtype.name == name
                assert array.astype(float).tolist() == [[0, 1], [1, 0]]
        assert found["turned"].tolist() == found["turned bfloat16"].tolist() == [[0, 3], [1, 4], [2, 5]]
        assert found["expanded"].tolist() == [[1, 1]] * 3
        assert (found["scalar"], found["scalar"].dtype.name) == (7, "bfloat16")
        assert found["empty"].shape == (0, 3)
        assert found["conjugate"].tolist() == [1 - 2j]
