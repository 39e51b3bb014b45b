"""Results kept between runs: an interrupted suite goes on where it was."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.matching.suite.measure import Result

_ROOT = Path(__file__).parents[3]
_SOURCES = ("divergence/matching", "divergence/capture", "divergence/load", "tests/matching/suite")


def kept(path: Path, measure: Callable[[], list[Result]]) -> list[Result]:
    """Return the results that the file at `path` has from this very code, else measure them."""
    if path.exists():
        digest, results = pickle.loads(path.read_bytes())
        if digest == _digest():
            return results
    results = measure()
    path.write_bytes(pickle.dumps((_digest(), results)))
    return results


@cache
def _digest() -> str:
    """Return what changes with any source that figures depend on."""
    found = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()
