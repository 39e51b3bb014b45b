"""Which nodes of a segment that adds an error are to blame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from divergence.capture.onnx_program import BODY
from divergence.diagnose.edits import Edit
from divergence.diagnose.level import OWN_NAME
from divergence.diagnose.segments import Segment
from divergence.diagnose.suspects import Scene
from divergence.records import Introduced, Match, Site

# Behind these a value may be right although an error went in: they choose some elements, bound
# or compare them, or are blind to an offset or a gain. Nodes before them are not exonerated.
HIDING = frozenset(
    {"ArgMax", "ArgMin", "AveragePool", "Cast", "Ceil", "Clip", "Equal", "Floor", "Gather"}
    | {"GatherElements", "GatherND", "GlobalAveragePool", "GlobalMaxPool", "Greater"}
    | {"GreaterOrEqual", "GroupNormalization", "HardSigmoid", "If", "InstanceNormalization"}
    | {"IsNaN", "LayerNormalization", "Less", "LessOrEqual", "LogSoftmax", "Loop", "Max"}
    | {"MaxPool", "Min", "Mod", "NonMaxSuppression", "Not", "QuantizeLinear", "RMSNormalization"}
    | {"ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Resize", "RoiAlign"}
    | {"Round", "Scan", "Shape", "Sign", "Size", "Slice", "Softmax", "Split", "ThresholdedRelu"}
    | {"TopK", "Where"}
)
# As many nodes as a reader looks through; beyond it, less likely ones are left out too.
MOST_NODES = 12


@dataclass(frozen=True, slots=True)
class Clean:
    """Values of segments that add nothing. right: those that cannot be wrong; through: all."""

    right: frozenset[str]
    through: frozenset[str]


def clean_values(scene: Scene, introduced: Mapping[Match, Introduced], limit: float) -> Clean:
    """Return the values that speak for the nodes that make them."""
    segments = [
        scene.candidate_segment(match.candidate)
        for match, added in introduced.items()
        if added.multiple <= limit
    ]
    return Clean(
        right=frozenset(name for segment in segments for name in _exonerated(segment)),
        through=frozenset(site.name for segment in segments for site in segment.sites),
    )


def blamed(scene: Scene, end: str, clean: Clean) -> tuple[str, ...]:
    """Return the nodes to blame for `end`: those that cannot be are left out, if any stay.

    Where too many would stay, so are those that are less likely: an error of theirs would have
    to heal on the way to other values that are right.
    """
    sites = list(scene.candidate_segment(end).sites)
    for clear in (clean.right, scene.shapes):
        sites = [site for site in sites if site.name not in clear] or sites
    constant = frozenset(s.name for s in sites if scene.candidate_sites[s.name].constant)
    for clear in (constant, clean.through, scene.sizes):
        if len(node_names(sites)) > MOST_NODES:
            sites = [site for site in sites if site.name not in clear] or sites
    return (*node_names(sites), *_copies(scene, end))


def nearest(scene: Scene, end: str, nodes: Sequence[str], edits: Sequence[Edit]) -> tuple[str, ...]:
    """Return `nodes` with the places of what heals; where there are too many, those around it."""
    sites = scene.candidate_segment(end).sites
    near = {value for edit in edits for value in edit.values} & {site.name for site in sites}
    healing = node_names([site for site in sites if site.name in near])
    known = {*nodes, *healing}
    inner = [name for name in node_names(sites) if name in known]
    nodes = (*inner, *(name for name in nodes if name not in inner))
    kept: tuple[str, ...] = ()
    while len(nodes) > MOST_NODES:
        names = set(node_names([site for site in sites if site.name in near]))
        inside = tuple(node for node in nodes if node in names)
        if inside == kept or (kept and len(inside) > MOST_NODES):
            break
        kept = inside
        behind = {site.name for site in sites if near.intersection(site.inputs)}
        near |= behind.union(*(site.inputs for site in sites if site.name in near))
    return kept or tuple(nodes)


def node_names(sites: Sequence[Site]) -> tuple[str, ...]:
    """Return the names of the nodes of these sites in order, each once, constants left out.

    A node in a body goes by its own name, as it stands in the file.
    """
    names = (_own_name(site) for site in sites)
    return tuple(
        dict.fromkeys(
            name
            for name, site in zip(names, sites, strict=True)
            if site.kind == "node" and not site.constant and name
        )
    )


def _own_name(site: Site) -> str:
    own = site.attributes.get(OWN_NAME)
    return str(own) if own else site.node.removeprefix(str(site.attributes.get(BODY, "")))


def _copies(scene: Scene, end: str) -> tuple[str, ...]:
    """Return the nodes that pass a value on as it is, where nothing but that is compared."""
    names = {end}
    for site in scene.candidate.sites:
        if site.alias_of in names and site.name not in scene.origins:
            names.add(site.name)
    return node_names([s for s in scene.candidate.sites if s.name in names and s.name != end])


def _exonerated(segment: Segment) -> set[str]:
    """Return the values of a clean segment that cannot be wrong without its end being wrong."""
    known = {site.name: site for site in segment.sites}
    right: set[str] = set()
    stack = [segment.end]
    while stack:
        site = known.get(stack.pop())
        if site is None or site.name in right:
            continue
        right.add(site.name)
        if site.op.rpartition("::")[2] not in HIDING:
            stack.extend(site.inputs)
    return right
