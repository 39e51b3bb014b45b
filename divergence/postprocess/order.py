"""postprocess.order: the same rows in another order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from divergence.postprocess.relation import Relation
from divergence.postprocess.slices import matched_order, meaning
from divergence.records import Array, Evidence

CAUSE = "postprocess.order"


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield the order that makes the reference's rows the candidate's."""
    if reference.shape != candidate.shape:
        return
    for axis in range(reference.ndim):
        if meaning(reference.shape, axis) != "rows":
            continue
        order = matched_order(reference, candidate, axis)
        if order is None:
            continue
        moved = sum(position != number for position, number in enumerate(order))
        yield Relation(
            CAUSE,
            f"both hold the same rows on axis {axis}; {moved} of {len(order)} stand elsewhere",
            f"compare the rows of axis {axis} as sets",
            on_reference=partial(np.take, indices=order, axis=axis),
            evidence=(Evidence(f"rows of axis {axis} at another place", 0, moved),),
            remedy="Compare results as sets, or sort both sides by the same key.",
            parameters={"axis": axis, "order": order},
        )
