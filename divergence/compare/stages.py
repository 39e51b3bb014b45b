"""Group consecutive values into stages: steps that a reader thinks of as one.

The module tree is cut where its branches are of readable number and size: from the root
downwards the largest branch is replaced by its children, together with the branches that are
called alike (`layer1` to `layer4`, `blocks.0` to `blocks.11`), while the result is still short
enough for one chart.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from divergence.records import Pair, PairVerdict, Program, Site, Stage

FEWEST, MOST = 4, 40  # stages wanted, as far as the module tree has them
SHARE = 1 / 4  # of all sites: a stage with more is still cut
PARTS = 10  # where nothing is known of modules
INPUTS = "inputs"

# From harmless to bad; a stage says what its worst pair says. Not comparable is not known.
_SEVERITY = (
    PairVerdict.IDENTICAL,
    PairVerdict.ROUNDING,
    PairVerdict.NOT_COMPARABLE,
    PairVerdict.DIVERGENT,
    PairVerdict.NONFINITE,
)


def stage_names(program: Program) -> Mapping[str, str]:
    """Return the stage of every site of `program`, by site name.

    A stage is called after its module. What belongs to no stage's module (operators of the
    root, outputs of containers) goes with what ran before it. A module that runs again after
    others is a stage of its own each time: `conv`, `conv#1`.
    """
    sites = [site for site in program.sites if site.kind != "input" and not site.constant]
    stages = _cut(Counter(site.scope for site in sites))
    labels = _numbered(_labels(sites, stages)) if stages else _parts(len(sites))
    named = {site.name: INPUTS for site in program.sites if site.kind == "input"}
    named |= {site.name: label for site, label in zip(sites, labels, strict=True)}
    first = labels[0] if labels else INPUTS
    return {site.name: named.get(site.name, first) for site in program.sites}


def summarise(pairs: Iterable[Pair]) -> tuple[Stage, ...]:
    """Return one summary for each stage, in the order in which the stages begin."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.stage, []).append(pair)
    return tuple(_summary(name, group) for name, group in groups.items())


def _cut(sizes: Mapping[str, int]) -> frozenset[str]:
    """Return the modules that are stages; none where no scope is known."""
    children, weight = _tree(sizes)
    stages = set(children[""])
    while True:
        groups = _alike(node for node in stages if children[node])
        groups.sort(key=lambda group: -max(weight[node] for node in group))
        for group in groups:
            cut = stages - set(group) | {child for node in group for child in children[node]}
            share = max(weight[node] for node in group) / weight[""]
            if len(cut) <= MOST and (len(stages) < FEWEST or share > SHARE):
                stages = cut
                break
        else:
            return frozenset(stages)


def _tree(sizes: Mapping[str, int]) -> tuple[dict[str, list[str]], Counter[str]]:
    """Return each module's submodules, and how many sites it holds; the root is ""."""
    children: dict[str, list[str]] = {"": []}
    weight: Counter[str] = Counter()
    for scope, size in sizes.items():
        weight[""] += size
        parent = ""
        for part in scope.split(".") if scope else ():
            node = f"{parent}.{part}" if parent else part
            if node not in children:
                children[node] = []
                children[parent].append(node)
            weight[node] += size
            parent = node
    return children, weight


def _alike(nodes: Iterable[str]) -> list[list[str]]:
    """Group modules whose qualified names differ by numbers alone."""
    groups: dict[str, list[str]] = {}
    for node in nodes:
        groups.setdefault(re.sub(r"\d+", "*", node), []).append(node)
    return list(groups.values())


def _labels(sites: Sequence[Site], stages: frozenset[str]) -> list[str]:
    """Return the stage of each site: that of its module, else of the site before it."""
    own = [_stage_of(site.scope, stages) for site in sites]
    current = next((stage for stage in own if stage is not None), "")
    labels = []
    for stage in own:
        current = current if stage is None else stage
        labels.append(current)
    return labels


def _stage_of(scope: str, stages: frozenset[str]) -> str | None:
    while scope and scope not in stages:
        scope = scope.rpartition(".")[0]
    return scope or None


def _numbered(labels: Sequence[str]) -> list[str]:
    """Tell apart a stage's separate runs, unless that makes too many."""
    runs: Counter[str] = Counter()
    numbered = []
    for i, label in enumerate(labels):
        if i == 0 or label != labels[i - 1]:
            runs[label] += 1
        again = runs[label] - 1
        numbered.append(f"{label}#{again}" if again else label)
    return list(labels) if runs.total() > MOST else numbered


def _parts(count: int) -> list[str]:
    """Return about ten equal parts of a graph of which no modules are known."""
    size = max(1, math.ceil(count / PARTS))
    starts = (i - i % size for i in range(count))
    return [f"sites {start + 1}-{min(start + size, count)}" for start in starts]


def _summary(name: str, pairs: Sequence[Pair]) -> Stage:
    judged = [pair for pair in pairs if not pair.ignored] or pairs
    floors = [pair.floor.reference_max_abs for pair in pairs if pair.floor]
    introduced = [pair.introduced.max_abs for pair in pairs if pair.introduced]
    return Stage(
        name=name,
        pairs=len(pairs),
        max_abs=_greatest(pair.metrics.max_abs for pair in pairs),
        rmse=_pooled_rmse(pairs),
        floor_max_abs=_greatest(floors) if floors else None,
        introduced_max_abs=_greatest(introduced) if introduced else None,
        verdict=max((pair.verdict for pair in judged), key=_SEVERITY.index),
    )


def _greatest(figures: Iterable[float]) -> float:
    """Return the greatest figure that has a meaning, NaN where none has."""
    return max((figure for figure in figures if not math.isnan(figure)), default=math.nan)


def _pooled_rmse(pairs: Iterable[Pair]) -> float:
    """Return the root mean square error over all elements of all pairs."""
    known = [pair.metrics for pair in pairs if not math.isnan(pair.metrics.rmse)]
    count = sum(metrics.total for metrics in known)
    squares = sum(metrics.rmse**2 * metrics.total for metrics in known)
    return math.sqrt(squares / count) if count else (0.0 if known else math.nan)
