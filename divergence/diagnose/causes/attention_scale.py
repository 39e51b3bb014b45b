"""attention.scale: the logits of an attention are scaled by another number, or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from divergence.compare.floor import MASKED
from divergence.diagnose.builder import Place, insert
from divergence.diagnose.edits import set_attributes
from divergence.diagnose.reading import attribute, scalar_settings, stands_before_softmax
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Array, Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attention.scale"

# Where no rule gives the gain: powers of two, then Newton's steps from the best.
OCTAVES = 12
STEPS = 6
# Relative move for a difference quotient: the root of float32's precision.
NUDGE = 3e-4
# Gains this near to one that the reference uses are that one.
SAME = 1e-4
# What rules suggest is tried at a few places only: where it holds it holds at one of them.
MOST_GAINS = 24
FUSED = frozenset({"Attention", "GroupQueryAttention", "MultiHeadAttention"})
LOGITS = frozenset({"Add", "Div", "Einsum", "FusedMatMul", "Gemm", "MatMul", "Mul"})


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Scale the logits by what the values say, then by what scale and head's width suggest."""
    fused = [node for node in suspect.region.nodes if node.op_type in FUSED]
    if fused:
        return [_attribute(node, scale) for node in fused for scale in _scales(suspect)]
    if not stands_before_softmax(suspect):
        return "the segment makes no logits of a softmax"
    places = list(_places(suspect))
    if not places:
        return "no matrix product stands before the softmax of the segment"
    seen = _seen(suspect)
    if seen is not None:  # a mask may have been added behind the scale
        return [_hypothesis(suspect, each, seen[1]) for each in dict.fromkeys((seen[0], *places))]
    known = islice(_gains(suspect), MOST_GAINS)
    return [_hypothesis(suspect, place, gain) for gain in known for place in places]


def search(suspect: Suspect) -> Iterator[Hypothesis]:
    """Find the gain that no rule gives, where logits are not seen at the segment's end."""
    if suspect.produced.shape != suspect.expected.shape:
        return  # no gain gives a value another shape
    if stands_before_softmax(suspect) and _seen(suspect) is None:
        for place in _places(suspect):
            yield _hypothesis(suspect, place, _searched(suspect, place))


def _places(suspect: Suspect) -> Iterator[Place]:
    """Where logits are: what a softmax is fed, and matrix products with what scales them.

    Then what is given to a sum with a mask or a bias: those stay as they are.
    """
    nodes = suspect.region.nodes
    softmax = next((k for k, n in enumerate(nodes) if n.op_type == "Softmax"), None)
    if softmax is not None:
        yield Place(nodes[softmax].output[0], operand=0)
    before = [node for node in nodes[:softmax] if node.op_type in LOGITS]
    yield from (Place(node.output[0]) for node in reversed(before))
    for node in before:
        given = enumerate(node.input) if node.op_type == "Add" else ()
        yield from (Place(node.output[0], k) for k, name in given if name in suspect.feeds)


def _seen(suspect: Suspect) -> tuple[Place, float] | None:
    """Read the gain off the values, where the segment ends with logits or their softmax."""
    last = suspect.region.nodes[-1]
    if last.output[0] != suspect.region.match.candidate:
        return None
    ours, theirs = suspect.expected, suspect.produced
    if ours.shape != theirs.shape:
        return None
    if last.op_type == "Softmax":
        axis = int(attribute(last, "axis", -1))
        gain = _gain(_logits(ours, axis), _logits(theirs, axis))
        return Place(last.output[0], operand=0), gain
    if last.op_type in LOGITS and not suspect.region.node("Softmax"):
        return Place(last.output[0]), _gain(ours, theirs)
    return None


def _logits(probabilities: Array, axis: int) -> Array:
    """Return logits with a mean of zero; those of vanishing probabilities are left out."""
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities.astype(np.float64))
    logits[logits < np.log(1e-30)] = np.nan
    return np.asarray(logits - np.nanmean(logits, axis=axis, keepdims=True))


