"""structure.missing_op: a residual add, a bias, a negation or an activation is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from divergence.diagnose import masking
from divergence.diagnose.builder import Builder, Make, Place, insert
from divergence.diagnose.edits import together
from divergence.diagnose.inner import BINARY
from divergence.diagnose.missing_functions import functions, likeliest, places, readers, rests
from divergence.diagnose.missing_logits import logits
from divergence.diagnose.reading import (
    ARITHMETIC,
    scalar_operands,
    scalar_settings,
    stands_before_softmax,
)
from divergence.diagnose.segments import sources
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.diagnose.weights import expected_weights
from divergence.matching.steps import operator
from divergence.records import Array, Evidence, Site

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "structure.missing_op"


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Add what the reference's segment has and the nodes lack, behind every value."""
    proposals = [
        *functions(suspect, readers),
        *_operands(suspect),
        *_parameters(suspect),
        *_composites(suspect),
        *_biases(suspect),
        *_scalars(suspect),
        *functions(suspect, likeliest),
        *rests(suspect),
        *_masks(suspect),
        *_logits(suspect),
        *_values(suspect),
        *functions(suspect, likeliest, folded=True),
    ]
    return proposals or "every op of the reference's segment has its node"


def _count(suspect: Suspect, *op_types: str) -> int:
    return len(suspect.region.node(*op_types))


def _operands(suspect: Suspect) -> Iterator[Hypothesis]:
    """A boundary value that the reference's segment reads and the candidate's does not, or less."""
    for name in suspect.region.reference.inputs:
        partner = suspect.region.partners.get(name)
        if partner is None or partner not in suspect.feeds:
            continue
        if suspect.feeds[partner].dtype != suspect.dtype:
            continue  # a mask, an index: nothing that is added
        lacking = _lacking(suspect, name, partner)
        for site in suspect.region.reference.sites:
            op = BINARY.get(operator(site))  # that of a module is its last
            if op is None or site.name not in lacking:
                continue
            what, own = f"{op} of {name} ({site.name})", site.name
            found = partial(_missing, suspect, op=op, operand=partner, what=what, owner=own)
            yield from (found(place=place) for place in places(suspect))
            yield from _everywhere(suspect, found)


def _everywhere(suspect: Suspect, missing: Callable[..., Hypothesis]) -> Iterator[Hypothesis]:
    """The same, where all that read a boundary read it without: nothing is left of the node."""
    read: dict[str, list[Place]] = {}
    for node in suspect.region.nodes:
        for operand, name in enumerate(node.input):
            if name in suspect.feeds:
                read.setdefault(name, []).append(Place(node.output[0], operand))
    for name, found in read.items():
        if len(found) > 1:
            each = [missing(place=place) for place in found]
            edit = together(
                [h.edit for h in each], f"{each[0].edit.action}, wherever {name} is read"
            )
            yield replace(
                each[0],
                edit=edit,
                explanation=f"{each[0].explanation}, and wherever {name} is read",
            )


def _lacking(suspect: Suspect, name: str, partner: str) -> set[str]:
    """Return the reference's sites that may lack their operand `name` among the nodes.

    Any behind it, where no node reads it; those that read it, where fewer nodes do.
    """
    sites = [site for site in suspect.region.reference.sites if not site.alias_of]
    if partner not in suspect.region.reads():
        return _behind(suspect, name)
    reading = {site.name for site in sites if name in site.inputs}
    present = sum(partner in node.input for node in suspect.region.nodes)
    return reading if present < len(reading) else set()


def _behind(suspect: Suspect, name: str) -> set[str]:
    """Return the reference's sites of the segment that depend on a value."""
    behind = {name}
    for site in suspect.region.reference.sites:
        if behind.intersection(sources(site)):
            behind.add(site.name)
    return behind


def _parameters(suspect: Suspect) -> Iterator[Hypothesis]:
    """A parameter that the reference adds or multiplies by, and no node of the segment reads."""
    region, constants = suspect.region, _constants(suspect)
    for site in region.reference.sites:
        op = BINARY.get(operator(site))
        for name in site.weights if op else ():
            weight = region.reference_weights.get(name)
            value = None if weight is None else weight.load()
            if op is None or value is None or any(_equal(value, c) for c in constants):
                continue
            operand = value.astype(suspect.dtype)
            for place in places(suspect):
                yield _missing(suspect, place, op, operand, f"{op} of {name} ({site.name})", name)


def _composites(suspect: Suspect) -> Iterator[Hypothesis]:
    """An operand that the reference adds up of boundary values, of which nodes read not all."""
    inner = {site.name: site for site in suspect.region.sites(*BINARY)}
    read = suspect.region.reads()
    for site in inner.values():
        for name in site.inputs:
            leaves = _leaves(suspect, inner, name) if name in inner else None
            if leaves is None or leaves <= read:
                continue
            for place in places(suspect):
                what = f"{BINARY[site.op]} of {name} ({site.name})"
                make = _with(suspect, BINARY[site.op], inner, name)
                yield _absent(suspect, place, BINARY[site.op], make, what, site.name)


