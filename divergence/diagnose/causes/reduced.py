"""precision.reduced: part of the graph computes in float16, bfloat16 or 8-bit integers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from divergence.compare.floor import Effect
from divergence.compare.lineage import own_step
from divergence.diagnose.distance import errors
from divergence.diagnose.edits import Edit, set_attributes, together
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.diagnose.integers import ROUNDING
from divergence.diagnose.reading import attribute
from divergence.diagnose.restored import reference_weights
from divergence.diagnose.suspect import Hypothesis, Region, Suspect
from divergence.diagnose.suspects import region
from divergence.diagnose.unrounded import Cut, unround
from divergence.records import Array, Evidence, Finding, Proof

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "precision.reduced"
# Of float16, the finest of the reduced precisions; quantised integers have coarser ones.
HALF = 2.0**-10
# The ways to take the rounding out that a range has at its ends.
CUTS = (Cut(), Cut(slack=True), Cut(slack=True, sums=True))


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Drop casts to a narrower type, the rounding to integers, stored integers."""
    narrowing = {node.output[0]: narrow(node) for node in suspect.region.node("Cast")}
    narrowing.update(_truncating(suspect.region))
    casts = [node for node in suspect.region.node("Cast") if narrowing[node.output[0]]]
    names = [node.name or node.output[0] for node in casts]
    kinds, whole = sorted({narrowing[node.output[0]] for node in casts}), list[Edit]()
    rounding = [node for node in suspect.region.nodes if node.op_type in ROUNDING]
    weights = reference_weights(suspect.region)
    if rounding or weights:
        whole = [unrounded(suspect.region, rounding, weights, cut) for cut in CUTS]
        names += [*(node.name or node.output[0] for node in rounding), *weights]
        kinds.append("int8")
    if not names:
        return "no node of the segment reduces the precision"
    return [
        Hypothesis(
            edit=together(edits, f"keep float32 at {', '.join(names)}"),
            explanation=f"part of the segment computes in {', '.join(kinds)}",
            evidence=(Evidence(f"precision at {names[0]}", "float32", ", ".join(kinds)),),
            remedy=f"Keep {', '.join(names)} in float32 when the file is converted.",
            parameters={"precision": ["float32", kinds[0]], "nodes": names},
        )
        for edits in ([*map(widened, casts), edit] for edit in whole or [together([], "")])
    ]


def examine(inquiry: Inquiry) -> Conclusion | str:
    """See what a file that is quantised as a whole would give if nothing were rounded."""
    scene = inquiry.scene
    if own_step(scene.candidate) <= HALF:
        return "the file as a whole is not quantised"
    bench = inquiry.means.bench
    given = bench.outputs()
    tried = [(edit, bench.outputs([edit])) for edit in _everywhere(inquiry)]
    exact = [(bench.distance(found), edit, found) for edit, found in tried if found is not None]
    proof, effects = None, dict[str, Effect]()
    if given is not None and exact:
        after, edit, found = min(exact, key=lambda entry: entry[0])
        effects = {name: _effect(given[name], found[name]) for name in given}
        before = bench.distance(given)
        if after < before:
            proof = Proof(edit.action, before, after)
    count = sum(node.op_type in ROUNDING for node in scene.model.graph.node)
    finding = Finding(
        cause=CAUSE,
        culprit=None,
        confidence=0.9,  # whatever else is found comes first
        explanation="the file as a whole is quantised",
        evidence=(Evidence("operators that round to integers", 0, count),),
        remedy="Where that is too coarse, keep the layers that add most in float32.",
        parameters={"precision": ["float32", "int8"]},
        proof=proof,
    )
    return Conclusion(finding, effects=effects)


def unrounded(
    place: Region,
    rounding: Sequence[NodeProto],
    weights: Mapping[str, Array],
    cut: Cut = CUTS[0],
) -> Edit:
    """Return what takes the rounding to integers out of a segment."""
    values = tuple(node.output[0] for node in rounding)
    apply = partial(unround, constants=place.candidate_weights, weights=weights, cut=cut)
    return Edit("do not round to integers", apply, values, lasting=False)


def narrow(node: NodeProto) -> str:
    """Return the narrow type that a Cast goes to, "" for any other."""
    from onnx import TensorProto

    narrow = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16"}
    return narrow.get(attribute(node, "to", 0), "")


def _truncating(place: Region) -> dict[str, str]:
    """Return the integer types that values are cast to, and back to real numbers, by name."""
    from onnx import TensorProto

    integers = {TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64}
    real = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}
    back = {node.input[0] for node in place.node("Cast") if attribute(node, "to", 0) in real}
    return {
        node.output[0]: TensorProto.DataType.Name(attribute(node, "to", 0)).lower()
        for node in place.node("Cast")
        if node.output[0] in back and attribute(node, "to", 0) in integers
    }


def widened(node: NodeProto) -> Edit:
    """Return what makes a Cast go to float32."""
    from onnx import TensorProto

    return set_attributes(
        node.output[0], {"to": TensorProto.FLOAT}, f"keep {node.name or node.output[0]} in float32"
    )


def _everywhere(inquiry: Inquiry) -> Iterator[Edit]:
    """Yield what takes all rounding to integers out of the file, in each way."""
    regions = [region(inquiry.scene, match) for match in inquiry.introduced]
    weights = {name: value for place in regions for name, value in reference_weights(place).items()}
    known = inquiry.scene.candidate.weights
    for cut in CUTS:
        apply = partial(unround, constants=known, weights=weights, cut=cut)
        yield Edit("round nothing to integers in the whole file", apply, lasting=False)


def _effect(given: Array, exact: Array) -> Effect:
    apart = errors(exact, given)
    if apart is None or not apart.size:
        return Effect(0.0, 0.0)
    return Effect(float(apart.max()), float(np.sqrt(np.mean(np.square(apart)))))
