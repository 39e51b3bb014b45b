"""What the sentence of a verdict says besides the verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from divergence.diagnose.judge import BY_TABLE, sentence
from divergence.records import PairVerdict, Status
from tests.report import samples


@pytest.mark.parametrize(
    ("error", "told"),
    [(0.0, "the outputs are the same."), (2e-6, "the outputs differ by 2e-06 at most.")],
)
def test_outputs_without_any_error_are_the_same(error, told):
    first = samples.clean_vit().pairs[0]
    pair = replace(first, metrics=replace(first.metrics, max_abs=error))
    assert sentence(Status.ROUNDING, [pair], [pair], [], []).endswith(told)


@pytest.mark.parametrize(
    ("reason", "told"), [(f"3 {BY_TABLE}", True), ("12 times the floor", False)]
)
def test_a_verdict_by_the_table_of_tolerances_says_what_that_is_worth(reason, told):
    first = samples.clean_vit().pairs[0]
    pair = replace(first, verdict=PairVerdict.DIVERGENT, reason=reason)
    text = sentence(Status.DIVERGENT, [pair], [pair], [], [])
    assert text.startswith(f"Divergent from {pair.reference} on: the outputs differ by ")
    assert ("which deep networks pass by rounding alone" in text) is told
