"""attribute.epsilon: a normalisation adds another epsilon."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.edits import Edit, set_attributes, set_weight
from divergence.diagnose.reading import attribute, scalar_operands, settings
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attribute.epsilon"

# ONNX's default is 1e-5 for all of these but LpNormalization, which has none.
WITH_EPSILON = (
    "BatchNormalization",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "RMSNormalization",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
)
DEFAULT = 1e-5
# Nobody adds a greater constant as an epsilon; ones and halves in other formulas are.
GREATEST = 0.05


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Compare the reference's epsilons with those of the nodes."""
    wanted = [
        (name, float(value))
        for name, value in settings(suspect, "eps", "epsilon", "other", "min")
        if isinstance(value, int | float) and 0 <= value <= GREATEST
    ]
    present = list(_epsilons(suspect))
    if not present:
        return "no node of the segment adds an epsilon"
    if not wanted:
        return "the reference's segment has no epsilon to compare with"
    hypotheses = [
        _hypothesis((node, operand), found, name, value, suspect)
        for node, operand, found in present
        for name, value in wanted
        if not math.isclose(found, value, rel_tol=1e-5)
    ]
    return hypotheses or f"both sides add {present[0][2]:g}"


def _epsilons(suspect: Suspect) -> Iterator[tuple[NodeProto, int | None, float]]:
    """Yield (node, operand number or None for an attribute, epsilon)."""
    for node in suspect.region.nodes:
        if node.op_type in WITH_EPSILON:
            yield node, None, float(attribute(node, "epsilon", DEFAULT))
        elif node.op_type in {"Add", "Max", "Clip"}:
            for operand, value in scalar_operands(suspect, node):
                if 0 < value <= GREATEST:
                    yield node, operand, value


def _hypothesis(
    place: tuple[NodeProto, int | None], found: float, name: str, value: float, suspect: Suspect
) -> Hypothesis:
    node, operand = place
    return Hypothesis(
        edit=_edit(node, operand, value, suspect),
        explanation=(
            f"the normalisation adds epsilon {found:g} where the reference adds {value:g}"
        ),
        evidence=(Evidence(f"epsilon ({name}, {node.name or node.output[0]})", value, found),),
        remedy=f"Set epsilon of {node.name or node.output[0]} to {value:g}, or export again.",
        parameters={"epsilon": [value, found]},
    )


def _edit(node: NodeProto, operand: int | None, value: float, suspect: Suspect) -> Edit:
    action = f"set epsilon of {node.name or node.output[0]} to {value:g}"
    if operand is None:
        return set_attributes(node.output[0], {"epsilon": value}, action)
    old: Any = suspect.region.constant(node.input[operand])
    return set_weight(node.output[0], operand, np.full_like(old, value), action)
