"""What a detector looks at: one culprit's segment on both sides, and a way to try a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.distance import Bound
from divergence.diagnose.edits import Edit
from divergence.diagnose.segments import Segment
from divergence.diagnose.trial import Trial
from divergence.records import Array, Evidence, Match, Site, Weight

if TYPE_CHECKING:
    from onnx import NodeProto
    from torch import nn


@dataclass(frozen=True)
class Region:
    """A segment on both sides, as the graphs show it.

    match: the pair at its end. reference, candidate: what computes it on each side.
    nodes: the candidate's nodes in order, but for those that compute shapes. readers: the nodes
    within a few steps behind the segment, nearest first.
    module_by_name: the reference's modules, none where there are none to look into.
    reference_weights, candidate_weights: by name, of the whole programs.
    partners: reference site name -> candidate value name, for every boundary.
    regrouping: the reference's chain of views and permutations that the segment is part of,
        from the value that it starts with; empty where it is part of none.
    moving: those of the reference's sites that depend on an input.
    restored: the candidate's constants that were quantised, with how far that may have moved them.
    """

    match: Match
    reference: Segment
    candidate: Segment
    nodes: tuple[NodeProto, ...]
    readers: tuple[NodeProto, ...]
    module_by_name: Mapping[str, nn.Module]
    reference_weights: Mapping[str, Weight]
    candidate_weights: Mapping[str, Weight]
    partners: Mapping[str, str]
    regrouping: tuple[Site, ...] = ()
    moving: frozenset[str] = frozenset()
    restored: Mapping[str, float] = field(default_factory=dict)

    def node(self, *op_types: str) -> list[NodeProto]:
        """Return the segment's nodes of these op types, in order."""
        return [node for node in self.nodes if node.op_type in op_types]

    def sites(self, *ops: str) -> list[Site]:
        """Return the reference's sites of these ops (class names or ATen ops), in order."""
        return [site for site in self.reference.sites if site.op in ops]

    def reads(self) -> set[str]:
        """Return the boundaries that the segment's nodes read as data, not for their shape."""
        return {name for node in self.nodes for name in node.input} & set(self.candidate.inputs)

    def modules(self) -> list[tuple[str, nn.Module]]:
        """Return the reference's modules that the segment runs through, innermost last."""
        known = self.module_by_name
        scopes = dict.fromkeys(site.scope for site in self.reference.sites)
        return [(scope, known[scope]) for scope in scopes if scope in known]

    def constant(self, name: str) -> Array | None:
        """Return the values of a candidate's constant, None where `name` is not one."""
        weight = self.candidate_weights.get(name)
        return None if weight is None else weight.load()


@dataclass(frozen=True)
class Suspect:
    """A region that adds an error beyond the floor, with its values and a way to try a change.

    feeds: candidate value name -> the reference's value there, in the candidate's layout and
        dtype, for every boundary that either side's segment reads.
    expected, produced: what the segment should make of the feeds, and what it makes.
    bound: greatest errors that rounding explains here.
    reference_values: the inner ones (`inner_values`), by the reference's site names.
    """

    region: Region
    feeds: Mapping[str, Array]
    expected: Array
    produced: Array
    bound: Bound
    trial: Trial
    reference_values: Mapping[str, Array] = field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the segment computes in: of its result, before indices or masks are made of it."""
        values = (self.produced, *self.feeds.values())
        return next((v.dtype for v in values if v.dtype.kind in "fV"), self.produced.dtype)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A cause that the evidence suggests, and the edit that would undo it.

    nodes: those outside the segment that may be to blame instead. rounding: the edit undoes no
        more than a few units in the last place.
    """

    edit: Edit
    explanation: str
    evidence: tuple[Evidence, ...]
    remedy: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    rounding: bool = False
