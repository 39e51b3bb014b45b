"""graph.baked: a shape, value or branch of the example input is frozen into the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.diagnose.perturb import apart, doubled, other_values, outputs, replaced
from divergence.load.case import Case
from divergence.records import Array, Call, Evidence, Finding

CAUSE = "graph.baked"

# A frozen value changes results by about as much as the input does; rounding by far less.
LEAST_SHARE = 1e-3
# Each open size costs a run of both sides.
MOST_SIZES = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """Another input for both sides, and what was changed."""

    what: str
    reference: Call
    candidate: Call


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Run both sides on other sizes where the file leaves them open, on other values if asked."""
    tried = []
    for probe in _probes(inquiry):
        ours = outputs(inquiry.case.reference, probe.reference)
        if ours is None:
            continue
        tried.append(probe.what)
        theirs = outputs(inquiry.case.candidate, probe.candidate)
        error = float("inf") if theirs is None else apart(ours, theirs)
        if error > _allowed(inquiry, ours):
            return Conclusion(_finding(probe.what, error, failed=theirs is None))
    if tried:
        return f"both sides agree as well with {', '.join(tried)}"
    return "the file leaves no size open; other values are tried with --thorough"


def _allowed(inquiry: Inquiry, ours: tuple[Array, ...]) -> float:
    """Return what the outputs may differ by: as before, or a small share of what they are."""
    observed = inquiry.observed
    now = apart(observed.reference_outputs or (), observed.candidate_outputs or ())
    numbers = [value for value in ours if value.dtype.kind in "fiu"]
    scale = max((float(np.abs(value).max(initial=0.0)) for value in numbers), default=0.0)
    return max(100 * now, LEAST_SHARE * scale)


def _probes(inquiry: Inquiry) -> Iterator[Probe]:
    """Yield a probe for each size that the file leaves open, then one for each input's values."""
    both = list(_arrays(inquiry.case))
    symbols = dict.fromkeys(symbol for entry in both for symbol in entry.symbols if symbol)
    for symbol in list(symbols)[:MOST_SIZES]:
        changes = [
            (entry, entry.symbols.index(symbol)) for entry in both if symbol in entry.symbols
        ]
        what = ", ".join(f"{entry.name} twice as long on axis {axis}" for entry, axis in changes)
        yield _probe(inquiry, what, [(entry, _double(axis)) for entry, axis in changes])
    if inquiry.options.thorough:
        for entry in both:
            yield _probe(inquiry, f"other values of {entry.name}", [(entry, other_values)])


@dataclass(frozen=True, slots=True)
class _Both:
    """An array that both sides are given; `symbols` names open sizes, "" for a fixed one."""

    name: str
    reference: Array
    candidate: Array
    symbols: tuple[str, ...]


def _arrays(case: Case) -> Iterator[_Both]:
    shapes = {item.name: item.shape or () for item in case.model.inputs}
    for item in case.inputs:
        if item.reference is None or item.candidate is None:
            continue
        ours, theirs = item.reference.value, (item.shared or item.candidate).value
        if isinstance(ours, np.ndarray) and isinstance(theirs, np.ndarray):
            sizes = shapes.get(item.candidate.name, ())
            names = tuple(
                "" if isinstance(size, int) else size or f"{item.name}.{axis}"
                for axis, size in enumerate(sizes)
            )
            yield _Both(item.name, ours, theirs, names if ours.shape == theirs.shape else ())


def _double(axis: int) -> Callable[[Array], Array]:
    return lambda array: doubled(array, axis)


def _probe(
    inquiry: Inquiry, what: str, changes: Sequence[tuple[_Both, Callable[[Array], Array]]]
) -> Probe:
    reference, candidate = inquiry.case.reference_call, inquiry.case.judged_call
    for entry, change in changes:
        reference = replaced(reference, entry.reference, change(entry.reference))
        candidate = replaced(candidate, entry.candidate, change(entry.candidate))
    return Probe(what, reference, candidate)


def _finding(what: str, error: float, *, failed: bool) -> Finding:
    result = "the file does not run" if failed else f"the outputs differ by {error:.2g}"
    return Finding(
        cause=CAUSE,
        culprit=None,
        confidence=0.9,
        explanation=f"something of the example input is frozen into the file: with {what} {result}",
        evidence=(Evidence(f"error with {what}", 0.0, error),),
        remedy="Export again with dynamic axes, and without Python values taken from tensors.",
        parameters={"probe": what},
    )
