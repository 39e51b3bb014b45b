"""Random inputs: the same from the same seed, in the range that the model takes."""

import numpy as np
import pytest

from divergence.errors import InputError
from divergence.load.randoms import Random, parse_random


def test_the_same_seed_gives_the_same_values_and_another_name_others():
    drawn = parse_random("random:2x3").draw("x", 0, None, None)
    assert drawn.dtype == np.float32
    assert drawn.shape == (2, 3)
    assert np.array_equal(drawn, Random((2, 3)).draw("x", 0, None, None))
    assert not np.array_equal(drawn, Random((2, 3)).draw("z", 0, None, None))
    assert not np.array_equal(drawn, Random((2, 3)).draw("x", 1, None, None))


def test_the_dtype_is_that_of_the_file_unless_it_is_given():
    assert Random((1,)).draw("x", 0, "float16", None).dtype == np.float16
    assert Random((1,)).draw("x", 0, "bfloat16", None).dtype.name == "bfloat16"
    assert parse_random("random:float64:1").draw("x", 0, "float16", None).dtype == np.float64


def test_integers_stay_in_the_table_that_they_index():
    drawn = Random((1000,)).draw("ids", 0, "int64", 30)
    assert drawn.dtype == np.int64
    assert (drawn.min(), drawn.max()) == (0, 29)
    assert Random((1000,)).draw("ids", 0, "int64", None).max() == 9
    assert Random((5000,)).draw("x", 0, "uint8", None).max() == 255
    ranged = parse_random("random:int32:-5..5:1000").draw("x", 0, "int64", 3)
    assert (ranged.dtype, ranged.min(), ranged.max()) == (np.int32, -5, 5)


def test_booleans_are_both():
    assert set(Random((100,)).draw("m", 0, "bool", None).tolist()) == {False, True}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("random:", "'' is no shape; write random:1x3x224x224"),
        ("random:1,3", "'1,3' is no shape"),
        ("random:int46:1x3", "'int46' is neither a dtype nor a range.*Did you mean int64"),
        ("random:int64:9..1:3", "the range 9..1 is empty"),
    ],
)
def test_another_form_is_an_error(text, words):
    with pytest.raises(InputError, match=words):
        parse_random(text)
