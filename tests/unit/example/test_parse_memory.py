"""What features ask for more memory than there is."""

import numpy as np
import pytest

from recordfs.example import FixedLenFeature, encode_example, parse_example


def test_a_shape_that_no_memory_can_hold_is_a_memory_error():
    record = encode_example({"other": 1})
    with pytest.raises(MemoryError, match="fewer"):
        parse_example([record] * 100_000, {"a": FixedLenFeature([2**31 - 1], np.int64)})
