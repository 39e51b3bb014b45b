"""Matched again by values: ties are broken, wires that were exchanged stay a fault."""

from __future__ import annotations

import numpy as np
import pytest

from divergence.matching import match
from divergence.matching.fingerprints import fingerprint
from divergence.matching.rematch import rematch
from divergence.records import Alignment, Match, Pairing, Program
from tests.matching.programs import Sketch

RANDOM = np.random.default_rng(11)
SHAPE = (1, 6, 6)
NAMES = ("x", "a0", "a", "b0", "b", "y")
VALUES = {name: RANDOM.normal(size=SHAPE).astype("float32") for name in NAMES}


def branches(kind: str, order: str, last: str, read: str, prefix: str = "") -> Program:
    """Two branches of the same operators, made in an order, and what reads both."""
    sketch = Sketch(kind)
    x = sketch.input("x", SHAPE)
    for name in order:
        gain = {"alpha": float(ord(name))}
        inner = sketch.op(f"{prefix}{name}0", "elu", SHAPE, [x], attributes=gain)
        sketch.op(f"{prefix}{name}", "tanh", SHAPE, [inner])
    return sketch.program(sketch.op(f"{prefix}y", last, SHAPE, [f"{prefix}{n}" for n in read]))


def settled(reference: Program, candidate: Program, noise: float = 1e-6) -> Pairing:
    theirs = {
        name if name == "x" else f"v_{name}": fingerprint(
            value + noise * RANDOM.normal(size=SHAPE).astype("float32")
        )
        for name, value in VALUES.items()
    }
    ours = {name: fingerprint(value) for name, value in VALUES.items()}
    return rematch(reference, candidate, match(reference, candidate), (ours, theirs))


def partners(pairing: Pairing) -> dict[str, str]:
    return {m.reference: m.candidate.removeprefix("v_") for m in pairing.matches}


@pytest.mark.parametrize("noise", [1e-6, 0.1])
def test_branches_that_only_their_values_tell_apart_are_exchanged_whole(noise):
    reference = branches("op", "ab", "add", "ab")
    candidate = branches("node", "ba", "Add", "ba", "v_")
    assert partners(match(reference, candidate))["a"] == "b"
    found = settled(reference, candidate, noise)
    assert partners(found) == {name: name for name in NAMES}
    assert "values" in {m.paired_by for m in found.matches}


def test_operands_that_the_file_exchanges_stay_exchanged():
    reference = branches("op", "ab", "sub", "ab")
    candidate = branches("node", "ab", "Sub", "ba", "v_")
    before = partners(match(reference, candidate))
    assert partners(settled(reference, candidate)) == before


def test_values_that_are_all_far_change_nothing():
    reference = branches("op", "ab", "add", "ab")
    candidate = branches("node", "ba", "Add", "ba", "v_")
    before = match(reference, candidate)
    assert settled(reference, candidate, noise=3.0) == before


def turning(turned: int) -> Pairing:
    """A chain of three squares, of which the file keeps some with the last two axes swapped."""
    ours, theirs = Sketch("op"), Sketch("node")
    values, prints = (ours.input("x", SHAPE), theirs.input("x", SHAPE)), ({}, {})
    matches = [Match("x", "x", "input name", 0.99)]
    for i, name in enumerate(("tanh", "sin", "cos")):
        values = (
            ours.op(name, name, SHAPE, [values[0]]),
            theirs.op(f"v_{name}", name.title(), SHAPE, [values[1]]),
        )
        value = RANDOM.normal(size=SHAPE).astype("float32")
        prints[0][name] = fingerprint(value)
        prints[1][f"v_{name}"] = fingerprint(value.transpose(0, 2, 1))
        alignment = Alignment(permutation=(0, 2, 1)) if i < turned else None
        matches.append(Match(name, f"v_{name}", "topology", 0.95, alignment))
    before = Pairing(tuple(matches), ())
    return rematch(ours.program(values[0]), theirs.program(values[1]), before, prints)


