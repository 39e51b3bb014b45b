"""One file measured: what was paired, what was right, what could have been."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from divergence.matching import match
from divergence.matching.fingerprints import distances
from divergence.matching.rematch import rematch
from divergence.records import Match, Pairing, Program, Site
from tests.matching.suite.truth import Fingerprints, Values, alike, contents, exists, same

USED = 0.5  # confidence from which a pair counts for a verdict
_SMALL = 4096  # elements of values that a trace looks at in any case
_GROSS = 1e-2  # relative difference from which a trace asks values what belongs together
_EXACT, _INEXACT = 1e-2, 0.25  # relative to the spread of a value
_NOISE = 4.0  # times what rounding makes of the reference's own value is one value still


@dataclass
class Score:
    """Counts of sites: paired right, paired wrong; possible: whose value is in the file."""

    right: int = 0
    wrong: int = 0
    possible: int = 0

    def __iadd__(self, other: Score) -> Self:
        self.right += other.right
        self.wrong += other.wrong
        self.possible += other.possible
        return self

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.possible)


@dataclass
class Result:
    """The scores of one file, each pair's confidence and whether it was right.

    scopes: of module sites alone, held against the scopes that the exporter wrote on the
    untouched file, carried to this one by value.
    """

    architecture: str
    half: str
    exporter: str
    rewrite: str
    perturbed: bool
    modules: Score = field(default_factory=Score)
    ops: Score = field(default_factory=Score)
    scopes: Score = field(default_factory=Score)
    certainty: list[tuple[float, bool]] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Known:
    """What truth is taken from: values of the reference, of the file and of the untouched one.

    tolerance: of the file's values (more where rounding alone makes more of the reference's), 0
        where the rewrite keeps names and makes values inexact: then the untouched file's value of
        that name says more. scopes: the untouched file's value by module, as `scoped` finds them.
    """

    reference: Values
    candidate: Values
    exported: Values
    tolerance: float
    scopes: Mapping[str, str]
    _right: dict[tuple, bool] = field(default_factory=dict)

    @property
    def twin(self) -> Values | None:
        """Return the file before its values were made inexact, with the same names."""
        return None if self.tolerance else self.exported

    @cached_property
    def _sites(self) -> dict[str, Site]:
        return {site.name: site for site in self.candidate.program.sites}

    @cached_property
    def _twins(self) -> dict[str, Site]:
        return {site.name: site for site in self.twin.program.sites} if self.twin else {}

    @cached_property
    def table(self) -> dict:
        """Contents that the file holds, by length."""
        if self.twin is None:
            return contents(self.candidate)
        sites = (site for site in self.candidate.program.sites if not site.constant)
        return contents(self.twin, {name for s in sites if (name := self._before(s))})

    def is_right(self, pair: Match) -> bool:
        """Return whether a pair holds one value: as it is, or as the exact file has it."""
        key = pair.reference, pair.candidate, pair.alignment
        if key not in self._right:
            self._right[key] = self._is_right(pair)
        return self._right[key]

    def is_in_scope(self, pair: Match) -> bool:
        """Return whether a pair's value is the one that the exporter put into the module's scope.

        What reshaping or a cast left of it, too: its content counts.
        """
        if pair.alignment is not None and pair.alignment.unblock:  # padded: more than its content
            return self.is_right(pair)
        wanted = self.exported.content(self.scopes[pair.reference])
        held = [(self.candidate.content(pair.candidate), self.tolerance or _INEXACT)]
        if self.twin is not None:
            before = self._before(self._sites[pair.candidate])
            held.append((self.twin.content(before), _EXACT))
        return wanted is not None and any(
            found is not None and alike(wanted, found, tolerance) for found, tolerance in held
        )

    def _is_right(self, pair: Match) -> bool:
        reference = self.reference.arrays.get(pair.reference)
        now = self.candidate.arrays.get(pair.candidate)
        if reference is None:
            return False
        noise = min(_NOISE * self.reference.noise.get(pair.reference, 0.0), _INEXACT)
        tolerance = max(self.tolerance or _INEXACT, noise)
        if now is not None and same(reference, now, pair.alignment, tolerance):
            return True
        if self.twin is None:
            return False
        before = self.twin.arrays.get(self._before(self._sites[pair.candidate]))
        exact = max(_EXACT, noise)
        return before is not None and same(reference, before, pair.alignment, exact)

    def _before(self, site: Site) -> str:
        """Return the value of the exact file that a site stands for, "" where that is not known.

        By name; where another operator makes it now (a quantiser drops a Relu and gives its
        name to what was before it) or none does (a converter casts the output), by the node.
        """
        named = self._twins.get(_bare(site.name))
        if named is not None and named.op == site.op:
            return named.name
        same = (s.name for s in self._twins.values() if s.node == site.node and s.op == site.op)
        return next(same, named.name if named else "")


def _bare(site: str) -> str:
    for mark in ("_DequantizeLinear_Output", "_QuantizeLinear_Output", "_QuantizeLinear_Input"):
        site = site.removesuffix(mark)
    return site


def judge(reference: Values, known: Known, result: Result) -> Pairing:
    """Match the file against a reference and count into `result`.

    reference: what a trace would see of it; not what truth is taken from where it is perturbed.
    """
    program = reference.program
    start = time.perf_counter()
    pairing = match(program, known.candidate.program)
    pairing = _settled(pairing, program, known, reference.prints)
    result.seconds = time.perf_counter() - start
    given = {m.reference: m for m in pairing.matches if m.confidence >= USED}
    table = known.table
    for site in program.sites:
        if not site.constant and site.kind in ("module", "op"):
            score = result.modules if site.kind == "module" else result.ops
            _count(site, given.get(site.name), known, table, score, result)
    for name, named in known.scopes.items():
        held = name in given and known.is_in_scope(given[name])
        result.scopes.right += held
        result.scopes.wrong += name in given and not held
        content = known.exported.content(named)
        result.scopes.possible += held or _is_there(content, table, known)
    for pair in pairing.matches:
        if pair.confidence < USED:
            result.certainty.append((pair.confidence, known.is_right(pair)))
    return pairing


def _settled(pairing: Pairing, program: Program, known: Known, prints: Fingerprints) -> Pairing:
    """Return the pairing after what a trace does where values differ grossly."""
    candidate = known.candidate
    sizes = {
        math.prod(shape)
        for pair in pairing.matches
        if (shape := candidate.shapes.get(pair.candidate)) and _differs(pair, known, prints)
    }
    if not sizes:
        return pairing
    ours, theirs = (
        {n: p for n, p in side.items() if (size := math.prod(p.axes)) in sizes or size <= _SMALL}
        for side in (prints, candidate.prints)
    )
    return rematch(program, candidate.program, pairing, (ours, theirs))


def _differs(pair: Match, known: Known, prints: Fingerprints) -> bool:
    """Return whether values differ grossly, as `divergence.compare.doubt` sees it."""
    first, second = prints.get(pair.reference), known.candidate.prints.get(pair.candidate)
    if first is None or second is None:
        return False
    if float(distances([first], [second])[0, 0]) > _GROSS:
        return True
    ours, theirs = known.reference.arrays[pair.reference], known.candidate.arrays[pair.candidate]
    return not same(ours[:1], theirs[:1], pair.alignment, _INEXACT)  # in another order of axes


def _count(
    site: Site, pair: Match | None, known: Known, table: dict, score: Score, result: Result
) -> None:
    content = known.reference.content(site.name)
    if content is None or len(content) < 4:
        return
    there = _is_there(content, table, known)
    score.possible += there
    if pair is None:
        if there:
            result.misses.append(f"missed {site.name}")
        return
    right = known.is_right(pair)
    score.right += right
    score.wrong += not right
    if right and not there:  # found through an alignment that the order statistics do not see
        score.possible += 1
    result.certainty.append((pair.confidence, right))
    if not right:
        result.misses.append(
            f"wrong {site.name} = {pair.candidate} {pair.confidence} {pair.paired_by} "
            f"{pair.alignment}"
        )


def _is_there(content: np.ndarray | None, table: dict, known: Known) -> bool:
    return content is not None and exists(content, table, known.tolerance or _EXACT)


def workspace(root: Path, architecture: str, exporter: str, rewrite: str) -> Path:
    """Return where a rewritten file is kept between runs."""
    folder = root / architecture / exporter
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{rewrite.replace(' ', '_').replace('+', '_')}.onnx"
