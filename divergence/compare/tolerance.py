"""How far apart two values may be by a plain tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from divergence.compare.dtypes import DType, coarser, epsilon, is_float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Allows |reference - candidate| <= atol + rtol * |reference|, element by element."""

    rtol: float
    atol: float


EXACT = Tolerance(rtol=0.0, atol=0.0)
RTOLS = (1e-4, 1e-3, 1e-2)  # what users ask for

# The defaults of torch.testing.assert_close (torch 2.14, testing/_comparison.py,
# _DTYPE_PRECISIONS), which were chosen for two implementations of one operator; a whole network
# may be further off and still right, which is what the floor is for. Floating types that torch
# does not list (float8) are allowed one step, integers nothing.
TOLERANCES: Mapping[str, Tolerance] = MappingProxyType(
    {
        "float64": Tolerance(rtol=1e-7, atol=1e-7),
        "float32": Tolerance(rtol=1.3e-6, atol=1e-5),
        "float16": Tolerance(rtol=1e-3, atol=1e-5),
        "bfloat16": Tolerance(rtol=1.6e-2, atol=1e-5),
    }
)


def tolerance_for(reference: DType, candidate: DType) -> Tolerance:
    """Return what two values of these types are allowed by default.

    >>> import numpy as np
    >>> tolerance_for(np.dtype("float32"), np.dtype("float16"))
    Tolerance(rtol=0.001, atol=1e-05)
    >>> tolerance_for(np.dtype("int64"), np.dtype("int64"))
    Tolerance(rtol=0.0, atol=0.0)
    """
    judged = coarser(reference, candidate)
    if not is_float(judged):
        return EXACT
    return TOLERANCES.get(judged.name, Tolerance(rtol=epsilon(judged), atol=1e-5))