def test_axes_are_turned_where_the_file_keeps_such_values_turned():
    found = turning(turned=2)
    assert [m.alignment for m in found.matches[1:]] == [Alignment(permutation=(0, 2, 1))] * 3


def test_a_value_that_alone_is_turned_is_a_fault():
    assert {m.alignment for m in turning(turned=0).matches} == {None}


def scaled(kind: str, fold: bool) -> Program:
    """A product, and another with a constant behind it that a file may have folded in."""
    sketch = Sketch(kind)
    kernel = sketch.weight(f"{kind}.w", GAIN * KERNEL if fold else KERNEL)
    value = sketch.op(
        "fc" if not fold else "v_fc", "linear", (1, 6), [sketch.input("x", (1, 6))], [kernel]
    )
    gain = sketch.weight(f"{kind}.raw", np.ones(5))  # what the constant is made of
    value = value if fold else sketch.op("scaled", "mul", (1, 6), [value], [gain])
    return sketch.program(sketch.op("v_y" if fold else "y", "tanh", (1, 6), [value]))


KERNEL, GAIN = RANDOM.normal(size=(6, 6)), 0.3


@pytest.mark.parametrize("folded", [True, False])
def test_a_folded_product_is_what_the_kernel_gives_where_values_say_so(folded):
    reference, candidate = scaled("op", fold=False), scaled("node", fold=True)
    before = match(reference, candidate)
    assert {m.reference: m.candidate for m in before.matches}["fc"] == "v_fc"
    plain = RANDOM.normal(size=(1, 6))
    ours = {"fc": fingerprint(plain), "scaled": fingerprint(GAIN * plain)}
    theirs = {"v_fc": fingerprint(GAIN * plain if folded else 2 * plain)}
    found = rematch(reference, candidate, before, (ours, theirs))
    pairs = {m.candidate: m.reference for m in found.matches}
    assert pairs["v_fc"] == ("scaled" if folded else "fc")
    assert ("fc" in {u.site for u in found.unpaired}) == folded


def cosine(kind: str, inner: str, prefix: str = "") -> Program:
    """A result in three steps, the first two of which may follow another formula."""
    sketch = Sketch(kind)
    x = sketch.input("x", SHAPE)
    value = sketch.op(f"{prefix}first", inner, SHAPE, [x])
    value = sketch.op(f"{prefix}second", "tanh", SHAPE, [value])
    value = sketch.op(f"{prefix}sum", "sin", SHAPE, [value])
    return sketch.program(sketch.op(f"{prefix}last", "cos", SHAPE, [value]))


@pytest.mark.parametrize(
    ("inner", "agreeing"),
    [("Mul", "x sum last"), ("Mul", "x"), ("Div", "x sum last"), ("Mul", "sum last")],
)
def test_steps_of_another_formula_are_no_pairs_where_operands_and_result_agree(inner, agreeing):
    reference, candidate = cosine("op", "div"), cosine("node", inner, "v_")
    matches = []
    prints: tuple[dict, dict] = {}, {}
    for name in ("x", "first", "second", "sum", "last"):
        value, other = RANDOM.normal(size=(2, *SHAPE))
        theirs = name if name == "x" else f"v_{name}"
        prints[0][name] = fingerprint(value)
        prints[1][theirs] = fingerprint(value if name in agreeing.split() else other)
        matches.append(Match(name, theirs, "topology", 0.95))
    found = rematch(reference, candidate, Pairing(tuple(matches), ()), prints)
    kept = {m.reference for m in found.matches}
    dropped = inner == "Mul" and agreeing == "x sum last"
    assert kept == {"x", "sum", "last"} | (set() if dropped else {"first", "second"})
    doubted = {m.reference for m in found.matches if m.confidence < 0.9}
    assert doubted == ({"first", "second"} if agreeing == "sum last" else set())
