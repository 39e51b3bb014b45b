"""The logits of an attention that are missing beside its mask: a softmax of the mask alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from divergence.diagnose.builder import Builder, Make, Place
from divergence.diagnose.masking import ATTENTION
from divergence.diagnose.suspect import Suspect
from divergence.records import Site

# ATen ops that give a value as it is, but for axes of length one.
COPYING = frozenset({"clone", "contiguous", "unsqueeze"})


@dataclass(frozen=True, slots=True)
class Logits:
    """An attention of the reference, and what adds its logits to a mask at a place."""

    site: Site
    place: Place
    make: Make


def logits(suspect: Suspect) -> Iterator[Logits]:
    """Yield the products of queries and keys that no node of the segment reads any more."""
    made = {output for node in suspect.region.nodes for output in node.output}
    for softmax in suspect.region.node("Softmax"):
        mask = softmax.input[0]
        place = Place(mask) if mask in made else Place(softmax.output[0], operand=0)
        for site in suspect.region.sites(ATTENTION):
            make = _product(suspect, site)
            if make is not None:
                yield Logits(site, place, make)


def _product(suspect: Suspect, site: Site) -> Make | None:
    """Return what adds the scaled product of an attention's queries and keys to a value.

    Softmax(Q K^T scale + mask) V, where the scale is one over the root of the width unless it is
    given (PyTorch documentation of `scaled_dot_product_attention`).
    """
    query, key = (_read(suspect, name) for name in site.inputs[:2])
    if query is None or key is None:
        return None
    width, rank = suspect.feeds[query].shape[-1], suspect.feeds[query].ndim
    scale = float(site.attributes.get("scale") or 1 / math.sqrt(width))
    if rank < 2 or suspect.feeds[key].shape[-1] != width or suspect.feeds[key].ndim != rank:
        return None
    turned = [*range(rank - 2), rank - 1, rank - 2]

    def make(builder: Builder, mask: str) -> str:
        turn = builder.node("Transpose", key, perm=turned)
        product = builder.node("MatMul", builder.node("Mul", query, scale), turn)
        return builder.node("Add", product, mask)

    return make


def _read(suspect: Suspect, name: str) -> str | None:
    """Return the candidate's value for one that an attention reads, if no node reads that.

    Axes of length one that PyTorch puts before the others make no other product.
    """
    sites = {site.name: site for site in suspect.region.reference.sites}
    while name in sites and sites[name].op in COPYING:
        name = sites[name].inputs[0]
    partner = suspect.region.partners.get(name)
    if partner is None or partner not in suspect.feeds or partner in suspect.region.reads():
        return None
    return partner
