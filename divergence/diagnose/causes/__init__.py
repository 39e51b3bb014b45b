"""One cause a file: a detector proposes how to undo it, or says why it is not the case.

Every module has `CAUSE`, an id of the catalogue, and
`propose(suspect) -> Sequence[Hypothesis] | str`, the string being the reason for "no".
"""

from types import ModuleType
from typing import Final

from divergence.diagnose.causes import (
    activation,
    attention_layout,
    attention_scale,
    axis,
    epsilon,
    missing_op,
    order,
    padding,
    pool,
    resize,
    shuffle,
    weight,
)

# The more specific the evidence, the earlier: the first hypothesis that heals a segment wins.
SEGMENT_CAUSES: Final[tuple[ModuleType, ...]] = (
    weight,
    epsilon,
    padding,
    pool,
    resize,
    shuffle,
    axis,
    attention_scale,
    activation,
    order,
    missing_op,
    attention_layout,
)
