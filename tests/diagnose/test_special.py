"""Networks made for one cause each: what is said of them, and that undoing it heals."""

from __future__ import annotations

import pytest

import divergence
from tests.zoo.special import SPECIAL


@pytest.mark.parametrize("name", SPECIAL)
def test_the_cause_is_named_placed_and_undone(name):
    case = SPECIAL[name]()
    report = divergence.trace(case.model, case.file, case.inputs)
    assert report.verdict.status == "divergent"
    first = report.findings[0]
    assert first.cause in case.planted.causes
    if case.planted.nodes:
        blamed = {node for culprit in report.culprits for node in culprit.candidate_nodes}
        assert blamed & set(case.planted.nodes)
        assert all(len(culprit.candidate_nodes) <= 12 for culprit in report.culprits)
    if case.planted.undoable:
        assert first.proof is not None
        assert first.proof.error_after < first.proof.error_before / 10
