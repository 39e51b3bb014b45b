"""What quantisers do to a graph: ranges that begin at zero in place of a Relu, integer tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from divergence.matching.kinds import normal
from divergence.records import Site, Weight

# Operators on quantised integers that a Relu may have been dropped behind: where the zero point of
# the result stands among their weights. A convolution's bias stands behind it.
ZERO_POINT = {"qlinearconv": 6, "qlinearadd": -1, "qlinearmatmul": -1, "qgemm": -1}


def clips(site: Site, weights: Mapping[str, Weight]) -> bool:
    """Return whether a quantisation cuts off what is below zero, as a Relu would.

    Its zero point is the least integer there is.
    """
    known = normal(site.op) == "quantizelinear" and len(site.weights) > 1
    return known and _is_least(weights[site.weights[1]])


def has_relu(site: Site, weights: Mapping[str, Weight]) -> bool:
    """Return whether an operator on quantised integers cuts its own result off like that."""
    place = ZERO_POINT.get(normal(site.op))
    if place is None or len(site.weights) <= max(place, 1):
        return False
    return _is_least(weights[site.weights[place]])


def is_quantised_table(site: Site, weights: Mapping[str, Weight]) -> bool:
    """Return whether a site looks rows up in an embedding's table of 8-bit integers."""
    table = weights.get(site.weights[0]) if site.weights else None
    return normal(site.op) == "gather" and table is not None and table.dtype in {"int8", "uint8"}


def _is_least(zero: Weight) -> bool:
    """Return whether a zero point is the least integer of its type."""
    if zero.dtype not in {"int8", "uint8", "int16", "uint16"}:
        return False
    return bool((zero.load() == np.iinfo(zero.dtype).min).all())
