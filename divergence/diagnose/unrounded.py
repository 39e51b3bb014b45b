"""A quantised graph without its rounding: what it would compute in floating point.

Every tensor of quantised integers is replaced by the real numbers that it stands for, before they
were rounded: a quantisation only cuts off what its range does not hold, a dequantisation does
nothing, and an operator on integers becomes the one on real numbers that it approximates. Names
of values stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from divergence.compare.dtypes import dtype_named
from divergence.diagnose.blockwise import integers_of, real
from divergence.diagnose.edits import sort_topologically
from divergence.diagnose.integers import (
    BLOCKWISE,
    OPERATORS,
    QUANTISED,
    Integers,
    dequantised,
    limits,
    loaded,
    operand,
    result_of,
    weight_axis,
)
from divergence.records import Array, Weight

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


@dataclass(frozen=True, slots=True)
class Cut:
    """What is cut off where a quantisation's range ends: a ReLU may have been left out for it.

    low, high: whether at that end. slack: not where no element is half a step beyond, for then it
    is rounding. sums: cut all the same behind operators that sum up, which ReLUs follow.
    """

    low: bool = True
    high: bool = True
    slack: bool = False
    sums: bool = False


# Ends the name of what holds the real numbers that a constant stands for.
REAL = ".real"
# What a ReLU stands behind, that is left out where the range of its result begins at zero.
SUMS = frozenset({"Add", "BatchNormalization", "Conv", "ConvTranspose", "Gemm", "MatMul"})


def unround(
    graph: GraphProto,
    constants: Mapping[str, Weight],
    weights: Mapping[str, Array],
    cut: Cut,
    cuts: Mapping[str, Cut] = MappingProxyType({}),
) -> None:
    """Replace the graph's quantised integers by real numbers, in place.

    constants: the file's. weights: real numbers to take for a constant, by its name: of integers,
    what they stand for; of what they are restored to, that. cuts: for single quantised values.
    """
    rewriter = _Rewriter(graph, constants, weights, cut, cuts)
    for node in list(graph.node):
        rewriter.rewrite(node)
    del graph.value_info[:]  # some are of integers
    sort_topologically(graph)


@dataclass
class _Rewriter:
    graph: GraphProto
    constants: Mapping[str, Weight]
    weights: Mapping[str, Array]
    cut: Cut
    cuts: Mapping[str, Cut]
    taken: set[str] = field(default_factory=set)
    rows: Mapping[str, NodeProto] = field(default_factory=dict)
    makers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.makers = {name: node.op_type for node in self.graph.node for name in node.output}
        self.rows = {n.output[0]: n for n in self.graph.node if n.op_type == "Gather"}
        held = {tensor.name for tensor in self.graph.initializer}
        self.taken = held | {name for n in self.graph.node for name in (*n.input, *n.output)}
        restored = {name for name in held & set(self.weights) if not self._is_integer(name)}
        new = {name: self._add(f"{name}{REAL}", self.weights[name]) for name in restored}
        # Not under the old name: a session may be given what that holds.
        for node in self.graph.node if new else ():
            for place, read in enumerate(node.input):
                if read in new:
                    node.input[place] = new[read]

    def rewrite(self, node: NodeProto) -> None:
        """Replace a node that makes or reads quantised integers."""
        made = node.output[0]
        if made in self.weights:
            self.graph.node.remove(node)
            self._hold(made, self.weights[made])
        elif node.op_type not in QUANTISED or made in self.constants:
            return
        elif node.op_type == "DequantizeLinear":
            self._look_up(node, (0, 1, 2))
            self._become(node, "Identity", [node.input[0]])
        elif node.op_type == "QuantizeLinear":
            maker = self.makers.get(node.input[0], "")
            self._range(node, node.input[0], result_of(node), maker)
        elif node.op_type == "DynamicQuantizeLinear":
            self._hold(node.output[1], np.ones((), np.float32))
            self._hold(node.output[2], np.zeros((), np.uint8))
            del node.output[1:]
            self._become(node, "Identity", [node.input[0]])
        elif node.op_type == "QLinearConcat":
            parts = [self._real(node, (k, k + 1, k + 2)) for k in range(2, len(node.input), 3)]
            self._compute(node, "Concat", parts, result_of(node))
        elif node.op_type in BLOCKWISE:
            self._blockwise(node)
        else:
            self._operator(node, OPERATORS[node.op_type])

    def _blockwise(self, node: NodeProto) -> None:
        """Let a node read what its packed integers stand for; it stays where that is not known."""
        name = integers_of(node)
        found = self.weights.get(name)
        if found is None:
            known = real(node, lambda constant: loaded(constant, self.constants))
            if known is None:
                return
            found = known[0]
        held = self._add(f"{name}{REAL}", found)
        if node.op_type == "GatherBlockQuantized":
            self._become(node, "Gather", [held, node.input[1]])
        else:
            addend = operand(node, 5)
            self._compute(node, "MatMul", [node.input[0], held], (-1, -1), addend)

    def _look_up(self, node: NodeProto, numbers: tuple[int, int, int]) -> None:
        """Let an operand be looked up among real numbers, if it is looked up among integers."""
        gather = self.rows.get(operand(node, numbers[0]))
        if gather is None or not self._is_integer(gather.input[0]):
            return
        axis = len(self.constants[gather.input[0]].shape) - 1
        gather.input[0] = self._held(gather.input[0], node, numbers[1:], axis)

    def _operator(self, node: NodeProto, how: Integers) -> None:
        operands = [node.input[k] for k in how.plain]
        operands += [self._real(node, numbers) for numbers in how.operands]
        bias = operand(node, how.bias)
        if bias:
            operands.append(self._bias(node, bias, how))
        self._compute(node, how.op, operands, how.result, operand(node, how.addend))

    def _compute(
        self,
        node: NodeProto,
        op_type: str,
        operands: list[str],
        result: tuple[int, int],
        addend: str = "",
    ) -> None:
        """Let `op_type` make the node's result, cut off to its range or with the addend added."""
        from onnx import helper

        old = helper.make_node("Old", list(node.input), list(node.output), f"{node.name}{REAL}")
        self._become(node, op_type, operands)
        if not addend and result[0] < 0:
            return
        node.output[0] = self._fresh(f"{old.output[0]}{REAL}")
        old.op_type = "Add"
        self.graph.node.append(old)
        last = self.graph.node[-1]
        if addend:
            del last.input[:]
            last.input.extend([node.output[0], addend])
        else:
            self._range(last, node.output[0], result, op_type)

    def _range(self, node: NodeProto, source: str, result: tuple[int, int], maker: str) -> None:
        """Let the node cut off what the range of its result does not hold.

        maker: the operator that makes what is quantised.
        """
        found = limits(node, result, self.constants)
        how = self.cuts.get(node.output[0], self.cut)
        if found is None or not (how.low or how.high):
            self._become(node, "Identity", [source])
            return
        stem = node.output[0]
        least, most, half = found
        ends = [
            self._add(f"{stem}.{word}", end) if cut else ""
            for word, end, cut in (("least", least, how.low), ("most", most, how.high))
        ]
        if not how.slack or (how.sums and maker in SUMS):
            self._become(node, "Clip", [source, *ends])
            return
        inside = self._make("Clip", [source, *ends], stem)
        apart = self._make("Abs", [self._make("Sub", [source, inside], stem)], stem)
        apart = self._make("ReduceMax", [apart], stem)
        near = self._make("Less", [apart, self._add(f"{stem}.half", half)], stem)
        self._become(node, "Where", [near, source, inside])

    def _make(self, op_type: str, operands: list[str], stem: str) -> str:
        """Add a node and return the name of its result."""
        from onnx import helper

        name = self._fresh(f"{stem}.{op_type}")
        self.graph.node.append(helper.make_node(op_type, operands, [name], name))
        return name

    def _real(self, node: NodeProto, numbers: tuple[int, int, int]) -> str:
        """Return the name of what an operand stands for."""
        name = operand(node, numbers[0])
        self._look_up(node, numbers)
        if not self._is_integer(name):
            return name
        axis = weight_axis(node, len(self.constants[name].shape))
        return self._held(name, node, numbers[1:], axis)

    def _held(self, name: str, node: NodeProto, numbers: tuple[int, ...], axis: int) -> str:
        """Hold what integers stand for; numbers: the operands that say by what scale."""
        real = self.weights.get(name)
        if real is None:
            scale, zero = (loaded(operand(node, number), self.constants) for number in numbers)
            real = dequantised(self.constants[name].load(), scale, zero, axis)
        return self._add(f"{name}{REAL}", real)

    def _bias(self, node: NodeProto, bias: str, how: Integers) -> str:
        value = loaded(bias, self.constants)
        if value is None or bias in self.weights:
            known = self.weights.get(bias)
            return bias if known is None else self._add(f"{bias}{REAL}", known)
        scale: Array = np.ones((), np.float32)
        for _, number, _ in how.operands:
            factor = loaded(node.input[number], self.constants)
            scale = scale * (1 if factor is None else factor.reshape(-1))
        return self._add(f"{bias}{REAL}", (value * scale).astype(np.float32))

    def _become(self, node: NodeProto, op_type: str, operands: list[str]) -> None:
        """Make a node another operator of ONNX's own, with the attributes that it has too."""
        from onnx import defs

        known = defs.get_schema(op_type).attributes
        kept = [entry for entry in node.attribute if entry.name in known]
        del node.attribute[:], node.input[:]
        node.attribute.extend(kept)
        node.op_type, node.domain = op_type, ""
        node.input.extend(operands)

    def _hold(self, name: str, value: Array) -> None:
        """Hold `value` under a name that nothing makes any more."""
        from onnx import numpy_helper

        self.graph.initializer.append(numpy_helper.from_array(value, name))

    def _add(self, stem: str, value: Array) -> str:
        """Hold `value` under a fresh name and return that."""
        name = self._fresh(stem)
        self._hold(name, np.asarray(value, order="C"))
        return name

    def _fresh(self, stem: str) -> str:
        name, number = stem, 1
        while name in self.taken:
            number += 1
            name = f"{stem}.{number}"
        self.taken.add(name)
        return name

    def _is_integer(self, name: str) -> bool:
        """Whether that is a constant of integers."""
        known = self.constants.get(name)
        return known is not None and dtype_named(known.dtype).kind in "iu"
