"""The table of tolerances, held to its source."""

import ml_dtypes
import numpy as np
import pytest

from divergence.compare.dtypes import coarser, dtype_named, epsilon
from divergence.compare.tolerance import EXACT, TOLERANCES, tolerance_for


def dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


def test_the_table_is_that_of_torch():
    import torch
    from torch.testing._comparison import default_tolerances

    for name, tolerance in TOLERANCES.items():
        assert default_tolerances(getattr(torch, name)) == (tolerance.rtol, tolerance.atol), name


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("float32", "float16", "float16"),
        ("bfloat16", "float16", "bfloat16"),
        ("float32", "int64", "float32"),
        ("float64", "float32", "float32"),
        ("float8_e4m3fn", "bfloat16", "float8_e4m3fn"),
        ("int64", "int32", "int32"),
        ("bool", "float32", "float32"),
    ],
)
def test_the_coarser_type(first, second, expected):
    assert coarser(dtype(first), dtype(second)) == coarser(dtype(second), dtype(first))
    assert coarser(dtype(first), dtype(second)).name == expected


def test_what_torch_does_not_list():
    assert tolerance_for(dtype("int64"), dtype("int32")) == EXACT
    assert tolerance_for(dtype("float32"), dtype("float8_e5m2")).rtol == 0.25


def test_types_by_name():
    assert dtype_named("bfloat16") == ml_dtypes.bfloat16
    assert dtype_named("float32") == np.float32
    assert epsilon(dtype_named("bfloat16")) == 2.0**-7
    assert epsilon(dtype_named("int32")) == 0