def _gain(wanted: Array, found: Array) -> float:
    """Return the factor that brings `found` nearest to `wanted`."""
    a, b = wanted.astype(np.float64).ravel(), found.astype(np.float64).ravel()
    known = np.isfinite(a) & np.isfinite(b) & (np.minimum(a, b) > MASKED)
    energy = float(b[known] @ b[known])
    return float(a[known] @ b[known]) / energy if energy else 1.0


def _scales(suspect: Suspect) -> list[float]:
    """Scales that the reference uses, or would by the width of its heads."""
    scales = [
        float(site.attributes["scale"])
        for site in suspect.region.sites("scaled_dot_product_attention")
        if isinstance(site.attributes.get("scale"), int | float)
    ]
    for _, op, number in scalar_settings(suspect):
        if op in {"mul", "div"} and number:
            scales.append(number if op == "mul" else 1 / number)
    for value in suspect.feeds.values():
        if value.ndim >= 3:
            scales += [1 / math.sqrt(size) for size in value.shape[-3:][::-1] if size > 1]
    return list(dict.fromkeys(scales))


def _gains(suspect: Suspect) -> Iterator[float]:
    """Ratios that mistakes make: a missing, doubled or differently derived scale."""
    scales = _scales(suspect)
    seen: set[float] = set()
    for ratio in (
        lambda scale: scale,
        lambda scale: 1 / scale,
        math.sqrt,
        lambda scale: 1 / math.sqrt(scale),
        lambda scale: scale * scale,
    ):
        for scale in scales:
            gain = ratio(abs(scale))
            if gain not in seen and not math.isclose(gain, 1):
                seen.add(gain)
                yield gain


def _searched(suspect: Suspect, place: Place) -> float:
    """Return the gain that leaves the smallest error."""

    def off(gain: float) -> Array | None:
        result = suspect.trial.run([_hypothesis(suspect, place, gain).edit])
        if result is None or result.shape != suspect.expected.shape:
            return None
        error: Array = result.astype(np.float64) - suspect.expected
        return error if np.isfinite(error).all() else None

    def size(octave: int) -> float:
        error = off(math.exp2(octave))
        return math.inf if error is None else float(np.square(error).sum())

    gain = math.exp2(min(range(-OCTAVES, OCTAVES + 1), key=size))
    for _ in range(STEPS):
        here, there = off(gain), off(gain * (1 + NUDGE))
        if here is None or there is None:
            break
        slope = (there - here) / NUDGE
        energy = float(np.square(slope).sum())
        if not energy:
            break
        gain *= math.exp(float(np.clip(-(slope * here).sum() / energy, -1, 1)))
    return gain


def _hypothesis(suspect: Suspect, place: Place, gain: float) -> Hypothesis:
    known = next((s for s in _scales(suspect) if math.isclose(s, gain, rel_tol=SAME)), None)
    missing = known is not None
    gain = known or gain
    scale = 1.0 if missing else 1 / gain
    what = "are not scaled" if missing else f"are {scale:.6g} times too large"
    return Hypothesis(
        edit=insert(
            place,
            lambda builder, logits: builder.node("Mul", logits, gain),
            suspect.dtype,
            f"scale the logits by {gain:.6g} {place}",
        ),
        explanation=f"the logits {what} ({gain:.6g} is missing)",
        evidence=(Evidence(f"scale of the logits {place}", gain, 1.0),),
        remedy=(
            "Export the attention as explicit matrix products with its scale "
            f"(missing factor {gain:.6g}), or with another exporter or opset."
        ),
        parameters={"gain": gain},
    )


def _attribute(node: NodeProto, scale: float) -> Hypothesis:
    name, found = node.name or node.output[0], attribute(node, "scale")
    return Hypothesis(
        edit=set_attributes(node.output[0], {"scale": scale}, f"scale {name} by {scale:.6g}"),
        explanation=f"{name} scales its logits by {found} instead of {scale:.6g}",
        evidence=(Evidence(f"scale of {name}", scale, found),),
        remedy=f"Set scale of {name} to {scale:.6g}, or export the attention again.",
        parameters={"scale": [scale, found]},
    )
