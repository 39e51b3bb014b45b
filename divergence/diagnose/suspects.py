"""Gather what detectors look at: the culprits' segments, their values, a way to try changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.distance import Bound
from divergence.diagnose.inner import inner_values
from divergence.diagnose.integers import half_step
from divergence.diagnose.layout import to_candidate
from divergence.diagnose.segments import (
    Segment,
    awake,
    index,
    readers_of_constants,
    segment,
)
from divergence.diagnose.shapes import shape_values
from divergence.diagnose.suspect import Region, Suspect
from divergence.diagnose.trial import Trial
from divergence.records import Array, Match, Program, Site

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto
    from torch import nn

# ATen ops that give the same elements in another arrangement.
REGROUPING = frozenset(
    {"channel_shuffle", "clone", "contiguous", "flatten", "movedim", "permute", "pixel_shuffle"}
    | {"pixel_unshuffle", "reshape", "squeeze", "swapaxes", "transpose", "unflatten", "unsqueeze"}
    | {"unsafe_view", "view"}
)
# How far behind a segment its readers are looked for: a scale, a mask and a softmax.
READERS = 4


@dataclass(frozen=True)
class Scene:
    """Both sides of a trace as diagnosis sees them: programs of the files as given, and pairs.

    matches: those that may bound a segment: sure enough, observable, of the top graph.
    model: the candidate's graph (functions inlined, named nodes), weights apart.
    misshapen: those of the matches where the candidate's value has another shape.
    """

    reference: Program
    candidate: Program
    matches: tuple[Match, ...]
    model: ModelProto
    module: nn.Module | None
    misshapen: frozenset[Match] = frozenset()

    @cached_property
    def reference_sites(self) -> Mapping[str, Site]:
        """The reference's sites by name."""
        return index(self.reference)

    @cached_property
    def candidate_sites(self) -> Mapping[str, Site]:
        """The candidate's sites by name."""
        return index(self.candidate)

    @cached_property
    def partners(self) -> Mapping[str, str]:
        """Candidate value by reference site, for every boundary."""
        return {match.reference: match.candidate for match in self.matches}

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """Reference site by candidate value, for every boundary."""
        return {match.candidate: match.reference for match in self.matches}

    @cached_property
    def shapes(self) -> frozenset[str]:
        """The candidate's values that are shapes."""
        return shape_values(self.candidate)

    @cached_property
    def sizes(self) -> frozenset[str]:
        """The candidate's values that are shapes, or numbers computed of shapes."""
        return shape_values(self.candidate, floating=True)

    @cached_property
    def nodes(self) -> Sequence[NodeProto]:
        """The top graph's nodes in the file's order."""
        return tuple(self.model.graph.node)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each node stands among them, by name."""
        return {node.name: number for number, node in enumerate(self.nodes)}

    @cached_property
    def uses(self) -> Mapping[str, Sequence[int]]:
        """Where the nodes stand that read a value, bodies included."""
        from divergence.capture.onnx_file import operands

        found: dict[str, list[int]] = {}
        for number, node in enumerate(self.nodes):
            for name in dict.fromkeys(operands(node)):
                found.setdefault(name, []).append(number)
        return found

    @cached_property
    def restored(self) -> Mapping[str, float]:
        """The candidate's constants that were quantised, or made of such, with half a step."""
        found: dict[str, float] = {}
        for site in self.candidate.sites:
            if not site.constant:
                continue
            if site.op == "DequantizeLinear":
                found[site.name] = half_step(self.candidate.weights[site.weights[1]].load())
            elif known := [found[name] for name in site.weights if name in found]:
                found[site.name] = max(known)
        return found

    @cached_property
    def module_by_name(self) -> Mapping[str, nn.Module]:
        """The reference's modules by qualified name; none where there are none to look into."""
        return {} if self.module is None else dict(self.module.named_modules())

    @cached_property
    def moving(self) -> frozenset[str]:
        """The reference's sites that depend on an input."""
        found: set[str] = set()
        for site in self.reference.sites:
            if site.kind == "input" or found.intersection(site.inputs):
                found.add(site.name)
        return frozenset(found)

    @cached_property
    def _segments(self) -> dict[str, Segment]:
        return {}

    def reference_segment(self, end: str) -> Segment:
        """Return what computes `end` on the reference's side."""
        return segment(self.reference_sites, end, self.partners)

    def candidate_segment(self, end: str) -> Segment:
        """Return what computes `end` on the candidate's side."""
        if end not in self._segments:
            found = segment(self.candidate_sites, end, self.origins)
            self._segments[end] = awake(found, self.candidate_sites, self._readers)
        return self._segments[end]

    @cached_property
    def _readers(self) -> Mapping[str, set[str]]:
        return readers_of_constants(self.candidate)

    def without(self, matches: Collection[Match]) -> Scene:
        """Return the scene with fewer boundaries."""
        return replace(self, matches=tuple(m for m in self.matches if m not in matches))


