"""Tensors to arrays and back, and nested structures."""

from dataclasses import dataclass
from typing import NamedTuple

import ml_dtypes
import numpy as np
import pytest
import torch

from divergence.capture.tensors import convert, leaves, tensors, to_array, to_tensor


class Point(NamedTuple):
    x: object
    y: object


@dataclass
class Result:
    box: object
    rest: object


def test_leaves_name_every_place():
    value = {"a": [1, (2,)], "b": Result(box=3, rest=Point(4, None))}
    assert list(leaves(value)) == [
        ("a.0", 1), ("a.1.0", 2), ("b.box", 3), ("b.rest.x", 4), ("b.rest.y", None)
    ]  # fmt: skip


def test_convert_keeps_the_structure():
    value = {"a": [1, (2,)], "p": Point(3, 4)}
    assert convert(value, lambda n: n * 2) == {"a": [2, (4,)], "p": Point(6, 8)}


def test_tensors_come_in_order():
    one, two = torch.ones(1), torch.zeros(1)
    assert tensors(({"a": one}, 3, [two])) == [one, two]


@pytest.mark.parametrize(
    "dtype",
    [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float32, torch.float64,
     torch.complex64, torch.bfloat16, torch.float8_e4m3fn],
)  # fmt: skip
def test_arrays_are_read_only_views_and_go_back(dtype):
    tensor = torch.tensor([[0, 1, 2]]).to(dtype)
    array = to_array(tensor)
    assert array.dtype.name == str(dtype).removeprefix("torch.")
    assert array.ctypes.data == tensor.data_ptr()
    assert not array.flags.writeable
    back = to_tensor(array)
    assert back.dtype == dtype
    assert back.data_ptr() != tensor.data_ptr()
    assert back.tolist() == tensor.tolist()


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_what_numpy_cannot_take_is_converted():
    assert to_array(torch.ones(2, requires_grad=True)).tolist() == [1, 1]
    assert to_array(torch.tensor([1 + 2j]).conj()).tolist() == [1 - 2j]
    assert to_array(torch.eye(2).to_sparse()).tolist() == [[1, 0], [0, 1]]
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.quint8)
    assert to_array(quantized).tolist() == [1, 1]


def test_zero_dimensions_and_foreign_byte_order_stay():
    assert to_tensor(np.float32(3)).shape == ()
    assert to_tensor(np.array([1, 2], dtype=">f4")).tolist() == [1, 2]
    assert to_tensor(np.ones((2, 3), ml_dtypes.bfloat16).T).shape == (3, 2)
