"""One cause a file: a detector says how to undo it, or why it is not the case.

Every module has `CAUSE`, an id of the catalogue. Causes that sit in one segment have
`propose(suspect) -> Sequence[Hypothesis] | str`, causes of the whole run have
`examine(inquiry) -> Conclusion | str`; the string is the reason for "no". Some of the first also
have `search(suspect) -> Iterable[Hypothesis]`, for what takes many runs of the segment.
"""

from types import ModuleType
from typing import Final

from divergence.diagnose.causes import (
    accumulation,
    activation,
    arithmetic,
    attention_layout,
    attention_scale,
    axis,
    baked,
    checkpoint,
    counted_weight,
    division,
    epsilon,
    gemm,
    input_ignored,
    masked_rows,
    missing_op,
    nondeterministic,
    norm_statistics,
    optimizer,
    order,
    overflow,
    padding,
    pool,
    quantised_weight,
    reduced,
    resize,
    shuffle,
    ties,
    training,
    weight,
)

# The more specific the evidence, the earlier: the first hypothesis that heals a segment wins.
SEGMENT_CAUSES: Final[tuple[ModuleType, ...]] = (
    ties,
    division,
    masked_rows,
    reduced,
    overflow,
    weight,
    quantised_weight,
    counted_weight,
    gemm,
    norm_statistics,
    epsilon,
    padding,
    pool,
    resize,
    shuffle,
    axis,
    attention_scale,
    order,
    activation,
    arithmetic,
    missing_op,
    attention_layout,
)

# Asked where nothing that was proposed heals a segment.
SEARCHES: Final[tuple[ModuleType, ...]] = (attention_scale, shuffle, attention_layout)

# Asked before the segments are: what they find answers for culprits that need no other cause.
RUN_CAUSES: Final[tuple[ModuleType, ...]] = (
    training,
    nondeterministic,
    overflow,
    checkpoint,
    optimizer,
    input_ignored,
    baked,
    reduced,
    accumulation,
)
