"""attribute.shuffle: depth-to-space in the other mode, channels shuffled in another order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from divergence.diagnose.edits import set_attributes
from divergence.diagnose.reading import attribute
from divergence.diagnose.regroup import lacking, others, split_otherwise, swaps
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attribute.shuffle"

# PyTorch's pixel_shuffle takes channels column-row-depth; ONNX's default is the other.
OTHER = {"DCR": "CRD", "CRD": "DCR"}
# A picture has a batch, channels, height and width; a shuffle splits its axes further.
PICTURE = 4


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Turn the mode of each DepthToSpace over; swap axes where a shuffle is spelled out."""
    found = [_mode(node) for node in suspect.region.node("DepthToSpace")]
    if shuffles(suspect):
        found += [*swaps(suspect), *split_otherwise(suspect)]
    return found or "no node of the segment shuffles channels"


def search(suspect: Suspect) -> Iterator[Hypothesis]:
    """Try a permutation that is missing, and every other order, where a shuffle is spelled out."""
    if shuffles(suspect):
        yield from lacking(suspect)
        yield from others(suspect)


def shuffles(suspect: Suspect) -> bool:
    """Whether the reference shuffles channels or pixels here.

    Either an op or a module says so by its name, or a picture is split into five axes and more
    that are permuted and put together to a picture of the same batch.
    """
    region = suspect.region
    if any("shuffle" in s.op.lower() for s in (*region.reference.sites, *region.regrouping)):
        return True
    shapes = [site.shape for site in region.regrouping if site.shape]
    if not shapes or max(map(len, shapes)) <= PICTURE:
        return False
    first, last = shapes[0], shapes[-1]
    return len(first) == len(last) == PICTURE and first[0] == last[0]


def _mode(node: NodeProto) -> Hypothesis:
    name, found = node.name or node.output[0], attribute(node, "mode", "DCR")
    want = OTHER[found]
    return Hypothesis(
        edit=set_attributes(node.output[0], {"mode": want}, f"set mode of {name} to {want}"),
        explanation=f"DepthToSpace {name} orders channels {found} instead of {want}",
        evidence=(Evidence(f"mode of {name}", want, found),),
        remedy=f"Set mode of {name} to {want}, or export again.",
        parameters={"mode": [want, found]},
    )
