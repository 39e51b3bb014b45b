"""The error-growth chart for notebooks and papers, with matplotlib."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

from divergence.records import PairVerdict
from divergence.report import words
from divergence.report.document import Document
from divergence.report.growth import Growth, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with any colour vision, and in grey by lightness.
OBSERVED, INTRODUCED, FLOOR, CULPRIT = "#0072b2", "#e69f00", "#999999", "#c1121f"
LABELS = 24  # stage names along the axis; more would overlap


def render(document: Document) -> Figure:
    """Return a figure: error by pair above, by stage below, on one logarithmic scale."""
    import matplotlib.pyplot as plt

    growth = document.growth
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(11, 7.5), height_ratios=(3, 2), layout="constrained"
    )
    plt.close(figure)  # a notebook shows what is returned; open, it would show it twice
    figure.suptitle(f"{document.headline}: {document.title}".replace("$", r"\$"))
    _draw_pairs(above, growth)
    _draw_stages(below, growth)
    for axes in (above, below):
        axes.set_yscale("log")
        axes.set_ylim(10.0**growth.axis.low, 10.0**growth.axis.high)
        axes.set_ylabel("greatest absolute error")
        axes.grid(axis="y", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_pairs(axes: Axes, growth: Growth) -> None:
    points = growth.points
    if not points:
        axes.text(0.5, 0.5, "nothing was compared", transform=axes.transAxes, ha="center")
        return
    places = [point.pair for point in points]
    foot = 10.0**growth.axis.low
    floors = [_drawn(point.floor, foot) for point in points]
    axes.fill_between(places, foot, floors, color=FLOOR, alpha=0.35, lw=0, label="floor")
    observed = [_drawn(point.observed, foot) for point in points]
    fed = [point for point in points if point.introduced is not None]
    if fed:
        introduced = [_drawn(point.introduced, foot) for point in fed]
        where = [point.pair for point in fed]
        axes.plot(where, introduced, color=INTRODUCED, lw=1, label="introduced")
    axes.plot(places, observed, color=OBSERVED, lw=1.5, label="observed")
    _mark(axes, growth, points)
    _name_stages(axes, points)
    axes.set_xlabel(f"{len(points)} pairs, in the reference's execution order")
    axes.margins(x=0.01)
    # Above the axes: inside, it would hide a part of some curve.
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=4)


def _mark(axes: Axes, growth: Growth, points: tuple[Point, ...]) -> None:
    """Mark culprits, and values that are not finite at the top edge."""
    top, foot = 10.0**growth.axis.high, 10.0**growth.axis.low
    broken = [point.pair for point in points if point.verdict is PairVerdict.NONFINITE]
    if broken:
        axes.plot(broken, [top] * len(broken), "^", color=CULPRIT, ms=5, label="not finite")
    for point in points:
        if point.culprit is None:
            continue
        height = _drawn(point.observed, foot)
        height = top if math.isnan(height) else height
        axes.axvline(point.pair, color=CULPRIT, lw=1, ls=":")
        axes.plot([point.pair], [height], "o", color=CULPRIT, ms=7, zorder=5)
        left = point.pair < len(points) / 2
        axes.annotate(
            _text(point.label),
            (point.pair, height),
            xytext=(8 if left else -8, 8 if height < top / 10 else -14),
            textcoords="offset points",
            ha="left" if left else "right",
            color=CULPRIT,
            weight="bold",
        )


def _name_stages(axes: Axes, points: tuple[Point, ...]) -> None:
    """Name the stages under their middle, and part them by lines."""
    spans = [
        (stage, [point.pair for point in members])
        for stage, members in groupby(points, key=lambda point: point.stage)
    ]
    for _, members in spans[1:]:
        axes.axvline(members[0] - 0.5, color="black", lw=0.5, alpha=0.15)
    step = math.ceil(len(spans) / LABELS) or 1
    shown = spans[::step]
    middles = [(members[0] + members[-1]) / 2 for _, members in shown]
    axes.set_xticks(middles, [_text(stage) for stage, _ in shown], rotation=40, ha="right")
    axes.tick_params(axis="x", length=0)


def _draw_stages(axes: Axes, growth: Growth) -> None:
    foot = 10.0**growth.axis.low
    bars = growth.bars
    places = range(len(bars))
    heights = [_drawn(bar.stage.max_abs, foot) for bar in bars]
    colours = [CULPRIT if bar.culprit else OBSERVED for bar in bars]
    axes.bar(places, heights, color=colours, width=0.7)
    floors = [_drawn(bar.stage.floor_max_abs, foot) for bar in bars]
    axes.hlines(floors, [p - 0.45 for p in places], [p + 0.45 for p in places], color="black", lw=2)
    step = math.ceil(len(bars) / LABELS) or 1
    names = [_text(bar.stage.name) for bar in bars[::step]]
    axes.set_xticks(list(places)[::step], names, rotation=40, ha="right")
    axes.set_xlabel("stages (black line: floor)")
    axes.set_xlim(-0.6, max(len(bars), 1) - 0.4)


def _drawn(value: float | None, foot: float) -> float:
    """Return where a value is drawn: zero at the foot of the axis, nothing as a gap."""
    if value is None or not math.isfinite(value):
        return math.nan
    return max(value, foot)


def _text(name: str) -> str:
    r"""Return a name as matplotlib shows it: `$` would begin mathematics."""
    name = words.printable(name).replace("$", r"\$")
    return name if len(name) <= 24 else f"{name[:23]}…"
