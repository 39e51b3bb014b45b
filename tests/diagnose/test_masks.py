"""Masks that differ in how they are written, and rows that are masked altogether."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import divergence
from divergence.diagnose.masks import alike
from tests.capture.onnx_graphs import graph

LEAST = float(np.finfo(np.float32).min)


@pytest.mark.parametrize("small", [-1e4, -1e9, LEAST])
def test_minus_infinity_and_a_very_small_number_mask_the_same(small):
    reference = np.array([[1, -np.inf, 2], [-np.inf, 0, small]], np.float32)
    candidate = np.array([[1, small, 2], [small, 0, -np.inf]], np.float32)
    assert np.array_equal(alike(reference, candidate), reference)


def test_what_is_no_mask_and_rows_without_anything_left_stay():
    reference = np.array([[1, -np.inf], [-np.inf, -np.inf]], np.float32)
    candidate = np.array([[1, -50], [LEAST, LEAST]], np.float32)
    assert np.array_equal(alike(reference, candidate), candidate)


def masked(by: str) -> onnx.ModelProto:
    return graph(f"""g (float[3,3] x) => (float[3,3] y)
      <float[3,3] mask = {{0,{by},{by},0,0,{by},0,0,0}}>
      {{ s = MatMul(x, x)  m = Add(s, mask)  y = Softmax<axis=-1>(m) }}""")


def test_two_files_that_write_the_mask_otherwise_are_the_same_network():
    reference, candidate = masked("-3e38"), masked("-1e9")
    infinite = np.array([[0, -np.inf, -np.inf], [0, 0, -np.inf], [0, 0, 0]], np.float32)
    reference.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(infinite, "mask"))
    x = np.random.default_rng(0).standard_normal((3, 3)).astype(np.float32)
    report = divergence.trace(reference, candidate, {"x": x})
    assert report.verdict.status in {"identical", "rounding"}
    assert not report.culprits
