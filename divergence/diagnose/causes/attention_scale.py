"""attention.scale: the logits of an attention are scaled by another number, or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from divergence.diagnose.builder import Place, insert
from divergence.diagnose.edits import Edit
from divergence.diagnose.examine import distance
from divergence.diagnose.reading import scalar_settings, stands_before_softmax
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

CAUSE = "attention.scale"

# The search for an unknown gain: powers of two first, then golden sections around the best.
OCTAVES = 12
SECTIONS = 40
GOLDEN = (math.sqrt(5) - 1) / 2


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Scale the logits by what the reference's scale and the head's width suggest."""
    if not stands_before_softmax(suspect):
        return "the segment makes no logits of a softmax"
    places = list(_places(suspect))
    if not places:
        return "no matrix product stands before the softmax of the segment"
    known = list(_gains(suspect))
    found = [_hypothesis(suspect, place, gain) for place in places for gain in known]
    if not any(_heals(suspect, h) for h in found):
        found += [_hypothesis(suspect, place, _search(suspect, place)) for place in places]
    return found


def _heals(suspect: Suspect, hypothesis: Hypothesis) -> bool:
    result = suspect.trial.run([hypothesis.edit])
    return result is not None and distance(suspect.expected, result) <= suspect.bound


def _places(suspect: Suspect) -> Iterator[Place]:
    """Where logits are: matrix products and what scales them, and what a softmax is fed."""
    logits = ("MatMul", "Gemm", "Einsum", "FusedMatMul", "Mul", "Div")
    seen_softmax = False
    for node in suspect.region.nodes:
        if node.op_type == "Softmax" and node.input[0] in suspect.feeds:
            yield Place(node.output[0], operand=0)
        seen_softmax = seen_softmax or node.op_type == "Softmax"
        if node.op_type in logits and not seen_softmax:
            yield Place(node.output[0])


def _gains(suspect: Suspect) -> Iterator[float]:
    """Ratios that mistakes make: a missing, doubled or differently derived scale."""
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
            scales += [1 / math.sqrt(size) for size in value.shape[-3:] if size > 1]
    seen: set[float] = set()
    for scale in scales:
        for gain in (scale, 1 / scale, scale * scale, math.sqrt(scale), 1 / math.sqrt(scale)):
            if gain not in seen and not math.isclose(gain, 1):
                seen.add(gain)
                yield gain


def _search(suspect: Suspect, place: Place) -> float:
    """Find the gain that leaves the smallest error, for a scale that no rule gives."""

    def error(octave: float) -> float:
        result = suspect.trial.run([_scale(suspect, place, math.exp2(octave))])
        return math.inf if result is None else distance(suspect.expected, result)

    best = min(range(-OCTAVES, OCTAVES + 1), key=error)
    low, high = best - 1.0, best + 1.0
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    error_left, error_right = error(left), error(right)
    for _ in range(SECTIONS):
        if error_left < error_right:
            high, right, error_right = right, left, error_left
            left = high - GOLDEN * (high - low)
            error_left = error(left)
        else:
            low, left, error_left = left, right, error_right
            right = low + GOLDEN * (high - low)
            error_right = error(right)
    return math.exp2((low + high) / 2)


def _scale(suspect: Suspect, place: Place, gain: float) -> Edit:
    return insert(
        place,
        lambda builder, logits: builder.node("Mul", logits, gain),
        suspect.produced.dtype,
        f"scale the logits by {gain:.6g} {place}",
    )


def _hypothesis(suspect: Suspect, place: Place, gain: float) -> Hypothesis:
    return Hypothesis(
        edit=_scale(suspect, place, gain),
        explanation=(f"the logits of the attention lack a factor of {gain:.6g} before the softmax"),
        evidence=(Evidence(f"gain of the logits {place}", gain, 1.0),),
        remedy=(
            "Export the attention as explicit matrix products with its scale "
            f"(missing factor {gain:.6g}), or with another exporter or opset."
        ),
        parameters={"gain": gain},
    )
