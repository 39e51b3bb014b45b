"""weights.all: the file holds another checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from divergence.diagnose.causes import weight
from divergence.diagnose.edits import Edit
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.diagnose.proof import Bench
from divergence.diagnose.suspect import Hypothesis, Region
from divergence.diagnose.suspects import region
from divergence.diagnose.weights import Expected, expected_weights, layouts
from divergence.records import Evidence, Finding, Match, Proof

CAUSE = "weights.all"

# Another checkpoint differs in nearly every layer; a few wrong parameters are each its own fault.
FEWEST_LAYERS = 3
LEAST_SHARE = 0.5
# What is left of the final error when the right parameters are all that was missing.
HEALED = 1e-2
# Runs of the file in search of wrong replacements, and as many are tried for one parameter.
MOST_RUNS = 100
MOST_OTHERS = 3

# A segment, and what would replace those of its parameters that are not the reference's.
Answer = tuple[Region, Sequence[Hypothesis]]


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Count the layers whose parameters are not the reference's."""
    answers: dict[int, Answer] = {}
    differing: set[frozenset[str]] = set()
    for number, accused in enumerate(inquiry.accused):
        place = region(inquiry.scene, accused.match)
        found = weight.compare(place)
        if not isinstance(found, str):
            answers[number] = place, found
            own = frozenset({str(found[0].parameters["initializer"])})
            differing.add(_matrices(inquiry, accused.match) or own)
    # A layer that is used several times is one.
    used = {_matrices(inquiry, match) for match in inquiry.introduced}
    layers, others = len(used - {frozenset()}), len(differing)
    if others < FEWEST_LAYERS or others < LEAST_SHARE * layers:
        return f"{others} of {layers} layers have parameters that are not the reference's"
    before = inquiry.means.bench.error()
    edits, after = _best(inquiry.means.bench, _each_operand(answers.values()), before)
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


def _each_operand(answers: Iterable[Answer]) -> list[list[Hypothesis]]:
    """Return what may replace each parameter that differs, the likeliest first."""
    chosen: dict[str, list[Hypothesis]] = {}
    for place, found in answers:
        owners = _owners(place)
        here: dict[str, list[Hypothesis]] = {}
        for hypothesis in found:
            name, own = (str(hypothesis.parameters[k]) for k in ("initializer", "weight"))
            if not owners[own] or name in owners[own]:
                here.setdefault(name, []).append(hypothesis)
        for name, hypotheses in here.items():
            chosen.setdefault(name, hypotheses)
    return list(chosen.values())


def _owners(place: Region) -> dict[str, set[str]]:
    """Return the nodes' parameters that are a version of each of the reference's.

    What else stands beside them is none of it: a table of angles, the points of a grid.
    """
    read = list(weight.operands(place))
    return {
        want.name: {operand.name for operand in read if _is_version(operand, want)}
        for want in expected_weights(place)
    }


def _is_version(operand: weight.Operand, want: Expected) -> bool:
    """Whether an operand holds a whole parameter, as it is or up to a gain and noise."""
    if operand.value.size != want.value.size:
        return False
    return weight.layout_of(operand, want) is not None or any(
        weight.resembles(layout, operand.value)
        for layout in layouts(want.value, operand.value.shape)
    )


def _best(
    bench: Bench, options: Sequence[Sequence[Hypothesis]], before: float | None
) -> tuple[tuple[Edit, ...], float | None]:
    """Return the replacements that leave the least error, and that error.

    The likeliest together first. Where they do not heal, one of them replaced what was right, or
    by the wrong one: each is left out and exchanged in turn, as long as that is an improvement.
    """
    chosen: list[Hypothesis | None] = [each[0] for each in options]
    least, runs = bench.error(_edits(chosen)), MOST_RUNS
    for number, each in enumerate(options):
        for other in (None, *each[1:MOST_OTHERS]):
            if before is None or least is None or least <= HEALED * before or not runs:
                return _edits(chosen), least
            runs -= 1
            changed = [*chosen[:number], other, *chosen[number + 1 :]]
            error = bench.error(_edits(changed))
            if error is not None and error < least:
                chosen, least = changed, error
    return _edits(chosen), least


def _edits(chosen: Sequence[Hypothesis | None]) -> tuple[Edit, ...]:
    return tuple(hypothesis.edit for hypothesis in chosen if hypothesis is not None)
