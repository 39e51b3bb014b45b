"""Which of several reference sites with one value bounds a segment."""

from __future__ import annotations

from divergence.diagnose.investigate import boundaries
from divergence.records import Match, Pairing
from tests.matching.programs import Sketch

TOKENS, GRID, WINDOWS = (1, 49, 8), (1, 7, 7, 8), (1, 1, 7, 1, 7, 8)


def bounds(*pairs: tuple[str, str]) -> dict[str, str]:
    ours = Sketch("op")
    value = ours.op("proj", "addmm", TOKENS, [ours.input("x", TOKENS)])
    for name, shape in (("grid", GRID), ("windows", WINDOWS), ("joined", GRID)):
        value = ours.op(name, "view", shape, [value], alias_of=value)
    end = ours.op("act", "relu", GRID, [value])

    theirs = Sketch("node")
    value = theirs.op("m", "MatMul", TOKENS, [theirs.input("x", TOKENS)])
    value = theirs.op("w", "Reshape", WINDOWS, [value])
    value = theirs.op("j", "Reshape", GRID, [value])
    last = theirs.op("r", "Relu", GRID, [value])
    found = boundaries(
        ours.program(end),
        theirs.program(last),
        Pairing(tuple(Match(a, b, "scope", 0.99) for a, b in pairs), ()),
        {"m", "w", "j", "r"},
    )
    return {match.candidate: match.reference for match in found}


def test_a_value_is_not_bound_by_what_comes_before_what_it_is_computed_from():
    found = bounds(("grid", "j"), ("windows", "w"), ("joined", "j"), ("act", "r"))
    assert (found["w"], found["j"]) == ("windows", "joined")


def test_of_several_the_first_stands_for_all():
    found = bounds(("proj", "m"), ("grid", "j"), ("joined", "j"), ("act", "r"))
    assert (found["m"], found["j"]) == ("proj", "grid")
