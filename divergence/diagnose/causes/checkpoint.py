"""weights.all: the file holds another checkpoint."""

from __future__ import annotations

from divergence.diagnose.causes import weight
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.diagnose.suspect import Hypothesis
from divergence.diagnose.suspects import region
from divergence.records import Evidence, Finding, Match, Proof

CAUSE = "weights.all"

# Another checkpoint differs in nearly every layer; a few wrong parameters are each its own fault.
FEWEST_LAYERS = 3
LEAST_SHARE = 0.5
# What is left of the final error when the right parameters are all that was missing.
HEALED = 1e-2


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Count the layers whose parameters are not the reference's."""
    answers: dict[int, Hypothesis] = {}
    differing: set[frozenset[str]] = set()
    for number, accused in enumerate(inquiry.accused):
        found = weight.compare(region(inquiry.scene, accused.match))
        if not isinstance(found, str):
            answers[number] = found[0]
            own = frozenset({str(found[0].parameters["initializer"])})
            differing.add(_matrices(inquiry, accused.match) or own)
    # A layer that is used several times is one.
    used = {_matrices(inquiry, match) for match in inquiry.introduced}
    layers, others = len(used - {frozenset()}), len(differing)
    if others < FEWEST_LAYERS or others < LEAST_SHARE * layers:
        return f"{others} of {layers} layers have parameters that are not the reference's"
    edits = tuple(h.edit for h in _each_operand(inquiry, answers))
    before = inquiry.means.bench.error()
    after = inquiry.means.bench.error(edits)
    proof = None
    if before is not None and after is not None and after < before:
        proof = Proof(f"replace the parameters of {others} layers", before, after)
    # Where nothing else is wrong, what is left accused has lost its pair to the wrong values.
    healed = proof is not None and proof.error_after <= HEALED * proof.error_before
    answered = range(len(inquiry.accused)) if healed else answers
    finding = Finding(
        cause=CAUSE,
        culprit=None,
        confidence=0.99 if proof else 0.7,
        explanation=(
            f"the file holds another checkpoint: {others} of {layers} layers have "
            "parameters that are not the reference's"
        ),
        evidence=(Evidence("layers with the reference's parameters", layers, layers - others),),
        remedy="Export again from the checkpoint that the reference uses.",
        parameters={"layers": [layers, others]},
        proof=proof,
    )
    return Conclusion(finding, edits if proof else (), frozenset(answered))


def _matrices(inquiry: Inquiry, match: Match) -> frozenset[str]:
    """Return the weights with more than one axis that the reference's segment reads."""
    weights = inquiry.scene.reference.weights
    return frozenset(
        name
        for site in inquiry.scene.reference_segment(match.reference).sites
        for name in site.weights
        if name in weights
        and weights[name].dtype.startswith(("float", "bfloat"))
        # a norm's gain may be stored with axes of length one
        and sum(length > 1 for length in weights[name].shape) > 1
    )


def _each_operand(inquiry: Inquiry, answers: dict[int, Hypothesis]) -> list[Hypothesis]:
    """Return one replacement for every parameter that differs: the first proposed for it."""
    chosen: dict[str, Hypothesis] = {}
    for number in answers:
        found = weight.compare(region(inquiry.scene, inquiry.accused[number].match))
        for hypothesis in () if isinstance(found, str) else found:
            chosen.setdefault(str(hypothesis.parameters["initializer"]), hypothesis)
    return list(chosen.values())
