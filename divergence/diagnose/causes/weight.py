"""weights.one: a parameter of the candidate is not the reference's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isclose
from operator import neg
from typing import TYPE_CHECKING

import numpy as np

from divergence.diagnose.edits import set_weight, together
from divergence.diagnose.inner import fixed_values
from divergence.diagnose.reading import (
    ARITHMETIC,
    attribute,
    scalar_operands,
    scalar_settings,
)
from divergence.diagnose.suspect import Hypothesis, Region, Suspect
from divergence.diagnose.weights import FOLDING, Expected, expected_weights, layouts
from divergence.records import Array, Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "weights.one"


# Correlation from which two parameters are versions of each other: those of two checkpoints that
# have nothing in common have 1 / sqrt(elements).
ALIKE = 0.5
# By how many units in the last place of the greatest element two copies of a parameter may differ
# that exporters folded from the same ones: measured at 1.3 (MobileNetV2, both exporters).
UNITS = 4
EPSILON = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Operand:
    """A constant operand of a node: the candidate's parameter.

    step: how far the integers that it was restored from may have moved an element.
    """

    node: NodeProto
    position: int
    name: str
    value: Array
    step: float = 0.0

    @property
    def turns(self) -> bool:
        """Whether the node takes the transpose of a PyTorch linear layer's weight."""
        if self.node.op_type == "Gemm":
            return not attribute(self.node, "transB", 0)
        return self.node.op_type in {"MatMul", "FusedMatMul"} and self.position == 1


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Compare each constant operand with the parameters of the reference's segment."""
    found = compare(suspect.region, list(_computed(suspect)))
    more = [*_scalars(suspect), *_turned(suspect.region)]
    return found if isinstance(found, str) and not more else [*_listed(found), *more]


def _computed(suspect: Suspect) -> Iterator[Expected]:
    """Yield what the reference computes of its parameters alone: exporters store the result."""
    region = suspect.region
    for name in sorted(fixed_values(region.reference.sites, region.moving)):
        value = suspect.reference_values.get(name)
        if value is not None and value.dtype.kind == "f":
            yield Expected(name, value, FOLDING)


def _listed(found: Sequence[Hypothesis] | str) -> Sequence[Hypothesis]:
    return () if isinstance(found, str) else found


def _scalars(suspect: Suspect) -> Iterator[Hypothesis]:
    """Yield the reference's number for each one that the candidate adds or multiplies by.

    In a network these are as good as parameters: a wrong one is the same fault. One that several
    nodes are wrong by alike was one number before it was exported: first all at once.
    """
    alike: dict[tuple[str, float, float], list[Hypothesis]] = {}
    for name, op, number in scalar_settings(suspect):
        for node in suspect.region.node(*ARITHMETIC[op]):
            if _keeps_from_zero(suspect.region, node):
                continue
            own = number if node.op_type.lower() == op else INVERSE[op](number)
            for position, found in scalar_operands(suspect, node):
                if not isclose(found, own, rel_tol=1e-6, abs_tol=1e-12):
                    told = _scalar(suspect, (node, position), name, own, found)
                    places = alike.setdefault((node.op_type, own, found), [])
                    if all(told.edit.values != known.edit.values for known in places):
                        places.append(told)
    for places in alike.values():
        if len(places) > 1:
            edits = [told.edit for told in places]
            action = "; ".join(edit.action for edit in edits)
            yield replace(places[0], edit=together(edits, action))
    for places in alike.values():
        yield from places


def _keeps_from_zero(region: Region, node: NodeProto) -> bool:
    """Whether what is added is an epsilon: a root, a power or a quotient is taken of the sum."""
    return node.op_type == "Add" and any(
        node.output[0] in reader.input[reader.op_type == "Div" :]
        for reader in region.node("Div", "Pow", "Reciprocal", "Sqrt")
    )


INVERSE: Mapping[str, Callable[[float], float]] = {
    "add": neg,
    "sub": neg,
    "mul": lambda number: 1 / number if number else inf,
    "div": lambda number: 1 / number if number else inf,
}


def _scalar(
    suspect: Suspect, place: tuple[NodeProto, int], name: str, wanted: float, found: float
) -> Hypothesis:
    node, position = place
    old = suspect.region.constant(node.input[position])
    assert old is not None
    shown = node.name or node.output[0]
    return Hypothesis(
        edit=set_weight(
            node.output[0], position, np.full_like(old, wanted), f"set {shown} to {wanted:.6g}"
        ),
        explanation=f"{node.op_type} {shown} is by {found:.6g} instead of {wanted:.6g}",
        evidence=(Evidence(f"number ({name}, {shown})", wanted, found),),
        remedy=f"Export again; the number in {shown} is not the reference's.",
        parameters={"number": [wanted, found], "initializer": node.input[position]},
    )


def _turned(region: Region) -> Iterator[Hypothesis]:
    """Yield square matrices the other way round: nothing tells which way is right but the run."""
    expected = [e for e in expected_weights(region) if _is_square(e.value)]
    for operand in operands(region):
        if not _is_square(operand.value):
            continue
        for want in expected:
            if _same(operand, want):
                yield replacing(operand, want, operand.value.T)


def _is_square(value: Array) -> bool:
    return value.ndim == 2 and value.shape[0] == value.shape[1]


