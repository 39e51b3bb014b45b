"""What one change of a chain is worth: the error with all the others, without it and with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergence.postprocess.relation import Relation
from divergence.records import Array, Proof


def proof(chain: Sequence[Relation], place: int, reference: Array, candidate: Array) -> Proof:
    """Return the error where the change at `place` acts, before and after it.

    The whole output where the other changes do not fit each other without it.
    """
    relation = chain[place]
    whole = applied(chain, reference, candidate)
    assert whole is not None
    without = applied([*chain[:place], *chain[place + 1 :]], reference, candidate)
    before = float("inf") if without is None else relation.error(*without)
    after = relation.error(*whole)
    if without is not None and without[0].shape == whole[0].shape == without[1].shape:
        acts = _unlike(without[0], whole[0]) | _unlike(without[1], whole[1])
        if acts.any():
            before = relation.error(without[0][acts], without[1][acts])
            after = relation.error(whole[0][acts], whole[1][acts])
    return Proof(relation.action, before, after)


def applied(
    chain: Sequence[Relation], reference: Array, candidate: Array
) -> tuple[Array, Array] | None:
    """Return both sides after all changes; None where one does not apply."""
    ours, theirs = reference, candidate
    try:
        for relation in chain:
            ours, theirs = relation.on_reference(ours), relation.on_candidate(theirs)
    except (ValueError, IndexError):
        return None
    return ours, theirs


def _unlike(first: Array, second: Array) -> Array:
    return np.asarray((first != second) & ~(np.isnan(first) & np.isnan(second)))
