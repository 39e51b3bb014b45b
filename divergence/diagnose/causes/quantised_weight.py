"""weights.one: a parameter that is stored in integers stands for another one than the reference's.

It is tried as a real number, with the segment's rounding taken out: integers would be rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from divergence.diagnose.causes.reduced import unrounded
from divergence.diagnose.causes.weight import CAUSE, Operand, replacements, replacing
from divergence.diagnose.integers import ROUNDING
from divergence.diagnose.restored import quantised, reference_weights
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.diagnose.weights import expected_weights
from divergence.records import Array

__all__ = ["CAUSE", "propose"]

# What may belong in one parameter's place is tried in this number, the likeliest first.
MOST = 3


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Take the reference's parameters for integers that stand for none of them."""
    known = reference_weights(suspect.region)
    wrong = [(o, unit) for o, unit in quantised(suspect.region) if o.name not in known]
    if not wrong:
        return "no parameter of the segment is stored in integers but for the reference's"
    found = [h for operand, unit in wrong for h in _instead(suspect, known, operand, unit)]
    return found or "the reference's segment reads no parameter of that shape"


def _instead(
    suspect: Suspect, known: dict[str, Array], operand: Operand, unit: Array | None
) -> Iterator[Hypothesis]:
    """Yield what may belong in an operand's place. unit: what the graph counts it in."""
    region = suspect.region
    rounding = [node for node in region.nodes if node.op_type in ROUNDING]
    expected = list(expected_weights(region))
    for want, layout in replacements(operand, (), expected, ())[:MOST]:
        real = np.asarray(layout, order="C").astype(operand.value.dtype)
        weights = {**known, operand.name: real if unit is None else real / unit}
        greatest = float(np.abs(layout).max(initial=0.0)) or 1.0
        told = replacing(operand, replace(want, rounding=operand.step / greatest), layout)
        edit = unrounded(region, rounding, weights)
        yield replace(told, edit=replace(edit, action=f"{told.edit.action}; {edit.action}"))
