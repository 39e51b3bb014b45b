"""The masks of attention logits that the reference has and the candidate may lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from divergence.diagnose.builder import Builder, Make, Place
from divergence.diagnose.edits import add_weight
from divergence.diagnose.reading import stands_before_softmax
from divergence.diagnose.suspect import Suspect
from divergence.records import Array, Site

ATTENTION = "scaled_dot_product_attention"
FILLING = frozenset({"masked_fill", "where"})
# ATen ops that put a mask on logits, or do it inside.
MASKING = FILLING | {"add", ATTENTION}


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask, where it stands in the reference, and what puts it on the candidate's logits.

    lasting: it is the same for every input, or the file itself computes it.
    """

    site: Site
    op: str
    make: Make
    lasting: bool
    what: str = "mask of the logits"


def mask_values(sites: Iterable[Site]) -> set[str]:
    """Return the names of the reference's values that masks are read off."""
    return {name for s in sites if s.op in MASKING for name in (s.name, *s.inputs)}


def place(suspect: Suspect) -> Place | None:
    """Return where the candidate's logits are; None where the segment makes none."""
    softmax = suspect.region.node("Softmax")
    if softmax:
        return Place(softmax[0].output[0], operand=0)
    nodes = suspect.region.nodes
    return Place(nodes[-1].output[0]) if nodes and stands_before_softmax(suspect) else None


def masks(suspect: Suspect) -> Iterator[Mask]:
    """Yield the masks of the reference's segment, those that the file computes first."""
    sites = suspect.region.sites(*MASKING)
    for site in sites:
        yield from _of_file(suspect, site)
    for site in sites:
        yield from _causal(suspect, site)
        yield from _of_values(suspect, site)


def _of_file(suspect: Suspect, site: Site) -> Iterator[Mask]:
    """Yield the mask as a value that the file has, but the segment does not read."""
    operands = site.inputs[3:4] if site.op == ATTENTION else site.inputs
    for name in operands:
        partner = suspect.region.partners.get(name)
        if partner in suspect.feeds and partner not in suspect.region.reads():
            yield from _made(suspect, site, str(partner), suspect.feeds[str(partner)], True)


def _of_values(suspect: Suspect, site: Site) -> Iterator[Mask]:
    """Yield the mask as a constant, as the reference has it for this input."""
    known, lasting = suspect.reference_values, site.name not in suspect.region.moving
    if site.op in FILLING:
        yield from _filled(suspect, site)
        return
    operands = site.inputs[3:4] if site.op == ATTENTION else site.inputs
    for name in operands:
        lasting = name not in suspect.region.moving
        if name in known and suspect.region.partners.get(name) not in suspect.region.reads():
            yield from _made(suspect, site, None, known[name], lasting)
    for name in site.weights:
        weight = suspect.region.reference_weights.get(name)
        if weight is not None:
            yield from _made(suspect, site, None, weight.load(), True)


def _made(
    suspect: Suspect, site: Site, name: str | None, value: Array, lasting: bool
) -> Iterator[Mask]:
    """Yield what an operand does: booleans keep what is true, numbers are added."""

    def given(builder: Builder) -> str:
        return name or add_weight(builder.graph, f"{builder.stem}.mask", value)

    least = np.asarray(-np.inf, suspect.dtype)
    if value.dtype.kind == "b":
        yield Mask(site, "Where", lambda b, x: b.node("Where", given(b), x, least), lasting)
        yield Mask(site, "Where", lambda b, x: b.node("Where", given(b), least, x), lasting)
    elif value.dtype == suspect.dtype:
        yield Mask(site, "Add", lambda b, x: b.node("Add", x, given(b)), lasting)


def _filled(suspect: Suspect, site: Site) -> Iterator[Mask]:
    """Yield what an op wrote over its operand: where both differ, one number."""
    after = suspect.reference_values.get(site.name)
    for name in site.inputs if after is not None else ():
        before = suspect.reference_values.get(name)
        if after is None or before is None or before.shape != after.shape:
            continue
        where = before != after
        if before.dtype.kind != "f" or not where.any() or len(np.unique(after[where])) > 1:
            continue
        number = np.asarray(after[where].reshape(-1)[0], suspect.dtype)
        mask = _compact(where)
        lasting = not suspect.region.moving.intersection(n for n in site.inputs if n != name)

        def make(b: Builder, x: str, mask: Array = mask, number: Array = number) -> str:
            return b.node("Where", add_weight(b.graph, f"{b.stem}.mask", mask), number, x)

        yield Mask(site, "Where", make, lasting)


def _compact(mask: Array) -> Array:
    """Return a mask with axes of length one where it says the same all along.

    >>> _compact(np.array([[True, False], [True, False]]))
    array([[ True, False]])
    """
    for axis in range(mask.ndim):
        first = np.take(mask, [0], axis)
        mask = first if (mask == first).all() else mask
    return mask


def _causal(suspect: Suspect, site: Site) -> Iterator[Mask]:
    """Yield the mask of a causal attention: a query sees no key behind it."""
    if site.op != ATTENTION or not site.attributes.get("is_causal") or site.shape is None:
        return
    length = site.shape[-2]
    mask = np.triu(np.full((length, length), -np.inf), 1).astype(suspect.dtype)
    for found in _made(suspect, site, None, mask, True):
        yield replace(found, what=f"causal {found.what}")
