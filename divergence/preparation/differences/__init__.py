"""In what two recipes differ, one cause a file; the same verb, `find`, in each.

The order is that in which a reader should hear of them: from the picture to the values.
"""

from divergence.preparation.differences import (
    channel_order,
    geometry,
    layout,
    mean_std,
    orientation,
    ranges,
    resize_kernel,
    values,
)
from divergence.preparation.differences.difference import Difference

DETECTORS = (
    geometry,
    orientation,
    resize_kernel,
    values,
    channel_order,
    ranges,
    mean_std,
    layout,
)

__all__ = ["DETECTORS", "Difference"]
