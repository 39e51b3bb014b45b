"""Pairs that are none are told from segments that are wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import divergence
from divergence.diagnose.mispairs import _drowned, settle
from divergence.diagnose.suspects import Scene
from divergence.records import Introduced, Match, Program, Site
from tests.zoo.special import export

CHAIN = ("a", "b", "c", "d", "e")


def program(kind, prefix):
    sites = [Site(f"{prefix}x", "input", "", "", 0)]
    for order, name in enumerate(CHAIN, 1):
        reads = (sites[-1].name,)
        sites.append(Site(prefix + name, kind, "Op", "", order, inputs=reads, node=name))
    return Program(tuple(sites), {}, (f"{prefix}e",), ("out",))


def scene():
    matches = tuple(Match(name, f"v{name}", "names", 1.0) for name in CHAIN)
    return Scene(program("op", ""), program("node", "v"), matches, None, None)


def added(wrong, matches):
    return {m: Introduced(1.0, 1e6 if m.reference in wrong else 0.5, 1e-7) for m in matches}


def of(names):
    return [m for m in scene().matches if m.reference in names]


def settled(first, later, strange=()):
    """Settle a scene; first: what looks wrong; later: what does between fewer boundaries."""
    given = scene()
    runs = []

    def remeasure(scene):
        runs.append([m.reference for m in scene.matches])
        return added(later, scene.matches)

    def strangers(_scene, _introduced, matches):
        return [m for m in matches if m.reference in strange]

    return settle(given, added(first, given.matches), remeasure, strangers, 10.0), runs


def test_a_segment_that_is_wrong_alone_is_no_wrong_pair():
    found, runs = settled({"b"}, set())
    assert not found.wrong
    assert not runs


def test_a_pair_whose_reader_looks_wrong_too_is_left_out_where_that_heals():
    found, _ = settled({"b", "c"}, set())
    assert [m.reference for m in found.wrong] == ["b"]
    assert found.scene.matches == tuple(of("acde"))


def test_a_pair_stays_where_leaving_it_out_heals_nothing():
    found, _ = settled({"b", "c"}, {"c"})
    assert not found.wrong


def test_values_that_were_taken_for_others_together_are_left_out_together():
    found, _ = settled({"b", "d"}, set())
    assert {m.reference for m in found.wrong} == {"b", "c"}


def test_one_that_holds_another_value_is_left_out_although_its_reader_is_wrong_itself():
    found, _ = settled({"b", "c"}, {"c"}, strange={"b"})
    assert [m.reference for m in found.wrong] == ["b"]
    assert [m.reference for m, a in found.introduced.items() if a.multiple > 10] == ["c"]


def test_another_value_whose_reader_does_not_show_it_is_no_pair():
    """As where it is multiplied by zeros."""
    assert [m.reference for m in settled({"b"}, set(), strange={"b"})[0].wrong] == ["b"]
    assert not settled({"b"}, {"c"}, strange={"b"})[0].wrong  # it is wrong: what follows shows it


@pytest.mark.parametrize("wrong", ["e", "a"])
def test_the_ends_of_the_network_may_be_wrong(wrong):
    found, _ = settled({wrong}, {wrong})
    assert not found.wrong


def test_an_error_that_only_a_wider_floor_hides_is_no_wrong_pair():
    before, wider = Introduced(2.0, 1e6, 1e-6), Introduced(2.0, 0.5, 4.0)
    assert _drowned(before, wider, 10.0)
    assert not _drowned(before, Introduced(1e-7, 0.1, 4.0), 10.0)
    assert not _drowned(None, wider, 10.0)


def spoiled(multiple, error):
    """Settle a scene in which b looks wrong and c nearly; without b, c is `error` off."""
    given = scene()
    (c,) = of("c")
    first = {**added({"b"}, given.matches), c: Introduced(1.0, multiple, 1e-7)}

    def remeasure(scene):
        return {**added(set(), scene.matches), c: Introduced(error, 0.5, 1e-7)}

    return settle(given, first, remeasure, lambda *_: [], 10.0)


def test_a_pair_that_spoils_its_reader_a_little_is_left_out_where_that_relieves_it():
    assert [m.reference for m in spoiled(9.0, 0.1).wrong] == ["b"]
    assert not spoiled(9.0, 0.9).wrong  # what b adds goes on to c
    assert not spoiled(0.9, 0.1).wrong  # c rounds as it should


class Frozen(nn.Module):
    """A residual block whose norms are arithmetic with buffers, all but identities."""

    def __init__(self):
        super().__init__()
        self.first, self.short = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(3, 16, 1, bias=False)
        self.last = nn.Conv2d(16, 4, 1)
        self.register_buffer("gain", torch.ones(1, 16, 1, 1))
        self.register_buffer("variance", torch.ones(1, 16, 1, 1))

    def forward(self, x):
        scale = self.gain * (self.variance + 1e-5).rsqrt()
        norm = self.short(x) * scale + (0 * self.gain - 0 * scale)
        return self.last((20 * self.first(x) + norm).relu())


@pytest.mark.filterwarnings("ignore")
def test_a_convolution_that_was_paired_with_its_frozen_norm_is_no_fault():
    torch.manual_seed(0)
    model, x = Frozen().eval(), torch.randn(1, 3, 16, 16)
    assert divergence.trace(model, export(model, (x,)), x).verdict.status == "rounding"


def summed(strange, later):
    """Settle a sum whose operands `l` and `r` look wrong, the sum and what follows do not."""

    def made(kind, prefix):
        reads = {"l": "x", "r": "x", "s": ("l", "r"), "e": "s"}
        sites = [Site(f"{prefix}x", "input", "", "", 0)]
        for order, (name, inputs) in enumerate(reads.items(), 1):
            given = tuple(prefix + n for n in inputs)
            sites.append(Site(prefix + name, kind, "Op", "", order, inputs=given, node=name))
        return Program(tuple(sites), {}, (f"{prefix}e",), ("out",))

    matches = tuple(Match(name, f"v{name}", "names", 1.0) for name in "lrse")
    given = Scene(made("op", ""), made("node", "v"), matches, None, None)
    return settle(
        given,
        added({"l", "r"}, matches),
        lambda left: added(later, left.matches),
        lambda _scene, _added, asked: [m for m in asked if m.reference in strange],
        10.0,
    )


def test_operands_that_are_taken_for_each_other_are_no_pairs():
    found = summed({"l", "r"}, set())
    assert {m.reference for m in found.wrong} == {"l", "r"}


@pytest.mark.parametrize(("strange", "later"), [((), ()), (("l", "r"), ("s",))])
def test_operands_that_are_wrong_stay_accused(strange, later):
    """They hold no other value of the reference, or what reads them is wrong without them."""
    assert not summed(set(strange), {"l", "r", *later}).wrong