def compare(region: Region, computed: Sequence[Expected] = ()) -> Sequence[Hypothesis] | str:
    """Return what would replace each parameter that is not the reference's, or why none.

    computed: what the reference makes of its parameters before it meets an input.
    """
    expected = [*expected_weights(region), *computed]
    held = list(operands(region))
    if not held:
        return "the segment's nodes read no parameter"
    if not expected:
        return "the reference's segment reads no parameter"
    unmatched = [o for o in held if not any(_same(o, e) for e in expected)]
    taken = [e for e in expected if any(_same(o, e) for o in held)]
    hypotheses = [
        replacing(operand, want, layout)
        for number, operand in enumerate(unmatched)
        for want, layout in replacements(operand, unmatched[:number], expected, taken)
    ]
    return hypotheses or f"all {len(held)} parameters of the segment are the reference's"


def replacements(
    operand: Operand,
    before: Sequence[Operand],
    expected: Sequence[Expected],
    taken: Sequence[Expected],
) -> list[tuple[Expected, Array]]:
    """Return what may belong in an operand's place, the likeliest first.

    That is what resembles it, the nearest first; of what does not (another checkpoint), what no
    node holds, in the order in which both sides read their parameters, the way round that the
    node takes it.
    """
    fitting = [
        (want, layout) for want in expected for layout in layouts(want.value, operand.value.shape)
    ]
    free = [want for want, _ in fitting if not any(want is other for other in taken)]
    free = [want for k, want in enumerate(free) if not any(want is f for f in free[:k])]
    alike = sum(o.value.shape == operand.value.shape for o in before)
    own = free[alike] if alike < len(free) else None

    def unlikely(entry: tuple[Expected, Array]) -> tuple[bool, float, bool, bool, bool]:
        want, layout = entry
        alike = resembles(layout, operand.value)
        return (
            not alike,
            _apart(layout, operand.value) if alike else 0.0,
            want is not own,
            not any(want is other for other in free),
            _is_square(layout) and (layout is want.value) == operand.turns,
        )

    return sorted(fitting, key=unlikely)


def resembles(layout: Array, value: Array) -> bool:
    """Whether two parameters go together, up to a gain and noise."""
    a, b = layout.astype(np.float64).ravel(), value.astype(np.float64).ravel()
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b) > ALIKE * float(np.sqrt((a @ a) * (b @ b)))


def _apart(layout: Array, value: Array) -> float:
    return float(np.square(layout.astype(np.float64) - value.astype(np.float64)).sum())


def operands(region: Region) -> Iterator[Operand]:
    """Yield the parameters that the segment's nodes read, but for what they compute of others."""
    made = {name for node in region.nodes for name in node.output}
    for node in region.nodes:
        for position, name in enumerate(node.input):
            value = region.constant(name) if name and name not in made else None
            few = 0 if node.op_type == "PRelu" else 1  # numbers are told apart elsewhere
            if value is not None and value.dtype.kind in "fV" and value.size > few:
                yield Operand(node, position, name, value, region.restored.get(name, 0.0))


def _same(operand: Operand, want: Expected) -> bool:
    return layout_of(operand, want) is not None


def layout_of(operand: Operand, want: Expected) -> Array | None:
    """Return what equals the operand once cast alike, up to the rounding that both came through."""
    value = operand.value
    for layout in layouts(want.value, value.shape):
        cast = layout.astype(value.dtype).astype(np.float64)
        scale = float(np.abs(cast).max(initial=0.0))
        rounding = max(want.rounding * scale, operand.step)
        if np.abs(cast - value.astype(np.float64)).max(initial=0.0) <= rounding:
            return np.asarray(layout)
    return None


def replacing(operand: Operand, want: Expected, layout: Array) -> Hypothesis:
    """Return that the operand should be `layout`, which is how its node takes `want`."""
    difference = np.abs(layout.astype(np.float64) - operand.value.astype(np.float64))
    changed = int((difference > want.rounding * np.abs(layout).max(initial=0.0)).sum())
    worst = np.unravel_index(int(difference.argmax()), difference.shape)
    place = ", ".join(str(int(i)) for i in worst)
    return Hypothesis(
        edit=set_weight(
            operand.node.output[0],
            operand.position,
            np.asarray(layout, order="C").astype(operand.value.dtype),
            f"replace {operand.name} by the reference's {want.name}",
        ),
        explanation=(
            f"parameter {operand.name} is not the reference's {want.name}: {changed} of "
            f"{layout.size} elements differ{_how(layout, operand.value)}"
        ),
        evidence=(
            Evidence(f"{want.name}[{place}]", float(layout[worst]), float(operand.value[worst])),
            Evidence(f"root mean square of {want.name}", _rms(layout), _rms(operand.value)),
        ),
        remedy=f"Export again from the checkpoint that the reference uses ({want.name}).",
        parameters={"weight": want.name, "initializer": operand.name},
        rounding=bool(difference.max() <= UNITS * EPSILON * np.abs(layout).max()),
    )


def _how(reference: Array, candidate: Array) -> str:
    """Say it where the difference has a simple form."""
    r, c = reference.astype(np.float64).ravel(), candidate.astype(np.float64).ravel()
    if not c.any():
        return " (all are zero)"
    energy = float(r @ r)
    gain = float(r @ c) / energy if energy else 0.0
    if gain and np.abs(c - gain * r).max() <= 1e-5 * np.abs(c).max():
        return f" (scaled by {gain:.6g})"
    if _is_square(candidate) and np.array_equal(reference.T, candidate):
        return " (transposed)"
    if np.array_equal(np.sort(r), np.sort(c)):
        return " (the same elements in another order)"
    return ""


def _rms(array: Array) -> float:
    return float(np.sqrt(np.mean(np.square(array.astype(np.float64)))))
