"""Geometry by registration: where in the source each pixel of a tensor was taken from.

A map says it for each axis alone: source = step * target + start, in pixels, with pixel i
covering [i, i + 1]. It is found from a number of likely starts at low resolution, and refined
by Gauss-Newton steps on the squared difference, gain and offset of the values fitted along.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from divergence.preparation.inference.borders import Box
from divergence.records import Array

_COARSE, _FINE = 48, 128
_SHARES = (1.0, 0.95, 0.9, 0.875, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4)
# Where in the source a window may lie: the centre first, then sides and corners.
_PLACES = ((0.5, 0.5), *((row, column) for row in (0.0, 0.5, 1.0) for column in (0.0, 0.5, 1.0)))
_ITERATIONS = 12


@dataclass(frozen=True, slots=True)
class Axis:
    """source = step * target + start along one axis."""

    step: float
    start: float


@dataclass(frozen=True, slots=True)
class Map:
    """Rows and columns of a target in a source; score is the correlation reached, 0..1."""

    rows: Axis
    columns: Axis
    score: float = 0.0


def grey(planes: Array) -> Array:
    """Return the mean of the channels (C, H, W), each brought to mean 0 and deviation 1 first."""
    flat = planes.reshape(len(planes), -1)
    spread = np.maximum(flat.std(axis=1), 1e-12)[:, None, None]
    return np.asarray(((planes - flat.mean(axis=1)[:, None, None]) / spread).mean(axis=0))


def coarse(target: Array, source: Array, box: Box, anywhere: bool = False) -> Map:
    """Return the best of the likely maps, at low resolution; target, source: grey (H, W).

    anywhere: windows at the source's sides and corners are tried besides those in its centre.
    """
    view = _View(target, source, box, _COARSE)
    places = _PLACES if anywhere else _PLACES[:1]
    tried = (_scored(view, start) for start in _starts(target.shape, source.shape, box, places))
    return max(tried, key=lambda found: found.score)


def refine(target: Array, source: Array, box: Box, start: Map) -> Map:
    """Return the map nearest to `start` with the least squared difference."""
    found = start
    for size in (_COARSE, _FINE):
        found = _descend(_View(target, source, box, size), found)
    return found


class _View:
    """Target and source reduced to about `size` pixels, with coordinates of the full pictures."""

    def __init__(self, target: Array, source: Array, box: Box, size: int) -> None:
        rows, columns = max(1, box.height // size), max(1, box.width // size)
        tall, wide = box.height // rows * rows, box.width // columns * columns
        inner = box.of(target)[:tall, :wide]
        self.values = inner.reshape(tall // rows, rows, wide // columns, columns).mean((1, 3))
        self._row_centres = box.top + (np.arange(tall // rows) + 0.5) * rows
        self._column_centres = box.left + (np.arange(wide // columns) + 0.5) * columns
        self._row_size, self._column_size = rows, columns
        self._source, self._reduction = _reduced(source, 2 * size)
        self._full = source.shape

    def sample(self, found: Map) -> tuple[Array, Array]:
        """Return what the map takes from the source, and where that lies inside of it."""
        row_weights, row_inside = _weights(
            self._row_centres, found.rows, self._row_size, self._reduction[0], self._full[0]
        )
        column_weights, column_inside = _weights(
            self._column_centres,
            found.columns,
            self._column_size,
            self._reduction[1],
            self._full[1],
        )
        inside = row_inside[:, None] & column_inside[None, :]
        return row_weights @ self._source @ column_weights.T, inside


def _reduced(source: Array, size: int) -> tuple[Array, tuple[int, int]]:
    """Return the source averaged over blocks, and the blocks' height and width."""
    rows, columns = max(1, source.shape[0] // size), max(1, source.shape[1] // size)
    border = ((0, -source.shape[0] % rows), (0, -source.shape[1] % columns))
    padded = np.pad(source, border, mode="edge")
    blocks = padded.reshape(padded.shape[0] // rows, rows, padded.shape[1] // columns, columns)
    return blocks.mean((1, 3)), (rows, columns)


def _weights(
    centres: Array, axis: Axis, size: int, reduction: int, length: int
) -> tuple[Array, Array]:
    """Return the weights (target, source) of a triangle as wide as a target pixel."""
    position = axis.step * centres + axis.start
    count = -(-length // reduction)
    support = max(1.0, abs(axis.step) * size / reduction)
    places = position / reduction - 0.5
    distance = np.abs(np.arange(count)[None, :] - np.clip(places, 0, count - 1)[:, None])
    weights = np.maximum(0.0, 1 - distance / support)
    return weights / weights.sum(axis=1, keepdims=True), (position >= 0) & (position <= length)


def _starts(
    target: tuple[int, ...],
    source: tuple[int, ...],
    box: Box,
    places: tuple[tuple[float, float], ...],
) -> Iterator[tuple[Axis, Axis]]:
    """Yield likely maps: the whole source in the box, letterboxed, cropped by several shares."""
    (rows, columns), (height, width) = target, source
    whole = Box(0, 0, rows, columns)
    for window in {box, whole, *_letterboxes(rows, columns, height, width)}:
        cover = max(window.height / height, window.width / width)
        for share in _SHARES:
            tall, wide = window.height / (height * cover), window.width / (width * cover)
            for place in places:
                yield _crop(window, (height, width), (share, share), place)
                yield _crop(window, (height, width), (share * tall, share * wide), place)
    yield Axis(1.0, (height - rows) / 2), Axis(1.0, (width - columns) / 2)
    yield Axis(1.0, 0.0), Axis(1.0, 0.0)


def _letterboxes(rows: int, columns: int, height: int, width: int) -> Iterable[Box]:
    ratio = min(rows / height, columns / width)
    tall, wide = max(1, round(height * ratio)), max(1, round(width * ratio))
    for top, left in (
        (0, 0),
        ((rows - tall) // 2, (columns - wide) // 2),
        (rows - tall, columns - wide),
    ):
        yield Box(top, left, top + tall, left + wide)


def _crop(
    box: Box, source: tuple[int, int], share: tuple[float, float], place: tuple[float, float]
) -> tuple[Axis, Axis]:
    """Return the map of `box` to a share of the source; place: 0 at its start, 1 at its end."""
    steps = share[0] * source[0] / box.height, share[1] * source[1] / box.width
    starts = [(1 - s) * length * at for s, length, at in zip(share, source, place, strict=True)]
    return (
        Axis(steps[0], starts[0] - steps[0] * box.top),
        Axis(steps[1], starts[1] - steps[1] * box.left),
    )


def _scored(view: _View, axes: tuple[Axis, Axis]) -> Map:
    made, inside = view.sample(Map(*axes))
    enough = inside.mean() > 0.5
    return Map(*axes, _correlation(view.values[inside], made[inside]) if enough else 0.0)


def _correlation(first: Array, second: Array) -> float:
    first, second = first - first.mean(), second - second.mean()
    power = float((first * first).sum() * (second * second).sum())
    return abs(float((first * second).sum())) / power**0.5 if power > 0 else 0.0


def _descend(view: _View, start: Map) -> Map:
    """Gauss-Newton on (row step, row start, column step, column start), damped where it fails."""
    best = _scored(view, (start.rows, start.columns))
    damping = 1e-3
    for _ in range(_ITERATIONS):
        change = _change(view, best, damping)
        tried = _scored(
            view,
            (
                Axis(best.rows.step + change[0], best.rows.start + change[1]),
                Axis(best.columns.step + change[2], best.columns.start + change[3]),
            ),
        )
        if tried.score <= best.score:
            damping *= 30
            if damping > 1e3:
                break
            continue
        gained, best = tried.score - best.score, tried
        damping = max(damping / 10, 1e-6)
        if gained < 1e-9:
            break
    return best


def _change(view: _View, found: Map, damping: float) -> Array:
    """Return the step of the four parameters that the linearised difference asks for."""
    made, inside = view.sample(found)
    # Steps that move the far end of an axis by about a tenth of a reduced pixel.
    length = max(view.values.shape)
    moves = [0.1 * abs(found.rows.step) / length, 0.1 * abs(found.rows.step)]
    moves += [0.1 * abs(found.columns.step) / length, 0.1 * abs(found.columns.step)]
    columns = [made[inside], np.ones(int(inside.sum()))]
    for index, move in enumerate(moves):
        numbers = [found.rows.step, found.rows.start, found.columns.step, found.columns.start]
        numbers[index] += move
        moved, _ = view.sample(Map(Axis(*numbers[:2]), Axis(*numbers[2:])))
        columns.append((moved - made)[inside])
    design = np.stack(columns, axis=1)
    wanted = view.values[inside]
    gain = np.linalg.lstsq(design[:, :2], wanted, rcond=None)[0]
    slopes = gain[0] * design[:, 2:]
    residual = wanted - design[:, :2] @ gain
    # Gain and offset go along: what they can explain is no motion.
    basis, _ = np.linalg.qr(design[:, :2])
    slopes = slopes - basis @ (basis.T @ slopes)
    normal = slopes.T @ slopes
    scale = np.diag(normal).copy()
    scale[scale == 0] = 1.0
    shift = np.linalg.solve(normal + damping * np.diag(scale), slopes.T @ residual)
    return np.asarray(shift * np.asarray(moves))
