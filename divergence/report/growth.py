"""The error-growth chart as data: what every renderer draws in its own way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from divergence.records import Pair, PairVerdict, Report, Stage

SMALLEST = 1e-300  # stands for zero where a logarithm is taken
# From good to bad: what several pairs together say is the worst of them.
WORSE = (
    PairVerdict.IDENTICAL,
    PairVerdict.ROUNDING,
    PairVerdict.NOT_COMPARABLE,
    PairVerdict.DIVERGENT,
    PairVerdict.NONFINITE,
)


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis for errors, from 10**low to 10**high; zero stands at its foot."""

    low: int
    high: int

    @classmethod
    def over(cls, *values: float | None) -> Axis:
        """Return the axis of whole decades, two at least, that shows these values.

        >>> Axis.over(3e-7, 0.02, None, 0.0)
        Axis(low=-7, high=-1)
        """
        drawn = [v for v in values if v is not None and math.isfinite(v) and v > 0]
        if not drawn:
            return cls(-8, 0)
        low = math.floor(math.log10(min(drawn)))
        return cls(low, max(math.ceil(math.log10(max(drawn))), low + 2))

    def position(self, value: float | None) -> float | None:
        """Return where a value stands, 0..1; None where it is not a finite number.

        >>> Axis(-8, 0).position(1e-4), Axis(-8, 0).position(0.0)
        (0.5, 0.0)
        """
        if value is None or not math.isfinite(value):
            return None
        if value <= 0:
            return 0.0
        return min(1.0, max(0.0, (math.log10(value) - self.low) / (self.high - self.low)))


@dataclass(frozen=True, slots=True)
class Point:
    """A pair on the chart: its errors, as figures of the candidate against the reference.

    observed, introduced, floor: greatest absolute errors; None where not measured.
    culprit: rank among the culprits from 0, None for all other pairs.
    """

    pair: int
    stage: str
    label: str
    observed: float
    introduced: float | None
    floor: float | None
    verdict: PairVerdict
    culprit: int | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A stage on the chart, or several in a row.

    multiple: greatest of its pairs, of the floor. last: name of the last of several stages.
    """

    stage: Stage
    multiple: float | None
    culprit: bool
    last: str = ""


@dataclass(frozen=True, slots=True)
class Growth:
    """Error by pair and by stage over one axis."""

    axis: Axis
    points: tuple[Point, ...]
    bars: tuple[Bar, ...]


def build(report: Report) -> Growth:
    """Return the chart of a report."""
    ranks = {culprit.pair: rank for rank, culprit in reversed(list(enumerate(report.culprits)))}
    points = tuple(_point(index, pair, ranks.get(index)) for index, pair in enumerate(report.pairs))
    return Growth(_axis_of(points), points, _bars(report, points))


def _point(index: int, pair: Pair, rank: int | None) -> Point:
    return Point(
        pair=index,
        stage=pair.stage,
        label=pair.reference,
        observed=pair.metrics.max_abs,
        introduced=pair.introduced.max_abs if pair.introduced else None,
        floor=pair.floor.reference_max_abs if pair.floor else None,
        verdict=pair.verdict,
        culprit=rank,
    )


def _bars(report: Report, points: tuple[Point, ...]) -> tuple[Bar, ...]:
    members: dict[str, list[int]] = {stage.name: [] for stage in report.stages}
    for point in points:
        members.setdefault(point.stage, []).append(point.pair)
    return tuple(_bar(report, stage, members[stage.name]) for stage in report.stages)


def _bar(report: Report, stage: Stage, members: list[int]) -> Bar:
    judged = [i for i in members if not report.pairs[i].ignored]
    floors = [floor.multiple for i in judged if (floor := report.pairs[i].floor) is not None]
    return Bar(
        stage=stage,
        multiple=max(floors, key=_rank, default=None),
        culprit=any(culprit.stage == stage.name for culprit in report.culprits),
    )


def grouped(bars: Sequence[Bar], count: int) -> tuple[Bar, ...]:
    """Return at most `count` bars: neighbours whose errors are nearest become one.

    A stage with a culprit stands alone as long as that is possible.
    """
    kept = list(bars)
    while len(kept) > max(count, 1):
        place = min(range(len(kept) - 1), key=lambda i: _apart(kept[i], kept[i + 1]))
        kept[place : place + 2] = [_merged(kept[place], kept[place + 1])]
    return tuple(kept)


def _apart(one: Bar, other: Bar) -> tuple[bool, bool, float]:
    """Return how little two neighbours belong together."""
    here, there = one.stage, other.stage
    size = abs(math.log10(here.max_abs or SMALLEST) - math.log10(there.max_abs or SMALLEST))
    differ = here.verdict is not there.verdict
    return one.culprit or other.culprit, differ, math.inf if math.isnan(size) else size


def _merged(one: Bar, other: Bar) -> Bar:
    here, there = one.stage, other.stage
    return Bar(
        stage=Stage(
            name=here.name,
            pairs=here.pairs + there.pairs,
            max_abs=max(here.max_abs, there.max_abs, key=_rank),
            rmse=max(here.rmse, there.rmse, key=_rank),
            floor_max_abs=_greatest(here.floor_max_abs, there.floor_max_abs),
            introduced_max_abs=_greatest(here.introduced_max_abs, there.introduced_max_abs),
            verdict=max(here.verdict, there.verdict, key=WORSE.index),
        ),
        multiple=_greatest(one.multiple, other.multiple),
        culprit=one.culprit or other.culprit,
        last=other.last or there.name,
    )


def _greatest(*values: float | None) -> float | None:
    return max((value for value in values if value is not None), key=_rank, default=None)


def severity(pair: Pair) -> tuple[int, float]:
    """Return what pairs are ranked by: values that are not finite, then the greatest error."""
    return pair.metrics.nonfinite, _rank(pair.metrics.max_abs)


def _rank(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _axis_of(points: Iterable[Point]) -> Axis:
    return Axis.over(*(v for p in points for v in (p.observed, p.introduced, p.floor)))
