"""postprocess.activation where one side was made a mask: values above a threshold, or not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from divergence.postprocess.relation import Change, Relation, same
from divergence.records import Array, Evidence

CAUSE = "postprocess.activation"

# Where masks are usually cut: logits, shares.
_USUAL = (0.0, 0.5)
# What a mask says for "yes".
_YES = (1, 255)
# Fewer elements are two-valued by chance.
_FEWEST = 16


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield that one side is the other above a threshold."""
    if reference.shape != candidate.shape or reference.size < _FEWEST:
        return
    for side, mask, value in (
        ("candidate", candidate, reference),
        ("reference", reference, candidate),
    ):
        yes = _yes(mask)
        if yes is not None and _yes(value) is None:
            threshold = _threshold(value, mask > 0)
            yield _relation(side, threshold, _cut(threshold, yes))


def _yes(mask: Array) -> float | None:
    """Return the greater of the two values that a mask has, None where it is no mask."""
    high = float(mask.max())
    if high not in _YES or not ((mask == 0) | (mask == high)).all() or mask.min() != 0:
        return None
    return high


def _threshold(value: Array, above: Array) -> float:
    """Return the usual threshold that parts the values best, else what lies between them."""
    between = 0.5 * float(np.median(value[above])) + 0.5 * float(np.median(value[~above]))
    low, high = float(value[~above].max()), float(value[above].min())
    tried = (*_USUAL, (low + high) / 2, between)
    return min(tried, key=lambda cut: int(((value > cut) != above).sum()))


def _cut(threshold: float, yes: float) -> Change:
    return lambda value: np.where(value > threshold, yes, 0)


def _relation(side: str, threshold: float, cut: Change) -> Relation:
    other = "reference" if side == "candidate" else "candidate"
    return Relation(
        CAUSE,
        f"the {side} says which values are above {threshold:.4g}; the {other} gives the values",
        f"cut the {other}'s output at {threshold:.4g}",
        on_reference=cut if side == "candidate" else same,
        on_candidate=same if side == "candidate" else cut,
        evidence=(Evidence("threshold at the end", *_no_yes(side)),),
        remedy="Cut both sides at the same threshold, or neither.",
        parameters={"function": "threshold", "threshold": threshold, "side": side},
        of_labels=True,
    )


def _no_yes(side: str) -> tuple[str, str]:
    return ("no", "yes") if side == "candidate" else ("yes", "no")
