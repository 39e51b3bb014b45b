"""weights.one: a parameter that is counted in a unit which a product behind it applies.

As it is where integers were multiplied without their scale, once nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from divergence.diagnose.causes.weight import (
    CAUSE,
    Operand,
    layout_of,
    operands,
    replacements,
    replacing,
    resembles,
)
from divergence.diagnose.edits import set_weight
from divergence.diagnose.integers import weight_axis
from divergence.diagnose.restored import units
from divergence.diagnose.suspect import Hypothesis, Region, Suspect
from divergence.diagnose.weights import Expected, expected_weights
from divergence.records import Array

__all__ = ["CAUSE", "propose"]


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Take the reference's parameters, in the same unit, for those that are none of them."""
    found = list(_instead(suspect.region))
    return found or "no parameter of the segment is counted in a unit"


def _instead(region: Region) -> Iterator[Hypothesis]:
    expected = list(expected_weights(region))
    for operand in operands(region):
        value, axis = operand.value, weight_axis(operand.node, operand.value.ndim)
        counted = [
            (replace(operand, value=value * unit), unit) for unit in units(region, value, axis)
        ]
        held = [operand, *(real for real, _ in counted)]
        if any(layout_of(o, want) is not None for o in held for want in expected):
            continue
        for real, unit in counted:
            for want, layout in replacements(real, (), expected, ())[:1]:
                if resembles(layout, real.value):
                    yield _replacing(real, unit, want, layout)


def _replacing(real: Operand, unit: Array, want: Expected, layout: Array) -> Hypothesis:
    """Return that an operand should be `layout`, counted in this unit."""
    told = replacing(real, want, layout)
    value = np.ascontiguousarray(layout / unit).astype(real.value.dtype)
    edit = set_weight(real.node.output[0], real.position, value, told.edit.action)
    return replace(told, edit=edit)
