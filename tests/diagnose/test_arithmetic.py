"""Another operation with a number: a softmax hides any sum, so the number has to be known."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from divergence.diagnose.causes import arithmetic
from divergence.diagnose.distance import Bound
from divergence.diagnose.segments import Segment
from divergence.diagnose.suspect import Region, Suspect
from divergence.records import Match, Site, Weight


def _suspect(number, sites):
    """Return a segment that multiplies by `number` where the reference has these sites."""
    array = np.zeros(3, np.float32)
    known = Weight("known", (1,), "float32", lambda: np.float32([0.7]))
    taken = Weight("number", (), "float32", lambda: np.float32(number))
    region = Region(
        match=Match("r", "y", "test", 1.0),
        reference=Segment("r", sites, ("a",)),
        candidate=Segment("y", (), ("x",)),
        nodes=(helper.make_node("Mul", ["x", "number"], ["y"], "mul"),),
        readers=(),
        module_by_name={},
        reference_weights={"known": known},
        candidate_weights={"number": taken},
        partners={},
    )
    return Suspect(region, {"x": array}, array, array, Bound(1.0), None)


def _add(**settings):
    return Site("r", "op", "add", "", 0, inputs=("a", "b"), **settings)


@pytest.mark.parametrize(
    ("number", "sites"),
    [
        (0.3, (_add(attributes={"other": 0.3}),)),
        (0.7, (_add(weights=("known",)),)),
    ],
)
def test_a_number_that_the_reference_adds_may_be_multiplied_by(number, sites):
    (found,) = arithmetic.propose(_suspect(number, sites))
    assert "mul is a Mul where the reference has an Add" in found.explanation


@pytest.mark.parametrize("sites", [(_add(),), (_add(attributes={"other": 0.3}),)])
def test_a_number_that_the_reference_does_not_have_is_another_fault(sites):
    assert isinstance(arithmetic.propose(_suspect(5.0, sites)), str)
