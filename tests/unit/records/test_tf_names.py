import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordfs.records.tf_names import make_valid_tf_name
from support.peers import call_peer

CASES = {
    "loss/train": "loss/train",
    "a b": "a_b",
    "  a  b  ": "._a_b",
    "_private": "._private",
    "-x": ".-x",
    "/x": "./x",
    "1.5": "1.5",
    "": ".",
    "é": ".",
    "aé": "a",
    "a\nb\u2003c": "a_b_c",
    "x:0": "x_0",
}


@pytest.mark.parametrize(("name", "valid"), CASES.items())
def test_a_name_becomes_one_that_tensorflow_takes(name, valid):
    assert make_valid_tf_name(name) == valid


@given(st.text())
def test_a_valid_name_stays_what_it_is(name):
    valid = make_valid_tf_name(name)
    assert make_valid_tf_name(valid) == valid


@pytest.mark.parametrize("wrong", [None, 3, b"name"])
def test_a_name_is_str(wrong):
    with pytest.raises(TypeError):
        make_valid_tf_name(wrong)


@pytest.mark.peer
def test_the_results_are_tensorboardxs():
    names = [*CASES, *(f"{chr(i)}a{chr(i)}{chr(i)}b{chr(i)}" for i in range(0x250))]
    theirs = call_peer(
        "tensorboardx",
        """
        from tensorboardX.record_writer import make_valid_tf_name
        result = [make_valid_tf_name(name) for name in names]
        """,
        names=names,
    )
    assert [make_valid_tf_name(name) for name in names] == theirs