def needed(scene: Scene, matches: Sequence[Match]) -> set[str]:
    """Return the reference's sites whose values the suspects of these matches need."""
    partners, back = scene.partners, scene.origins
    names: set[str] = set()
    for match in matches:
        names |= inner_values(scene.reference_segment(match.reference).sites, scene.moving)
        names.add(match.reference)
        names.update(n for n in scene.reference_segment(match.reference).inputs if n in partners)
        names.update(back[n] for n in scene.candidate_segment(match.candidate).inputs if n in back)
    return names


def region(scene: Scene, match: Match) -> Region:
    """Return the segment that ends at `match`, on both sides."""
    candidate = scene.candidate_segment(match.candidate)
    return Region(
        match=match,
        reference=scene.reference_segment(match.reference),
        candidate=candidate,
        nodes=tuple(_nodes(scene, candidate, scene.shapes)),
        readers=tuple(_readers(scene, match.candidate)),
        module_by_name=scene.module_by_name,
        reference_weights=scene.reference.weights,
        candidate_weights=scene.candidate.weights,
        partners=scene.partners,
        restored=scene.restored,
        regrouping=tuple(_regrouping(scene, scene.reference_segment(match.reference))),
        moving=scene.moving,
    )


def _regrouping(scene: Scene, segment: Segment) -> list[Site]:
    """Return the chain of regrouping ops that runs through a segment, with what it starts from."""
    sites = scene.reference_sites
    chain = [site for site in segment.sites if site.op in REGROUPING]
    if not chain:
        return []
    first = chain[0]
    while first.op in REGROUPING and first.inputs and first.inputs[0] in sites:
        first = sites[first.inputs[0]]
        chain.insert(0, first)
    behind = chain[-1].name
    for site in scene.reference.sites:
        if site.op in REGROUPING and site.inputs[:1] == (behind,) and not site.alias_of:
            chain.append(site)
            behind = site.name
    return chain


def suspect(
    scene: Scene,
    match: Match,
    values: Mapping[str, Array],
    inputs: Mapping[str, Array],
    bound: Bound,
) -> Suspect | None:
    """Build the suspect at the end of `match`; None where its segment cannot be run alone.

    values: the reference's, by site name (`needed`). inputs: the candidate's, by input name.
    """
    place = region(scene, match)
    nodes = tuple(_nodes(scene, place.candidate))
    feeds = _feeds(scene, place.reference, place.candidate, values, inputs)
    if any(name not in feeds for name in place.candidate.inputs):
        return None
    trial = Trial(
        model=scene.model,
        nodes=nodes,
        constants=_constants(scene, nodes),
        feeds=feeds,
        output=match.candidate,
    )
    produced = trial.run()
    if produced is None:
        return None
    shape = None if match in scene.misshapen else produced.shape
    site = replace(scene.candidate_sites[match.candidate], shape=shape, dtype=produced.dtype.name)
    expected = to_candidate(values[match.reference], match.alignment, site)
    if expected is None:
        return None
    named = inner_values(place.reference.sites, place.moving)
    known = {name: value for name, value in values.items() if name in named}
    return Suspect(place, feeds, expected, produced, bound, trial, known)


def _feeds(
    scene: Scene,
    reference: Segment,
    candidate: Segment,
    values: Mapping[str, Array],
    inputs: Mapping[str, Array],
) -> dict[str, Array]:
    """Return the reference's values at the boundaries, as the candidate would hold them."""
    sites = scene.candidate_sites
    wanted = {*reference.inputs, *candidate.inputs}
    feeds = {name: inputs[name] for name in candidate.inputs if name in inputs}
    for match in scene.matches:
        if match.candidate in feeds or match.reference not in values:
            continue
        if match.reference in wanted or match.candidate in wanted:
            value = to_candidate(values[match.reference], match.alignment, sites[match.candidate])
            if value is not None:
                feeds[match.candidate] = value
    return feeds


def _nodes(scene: Scene, candidate: Segment, without: Collection[str] = ()) -> Iterator[NodeProto]:
    """Yield the top graph's nodes of a segment in the file's order.

    without: values whose nodes are left out.
    """
    sites = (site for site in candidate.sites if not site.constant)
    names = {site.node for site in sites if site.name not in without}
    numbers = sorted(scene.places[name] for name in names if name in scene.places)
    yield from (scene.nodes[number] for number in numbers)


def _constants(scene: Scene, nodes: Sequence[NodeProto]) -> dict[str, Any]:
    """Return the constants that the nodes and their bodies read, as the file holds them."""
    from divergence.capture.onnx_file import operands

    made = {output for node in nodes for output in node.output}
    names = {name for node in nodes for name in operands(node) if name not in made}
    weights = scene.candidate.weights
    return {name: np.asarray(weights[name].load()) for name in names if name in weights}


def _readers(scene: Scene, value: str) -> Iterator[NodeProto]:
    """Yield the nodes that read `value`, then those behind them, a few steps far."""
    reached = {value}
    for _ in range(READERS):
        numbers = {number for name in reached for number in scene.uses.get(name, ())}
        behind = [scene.nodes[number] for number in sorted(numbers)]
        yield from behind
        reached = {output for node in behind for output in node.output}
