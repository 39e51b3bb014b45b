"""Proofs for inputs that differ: the candidate run with its own and with the reference's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from divergence.diagnose.distance import distance
from divergence.diagnose.entrance import Entrance
from divergence.load.case import Case
from divergence.records import Array, Call, Finding, Proof

CAUSE = "inputs.other"


def proved(
    entrance: Entrance,
    case: Case,
    links: Mapping[int, int],
    ours: Mapping[int, Array],
    theirs: Mapping[int, Array],
) -> Entrance:
    """Return what differs before the model, each other input with what it does to the outputs.

    links: the candidate's output for each of the reference's. ours, theirs: the outputs by
    place, the candidate's from the reference's inputs. Inputs that the reference's value cannot
    stand in for stay without a proof.
    """
    if not links:
        return entrance
    findings = tuple(_proved(found, case, links, ours, theirs) for found in entrance.findings)
    return replace(entrance, findings=findings)


def _proved(
    finding: Finding,
    case: Case,
    links: Mapping[int, int],
    ours: Mapping[int, Array],
    theirs: Mapping[int, Array],
) -> Finding:
    name = finding.parameters.get("input")
    item = next((i for i in case.inputs if i.name == name and i.shared is not None), None)
    if finding.cause != CAUSE or finding.proof is not None or item is None:
        return finding
    assert item.candidate is not None
    own = {**case.judged_call.kwargs, item.candidate.name: item.candidate.value}
    made = dict(enumerate(case.candidate.run(Call(kwargs=own))))
    proof = Proof(
        f"feed the candidate the reference's '{name}'; the error is that of the outputs",
        max(distance(ours[i], made[j]) for i, j in links.items()),
        max(distance(ours[i], theirs[j]) for i, j in links.items()),
    )
    return replace(finding, proof=proof) if proof.holds else finding
