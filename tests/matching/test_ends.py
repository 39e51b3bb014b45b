"""Outputs meet by name, else by shape and order, whatever operator makes them."""

from __future__ import annotations

import numpy as np

from divergence.matching import match
from divergence.records import Program
from tests.matching.programs import Sketch

KERNEL = np.random.default_rng(0).normal(size=(4, 10)).astype("float32")
ROW, ONE = (1, 10), (1,)


def normalised_first() -> Program:
    """Divide both rows by their lengths, multiply, add up: as PyTorch computes a cosine."""
    sketch = Sketch("op")
    rows = [sketch.input("a", ROW), sketch.input("b", ROW)]
    head = sketch.op("head", "linear", (1, 4), rows[:1], [sketch.weight("w", KERNEL)])
    units = []
    for row in rows:
        length = sketch.op(f"length_{row}", "linalg_vector_norm", (1, 1), [row])
        units.append(sketch.op(f"unit_{row}", "div", ROW, [row, length]))
    product = sketch.op("product", "mul", ROW, units)
    return sketch.program(head, sketch.op("cosine", "sum", ONE, [product]))


def normalised_last() -> Program:
    """Multiply, add up, divide by both lengths: as exporters write it."""
    sketch = Sketch("node")
    rows = [sketch.input("a", ROW), sketch.input("b", ROW)]
    head = sketch.op("5", "Gemm", (1, 4), rows[:1], [sketch.weight("v", KERNEL)])
    total = sketch.op("7", "ReduceSum", ONE, [sketch.op("6", "Mul", ROW, rows)])
    squares = [sketch.op(f"square_{r}", "Mul", ROW, [r, r]) for r in rows]
    sums = [sketch.op(f"sum_{s}", "ReduceSum", ONE, [s]) for s in squares]
    length = sketch.op("9", "Sqrt", ONE, [sketch.op("8", "Mul", ONE, sums)])
    return sketch.program(head, sketch.op("10", "Div", ONE, [total, length]))


def test_an_output_is_not_taken_for_a_step_towards_it():
    pairs = {m.reference: m.candidate for m in match(normalised_first(), normalised_last()).matches}
    assert (pairs["head"], pairs["cosine"]) == ("5", "10")
