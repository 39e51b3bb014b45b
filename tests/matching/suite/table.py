"""The figures as tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise

from tests.matching.suite.measure import Result, Score

_BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.01)


def tables(results: list[Result]) -> str:
    parts = []
    for half in ("tuned", "measured"):
        chosen = [r for r in results if r.half == half]
        if chosen:
            parts += [
                f"\n== {half} ==",
                by(chosen, lambda r: r.rewrite),
                "",
                by(chosen, lambda r: f"{r.architecture} {r.exporter}"),
            ]
    parts += [
        "\n== reliability (all pairs) ==",
        reliability(results),
    ]
    return "\n".join(parts)


def by(results: list[Result], key: Callable[[Result], str]) -> str:
    """Return a table: modules and ops against values, and modules against the exporter's scopes."""
    lines = [
        f"{'':28}{'modules':>30}{'perturbed':>20}{'ops':>20}{'scopes':>30}{'s':>8}",
        f"{'':28}{'n':>10}"
        + f"{'prec':>10}{'recall':>10}" * 3
        + f"{'n':>10}{'prec':>10}{'recall':>10}",
    ]
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[key(result)].append(result)
    groups["all"] = results
    for name, members in groups.items():
        clean = _sum(r.modules for r in members if not r.perturbed)
        shaken = _sum(r.modules for r in members if r.perturbed)
        ops = _sum(r.ops for r in members)
        scopes = _sum(r.scopes for r in members)
        seconds = sum(r.seconds for r in members) / len(members)
        lines.append(
            f"{name:28}{clean.possible:10}{clean.precision:10.4f}{clean.recall:10.4f}"
            f"{shaken.precision:10.4f}{shaken.recall:10.4f}{ops.precision:10.4f}"
            f"{ops.recall:10.4f}{scopes.possible:10}{scopes.precision:10.4f}"
            f"{scopes.recall:10.4f}{seconds:8.2f}"
        )
    return "\n".join(lines)


def reliability(results: list[Result]) -> str:
    pairs = [entry for result in results for entry in result.certainty]
    lines = [f"{'confidence':>16}{'pairs':>10}{'right':>10}"]
    for low, high in pairwise(_BINS):
        chosen = [right for confidence, right in pairs if low <= confidence < high]
        share = f"{sum(chosen) / len(chosen):.4f}" if chosen else "-"
        lines.append(f"{low:7.2f} to {min(high, 1):4.2f}{len(chosen):11}{share:>10}")
    return "\n".join(lines)


def _sum(scores: Iterable[Score]) -> Score:
    total = Score()
    for score in scores:
        total += score
    return total
