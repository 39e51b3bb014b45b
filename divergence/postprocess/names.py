"""Named outputs of both sides: which of the candidate's is which of the reference's."""

from __future__ import annotations

from collections.abc import Mapping

from divergence.diagnose.distance import distance
from divergence.errors import InputError
from divergence.postprocess.residual import SAME, residual
from divergence.records import Array, Evidence, Finding, Proof

CAUSE = "postprocess.order"


def in_our_order(
    ours: Mapping[str, Array], theirs: Mapping[str, Array]
) -> tuple[dict[str, Array], tuple[Finding, ...]]:
    """Return the candidate's outputs under the reference's names, and what was exchanged for it.

    By name; those of other names by shape and order.

    Raises:
        InputError: names differ, and there is not one output for each.
    """
    named = _by_our_names(ours, theirs)
    order = _exchanged(ours, named)
    if not order:
        return named, ()
    return {name: named[order.get(name, name)] for name in named}, (_finding(ours, named, order),)


def _by_our_names(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> dict[str, Array]:
    left = [name for name in ours if name not in theirs]
    others = [name for name in theirs if name not in ours]
    if len(left) != len(others) and len(left) == len(ours):
        raise InputError(
            f"No output has the same name on both sides: {', '.join(ours)} against "
            f"{', '.join(theirs)}; give arrays, or the same names."
        )
    order = {}
    if len(left) == len(others):
        for name in left:
            alike = (other for other in others if theirs[other].shape == ours[name].shape)
            order[name] = next(alike, others[0])
            others.remove(order[name])
    return {name: theirs[order.get(name, name)] for name in ours if name in theirs or name in order}


def _exchanged(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> dict[str, str]:
    """Return for each output that stands under another name the one it stands under."""
    left = [name for name in theirs if not _agree(ours[name], theirs[name])]
    order: dict[str, str] = {}
    for alike in (_agree, _same_shape):
        for name in left:
            if name in order or (alike is _same_shape and _same_shape(ours[name], theirs[name])):
                continue
            free = (other for other in left if other not in order.values())
            found = next((other for other in free if alike(ours[name], theirs[other])), None)
            if found is not None:
                order[name] = found
    moved = {name: other for name, other in order.items() if name != other}
    return moved if set(moved) == set(moved.values()) else {}


def _agree(ours: Array, theirs: Array) -> bool:
    return ours.shape == theirs.shape and residual(ours, theirs) <= SAME


def _same_shape(ours: Array, theirs: Array) -> bool:
    return ours.shape == theirs.shape


def _finding(
    ours: Mapping[str, Array], theirs: Mapping[str, Array], order: Mapping[str, str]
) -> Finding:
    told = ", ".join(f"'{name}' in '{other}'" for name, other in order.items())
    return Finding(
        cause=CAUSE,
        culprit=None,
        confidence=0.95,
        explanation=f"the candidate's outputs stand in another order: the reference's {told}",
        evidence=(Evidence("outputs", list(order), list(order.values())),),
        remedy="Read the candidate's outputs in the order in which it gives them.",
        parameters={"outputs": dict(order)},
        proof=Proof(
            "take the candidate's outputs in the reference's order",
            max(distance(ours[name], theirs[name]) for name in order),
            max(distance(ours[name], theirs[other]) for name, other in order.items()),
        ),
    )