def _leaves(suspect: Suspect, inner: Mapping[str, Site], name: str) -> set[str] | None:
    """Return the candidate's values that make up a sum; None where one has no partner."""
    partner = suspect.region.partners.get(name)
    if partner in suspect.feeds:
        return {str(partner)}
    if name not in inner:
        return None
    found = [_leaves(suspect, inner, source) for source in inner[name].inputs]
    known = [leaves for leaves in found if leaves is not None]
    return set().union(*known) if known and len(known) == len(found) == 2 else None


def _with(suspect: Suspect, op: str, inner: Mapping[str, Site], name: str) -> Make:
    """Return what combines a value with a sum that is built anew."""

    def built(builder: Builder, source: str) -> str:
        partner = suspect.region.partners.get(source)
        if partner in suspect.feeds:
            return str(partner)
        first, second = inner[source].inputs
        return builder.node(BINARY[inner[source].op], built(builder, first), built(builder, second))

    return lambda builder, value: builder.node(op, value, built(builder, name))


def _constants(suspect: Suspect) -> list[Array]:
    """Return the constants that nodes of the segment read."""
    region = suspect.region
    read = [region.constant(name) for node in region.nodes for name in node.input if name]
    return [value for value in read if value is not None]


def _biases(suspect: Suspect) -> Iterator[Hypothesis]:
    """A one-dimensional parameter that no node of the segment reads."""
    region, constants = suspect.region, _constants(suspect)
    for want in expected_weights(region):
        if want.value.ndim != 1 or any(_equal(want.value, c) for c in constants):
            continue
        for place in places(suspect):
            for bias in _broadcasts(want.value, suspect.expected.ndim):
                dtype = suspect.dtype
                yield _missing(
                    suspect, place, "Add", bias.astype(dtype), f"bias {want.name}", want.name
                )


def _scalars(suspect: Suspect) -> Iterator[Hypothesis]:
    """A constant that the reference multiplies by or adds, where fewer nodes do.

    That of logits is told apart: see `attention_scale`.
    """
    given, before = list(scalar_settings(suspect)), stands_before_softmax(suspect)
    for name, aten, number in given:
        if before and name in suspect.region.moving:
            continue
        family, op = ARITHMETIC[aten], BINARY[aten]
        present = sum(_is_by_number(suspect, node) for node in suspect.region.node(*family))
        if present >= sum(ARITHMETIC[other] is family for _, other, _ in given):
            continue
        for place in places(suspect):
            array = np.asarray(number, suspect.dtype)
            yield _missing(suspect, place, op, array, f"{op} by {number:g} ({name})", name)


def _is_by_number(suspect: Suspect, node: NodeProto) -> bool:
    """Whether a node adds a number to a value or multiplies by one; 1 / x does not."""
    first = 1 if node.op_type in {"Div", "Sub"} else 0
    return any(position >= first for position, _ in scalar_operands(suspect, node))


def _values(suspect: Suspect) -> Iterator[Hypothesis]:
    """An operand that the file does not compute, as the reference has it for this input."""
    region, known = suspect.region, suspect.reference_values
    for site in region.sites(*BINARY):
        for name in site.inputs:
            if name not in known or region.partners.get(name) in region.reads():
                continue
            op, operand = BINARY[site.op], known[name].astype(suspect.dtype)
            for place in places(suspect):
                found = _missing(suspect, place, op, operand, f"{op} of {name} ({site.name})", name)
                lasting = name not in region.moving
                yield replace(found, edit=replace(found.edit, lasting=lasting))


def _masks(suspect: Suspect) -> Iterator[Hypothesis]:
    """A mask that the reference puts on the logits before it takes their softmax."""
    place = masking.place(suspect)
    if place is None:
        return
    for mask in masking.masks(suspect):
        found = _absent(suspect, place, mask.op, mask.make, mask.what, mask.site.name)
        yield replace(found, edit=replace(found.edit, lasting=mask.lasting))


def _logits(suspect: Suspect) -> Iterator[Hypothesis]:
    """The logits that the reference puts a mask on, where the mask alone is left of them."""
    for found in logits(suspect):
        what = f"sum with the logits of {found.site.name}"
        yield _absent(suspect, found.place, "Add", found.make, what, found.site.name)


def _missing(
    suspect: Suspect, place: Place, op: str, operand: str | Array, what: str, owner: str
) -> Hypothesis:
    def make(builder: Builder, value: str) -> str:
        return builder.node(op, value, operand)

    return _absent(suspect, place, op, make, what, owner)


def _absent(
    suspect: Suspect, place: Place, op: str, make: Make, what: str, owner: str
) -> Hypothesis:
    present = _count(suspect, op)
    return Hypothesis(
        edit=insert(place, make, suspect.dtype, f"insert the missing {what} {place}"),
        explanation=f"the {what} is missing {place}",
        evidence=(Evidence(f"{op} nodes in the segment", present + 1, present),),
        remedy=f"Export again with {owner} in place.",
        parameters={"op": op},
    )


def _broadcasts(bias: Array, ndim: int) -> Iterator[Array]:
    """A bias over the last axis, then over the channel axis of an NC... value."""
    yield bias
    if ndim > 2:
        yield bias.reshape(-1, *[1] * (ndim - 2))


def _equal(a: Array, b: Array) -> bool:
    return a.size == b.size and bool(
        np.allclose(a.astype(np.float64).ravel(), b.astype(np.float64).ravel(), 1e-3, 1e-6)
    )
