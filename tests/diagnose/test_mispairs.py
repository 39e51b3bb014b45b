"""Pairs that are none are told from segments that are wrong."""

from __future__ import annotations

import pytest

from divergence.diagnose.mispairs import _drowned, settle
from divergence.diagnose.suspects import Scene
from divergence.records import Introduced, Match, Program, Site

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

    def remeasure(matches):
        runs.append([m.reference for m in matches])
        return added(later, matches)

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


@pytest.mark.parametrize("wrong", ["e", "a"])
def test_the_ends_of_the_network_may_be_wrong(wrong):
    found, _ = settled({wrong}, {wrong})
    assert not found.wrong


def test_an_error_that_only_a_wider_floor_hides_is_no_wrong_pair():
    before, wider = Introduced(2.0, 1e6, 1e-6), Introduced(2.0, 0.5, 4.0)
    assert _drowned(before, wider, 10.0)
    assert not _drowned(before, Introduced(1e-7, 0.1, 4.0), 10.0)
    assert not _drowned(None, wider, 10.0)
