"""The fed run: what every segment of the candidate adds by itself.

Each value that is paired is replaced by the reference's own, so a segment computes from right
values, and what differs at its end was made there. The reference is run with its float64 shadow
reset at the same places, which gives the rounding that the reference itself makes in a segment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from divergence.capture.runner import Probe
from divergence.compare.lineage import Lineage
from divergence.compare.observe import compare
from divergence.diagnose.layout import to_candidate
from divergence.diagnose.masks import alike
from divergence.errors import CaptureError
from divergence.records import Array, Introduced, Match, Measured, Site


class Window(Protocol):
    """A part of the candidate with fed boundaries; `inputs` and `ends` are value names."""

    @property
    def inputs(self) -> Collection[str]:
        """What the window is fed."""

    @property
    def ends(self) -> Collection[str]:
        """Boundaries whose own results the window gives."""

    def run(self, feeds: Mapping[str, Array], probe: Probe) -> None:
        """Run once; `probe` sees each end's own result."""

    def halves(self) -> tuple[Window, Window]:
        """Return two windows that give the first half of the ends and the rest."""


# Runs the reference with its shadow reset at the given sites: `run(probe, sites)`.
FedRun = Callable[[Probe, Collection[str]], object]


@dataclass
class _Held:
    """The reference's values of one window, until it has run."""

    values: dict[str, Array] = field(default_factory=dict)
    # |exact - value| in float32: small beside the value, so float32 loses nothing that counts.
    rounding: dict[str, Array] = field(default_factory=dict)


def measure_introduced(
    reference: FedRun,
    windows: Sequence[Window],
    matches: Sequence[Match],
    sites: Mapping[str, Site],
    inputs: Mapping[str, Array],
    lineages: Mapping[Match, Lineage],
    misshapen: Collection[Match] = (),
) -> dict[Match, Introduced]:
    """Return what each match's segment adds, in the order of the windows.

    matches: one for each boundary. sites: the candidate's. inputs: the candidate's own, by name.
    lineages: what bounds the floor of each match, as `lineages` finds it. misshapen: those whose
    segment gives another shape than the reference, which is infinitely far from it.
    """
    feeder = _Feeder(windows, {m.candidate: m for m in matches}, sites, inputs, lineages, misshapen)
    by_reference: dict[str, list[Match]] = {}
    for match in matches:
        by_reference.setdefault(match.reference, []).append(match)

    def probe(site: str, value: Array, exact: Array | None = None) -> None:
        for match in by_reference.get(site, ()):
            feeder.take(match, value, exact)

    reference(probe, frozenset(by_reference))
    return feeder.found


class _Feeder:
    """Holds what open windows need, runs each as soon as it has all, forgets what is done."""

    def __init__(
        self,
        windows: Sequence[Window],
        matches: Mapping[str, Match],
        sites: Mapping[str, Site],
        inputs: Mapping[str, Array],
        lineages: Mapping[Match, Lineage],
        misshapen: Collection[Match],
    ) -> None:
        self._matches, self._sites = matches, sites
        self._lineages, self._misshapen = lineages, misshapen
        self._open = list(windows)
        self._fixed = dict(inputs)
        self._held = _Held()
        self._missing = [
            (set(w.inputs) | set(w.ends)) & set(matches) - set(inputs) for w in windows
        ]
        self._uses: dict[str, int] = {}
        for wanted in self._missing:
            for name in wanted:
                self._uses[name] = self._uses.get(name, 0) + 1
        self.found: dict[Match, Introduced] = {}

    def take(self, match: Match, value: Array, exact: Array | None) -> None:
        """Take one of the reference's values; run the windows that it completes."""
        name = match.candidate
        if name not in self._uses or name in self._held.values:
            return
        kept = value.copy()
        fed = to_candidate(kept, match.alignment, self._sites[name])
        if fed is None:
            return
        self._held.values[name] = kept
        if exact is not None:
            with np.errstate(invalid="ignore"):  # masks hold -inf, whose rounding is no number
                narrow = np.complex64 if value.dtype.kind == "c" else np.float32
                self._held.rounding[name] = (exact - value).astype(narrow)
        self._fixed[name] = fed
        for number, wanted in enumerate(self._missing):
            if name in wanted:
                wanted.discard(name)
                if not wanted:
                    self._run(self._open[number])

    def _run(self, window: Window) -> None:
        self._attempt(window)
        for name in {*window.inputs, *window.ends} & set(self._uses):
            self._uses[name] -= 1
            if not self._uses[name]:
                self._held.values.pop(name, None)
                self._held.rounding.pop(name, None)
                self._fixed.pop(name, None)

    def _attempt(self, window: Window) -> None:
        """Run a window; where the runtime refuses, what of it can be run.

        A segment that no right values can be given to, as indices out of range, adds what is
        infinitely far from right: it is wrong itself, or one of the pairs that it reads is none.
        """
        try:
            window.run({name: self._fixed[name] for name in window.inputs}, self._see)
        except CaptureError:
            if len(window.ends) > 1:
                for half in window.halves():
                    self._attempt(half)
            else:
                self._refused(*window.ends)

    def _refused(self, site: str) -> None:
        right = self._held.values.get(site)
        if right is not None:
            match = replace(self._matches[site], alignment=None)
            self._add(self._matches[site], _infinite(self._compared(match, right, right)))

    def _see(self, site: str, value: Array, exact: Array | None = None) -> None:
        """Compare a segment's own result with the reference's value."""
        del exact
        match = self._matches.get(site)
        if match is None or site not in self._held.values:
            return
        reference = self._held.values[site]
        own = value if match.alignment else alike(reference, value)
        added = self._compared(match, reference, own)
        if added is None and match in self._misshapen:
            right = replace(match, alignment=None)
            added = _infinite(self._compared(right, reference, reference))
        self._add(match, added)

    def _compared(self, match: Match, reference: Array, own: Array) -> Introduced | None:
        rounding = self._held.rounding.get(match.candidate)
        # Integers have no rounding; where none is known the units of the value bound the floor.
        wide = np.complex128 if reference.dtype.kind == "c" else np.float64
        shadow = reference if rounding is None else reference.astype(wide) + rounding
        lineage = self._lineages.get(self._matches[match.candidate])
        return _introduced(compare(match, reference, own, shadow, lineage))

    def _add(self, match: Match, added: Introduced | None) -> None:
        if added is not None:
            self.found[match] = added


def _infinite(added: Introduced | None) -> Introduced | None:
    return added and replace(added, max_abs=math.inf, multiple=math.inf)


def _introduced(measured: Measured) -> Introduced | None:
    """Return what the segment adds; None where the values cannot be compared."""
    metrics, floor = measured.metrics, measured.floor
    if metrics.incomparable or floor is None:
        return None
    if metrics.nonfinite:
        return Introduced(math.inf, math.inf, floor.bound, floor.bound_rmse)
    return Introduced(metrics.max_abs, floor.multiple, floor.bound, floor.bound_rmse)
