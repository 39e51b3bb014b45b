"""One cause a file: a detector says how to undo it, or why it is not the case.

Every module has `CAUSE`, an id of the catalogue. Causes that sit in one segment have
`propose(suspect) -> Sequence[Hypothesis] | str`, causes of the whole run have
`examine(inquiry) -> Conclusion | str`; the string is the reason for "no".
"""

from types import ModuleType
from typing import Final

from divergence.diagnose.causes import (
    activation,
    attention_layout,
    attention_scale,
    axis,
    checkpoint,
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

# Asked before the segments are: what they find answers for culprits that need no other cause.
RUN_CAUSES: Final[tuple[ModuleType, ...]] = (checkpoint,)
