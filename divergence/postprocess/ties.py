"""order.ties: the values of a top-k agree, the indices of equal ones do not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from divergence.postprocess.residual import SAME, residual
from divergence.records import Array, Evidence, Finding, Proof

CAUSE = "order.ties"
# Neighbours in a list sorted by value are equal where rounding cannot tell them apart.
_TIED = 1e-6


def explain_ties(
    ours: Mapping[str, Array], theirs: Mapping[str, Array], name: str
) -> Finding | None:
    """Return the finding that the indices `name` differ among equal values alone, else None.

    ours, theirs: outputs by the same names; one of them holds the values of the same shape.
    """
    indices = ours[name], theirs[name]
    if not all(v.dtype.kind in "iu" for v in indices) or indices[0].shape != indices[1].shape:
        return None
    for other, values in ours.items():
        if other == name or values.shape != indices[0].shape or values.dtype.kind != "f":
            continue
        if residual(values, theirs[other]) <= SAME and _only_ties(values, *indices):
            return _finding(name, other, *indices)
    return None


def _only_ties(values: Array, ours: Array, theirs: Array) -> bool:
    """Whether each index that moved belongs to a value equal to its neighbour, or to the last."""
    rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
    moved = (ours != theirs).reshape(rows.shape)
    allowed = _TIED * np.maximum(np.abs(rows), 1e-12)
    tied = np.zeros(rows.shape, dtype=bool)
    equal = np.abs(np.diff(rows, axis=1)) <= allowed[:, 1:]
    tied[:, 1:] |= equal
    tied[:, :-1] |= equal
    tied[:, -1] = True  # what was cut off behind the last may have been equal to it
    return bool(moved.any()) and bool(tied[moved].all())


def _finding(name: str, values: str, ours: Array, theirs: Array) -> Finding:
    moved = int((ours != theirs).sum())
    return Finding(
        cause=CAUSE,
        culprit=None,
        confidence=0.95,
        explanation=f"{moved} of {ours.size} indices in '{name}' differ, each where '{values}' "
        "holds equal values: the order of ties is free",
        evidence=(Evidence("indices that differ", 0, moved),),
        remedy="Break ties alike on both sides, for instance by the index, or accept either.",
        parameters={"indices": name, "values": values, "moved": moved},
        proof=Proof(f"compare '{values}' instead of the indices", float(moved), 0.0),
    )
