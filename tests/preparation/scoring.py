"""How an explanation is judged: causes named, parameters recovered."""

from __future__ import annotations

import numpy as np


def causes_right(explanation, changes) -> bool:
    """Exactly the causes that were planted, no more and no fewer."""
    return {f.cause for f in explanation.findings} == {change.cause for change in changes}


def parameters_right(explanation, changes) -> bool:
    """Every planted parameter recovered, numbers to within 1 %."""
    found = {f.cause: f.parameters for f in explanation.findings}
    return all(
        change.cause in found and matches(found[change.cause].get(key), wanted)
        for change in changes
        for key, wanted in change.expected.items()
    )


def matches(got, wanted) -> bool:
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(matches(got.get(k), v) for k, v in wanted.items())
    if isinstance(wanted, str | bool):
        return got == wanted
    if got is None or isinstance(got, str | dict) or np.shape(got) != np.shape(wanted):
        return False
    return bool(np.allclose(got, wanted, rtol=0.01, atol=1e-6))
