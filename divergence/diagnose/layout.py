"""Bring the reference's value into the candidate's layout, to feed it."""

from __future__ import annotations

import numpy as np

from divergence.compare.dtypes import dtype_named
from divergence.records import Alignment, Array, Site


def to_candidate(reference: Array, alignment: Alignment | None, site: Site) -> Array | None:
    """Undo `alignment`: return the value as the candidate's `site` would hold it.

    None where the site's shape does not take it. The dtype becomes the site's.
    """
    value = np.asarray(reference)
    permutation = alignment.permutation if alignment else None
    shape = site.shape
    if shape is not None and int(np.prod(shape)) != value.size:
        return None
    if permutation is not None:
        if shape is not None:
            value = value.reshape([shape[axis] for axis in permutation])
        elif value.ndim != len(permutation):
            return None
        value = value.transpose(np.argsort(permutation))
    if shape is not None:
        value = value.reshape(shape)
    if site.dtype is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            value = value.astype(dtype_named(site.dtype), copy=False)
    return np.asarray(value, order="C")  # ascontiguousarray makes a scalar a vector
