"""One file measured: what was paired, what was right, what could have been."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from divergence.matching import match
from divergence.records import Match, Pairing, Program, Site
from tests.matching.suite.truth import Values, contents, exists, same

USED = 0.5  # confidence from which a pair counts for a verdict
_EXACT, _INEXACT = 1e-2, 0.25  # relative to the spread of a value


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

    scopes: of module sites alone, held against the scopes that the exporter wrote.
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
    """What truth is taken from: values of the reference, and of the file by site name."""

    reference: Values
    candidate: Values
    twin: Values | None  # the file before its values were made inexact, with the same names
    tolerance: float

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
        reference = self.reference.arrays.get(pair.reference)
        now = self.candidate.arrays.get(pair.candidate)
        if reference is None:
            return False
        if now is not None and same(reference, now, pair.alignment, self.tolerance or _INEXACT):
            return True
        if self.twin is None:
            return False
        before = self.twin.arrays.get(self._before(self._sites[pair.candidate]))
        return before is not None and same(reference, before, pair.alignment, _EXACT)

    def _before(self, site: Site) -> str:
        """Return the value of the exact file that a site stands for, "" where that is not known.

        By name; where another operator makes it now (a quantiser drops a Relu and gives its
        name to what was before it), by the name of the node.
        """
        named = self._twins.get(_bare(site.name))
        if named is None or named.op == site.op:
            return named.name if named else ""
        same = (s.name for s in self._twins.values() if s.node == site.node and s.op == site.op)
        return next(same, named.name)


def _bare(site: str) -> str:
    for mark in ("_DequantizeLinear_Output", "_QuantizeLinear_Output", "_QuantizeLinear_Input"):
        site = site.removesuffix(mark)
    return site


def judge(program: Program, known: Known, result: Result) -> Pairing:
    """Match the file against the reference's program and count into `result`."""
    start = time.perf_counter()
    pairing = match(program, known.candidate.program)
    result.seconds = time.perf_counter() - start
    given = {m.reference: m for m in pairing.matches if m.confidence >= USED}
    table = known.table
    for site in program.sites:
        if not site.constant and site.kind in ("module", "op"):
            score = result.modules if site.kind == "module" else result.ops
            _count(site, given.get(site.name), known, table, score, result)
    if result.rewrite == "exported":
        _hold_against_scopes(program, known.candidate.program, given, result.scopes)
    for pair in pairing.matches:
        if pair.confidence < USED:
            result.certainty.append((pair.confidence, known.is_right(pair)))
    return pairing


def _hold_against_scopes(
    program: Program, candidate: Program, given: Mapping[str, Match], score: Score
) -> None:
    """Count the modules whose partner lies in the scope that the exporter named after them.

    Modules without a node of their own (folded, identities) say nothing, nor do second calls,
    whose scope the exporter numbers in its own way.
    """
    scopes = {site.name: site.scope for site in candidate.sites}
    written = set(scopes.values()) - {""}
    for site in program.sites:
        pair = given.get(site.name)
        if site.kind != "module" or site.name not in written or pair is None or site.alias_of:
            continue
        there = scopes[pair.candidate] == site.scope
        there = there or scopes[pair.candidate].startswith(f"{site.scope}.")
        score.right += there
        score.wrong += not there
        score.possible += 1


def _count(
    site: Site, pair: Match | None, known: Known, table: dict, score: Score, result: Result
) -> None:
    content = known.reference.content(site.name)
    if content is None or len(content) < 4:
        return
    there = exists(content, table, known.tolerance or _EXACT)
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


def workspace(root: Path, architecture: str, exporter: str, rewrite: str) -> Path:
    """Return where a file is kept between runs."""
    folder = root / architecture / exporter
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{rewrite.replace(' ', '_').replace('+', '_')}.onnx"
