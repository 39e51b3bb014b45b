"""Geometry as steps: the resizes, crops and borders that a map may stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from divergence.preparation.inference.registration import Map
from divergence.preparation.steps import Crop, Pad, Resize, Step

Geometry = tuple[Step, ...]
Size = tuple[int, int]

# How far, in pixels of the target, a size found by registration may be off.
_NEAR = 2.0
# How far, as a share, the scale of a small window may be off where the picture was not scaled.
_UNSCALED = 0.03


def geometries(found: Map, target: Size, source: Size) -> Iterator[Geometry]:
    """Yield the step sequences near a map, the simplest first; pads have the value "edge".

    target, source: height and width of the tensor and of the picture.
    """
    yield from _unique(_every(found, target, source))


def _every(found: Map, target: Size, source: Size) -> Iterator[Geometry]:
    tall, wide = source[0] / found.rows.step, source[1] / found.columns.step
    offset = (found.rows.start / found.rows.step, found.columns.start / found.columns.step)
    if target == source and _near((tall, wide), source) and max(map(abs, offset)) < _NEAR:
        yield ()
    for resize in _resizes((tall, wide), target, source):
        yield from _placed(resize, offset, target, source)
    if _near((tall, wide), source):
        yield from _placed(None, offset, target, source)
    yield from _unscaled((tall, wide), target, source)
    yield from _padded_first(found, target, source)
    yield from _cropped_first(found, target, source)


def _resizes(size: tuple[float, float], target: Size, source: Size) -> Iterator[Resize]:
    """Yield resizes whose result is near `size`, named ones before plain numbers."""
    shortest = [Resize(shortest=side) for side in _around(min(size))]
    longest = [Resize(longest=side) for side in _around(max(size))]
    if target[0] == target[1]:
        longest.insert(0, Resize(longest=target[0]))
    boxed = [Resize(fit=target), Resize(cover=target)]
    # Where a border is left, people speak of the longest side, where a crop, of the shortest.
    bordered = min(size[0] - target[0], size[1] - target[1]) < -_NEAR
    named = [*longest, *boxed, *shortest] if bordered else [*shortest, *boxed, *longest]
    squares = [Resize(to=(side, side)) for side in _around(sum(size) / 2)]
    whole = Resize(to=(max(1, round(size[0])), max(1, round(size[1]))))
    yield from (r for r in (Resize(to=target), *named, *squares) if _near(r.size(*source), size))
    yield whole


def _around(length: float) -> list[int]:
    middle = round(length)
    return [side for side in (middle, middle + 1, middle - 1) if side >= 1]


def _near(size: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= _NEAR for a, b in zip(size, other, strict=True))


def _placed(
    resize: Resize | None, offset: tuple[float, float], target: Size, source: Size
) -> Iterator[Geometry]:
    """Yield the resize with what brings its result to the target's size: a crop, a border."""
    size = resize.size(*source) if resize is not None else source
    first: Geometry = (resize,) if resize is not None else ()
    window = (min(size[0], target[0]), min(size[1], target[1]))
    cut = [(max(0.0, offset[0]), max(0.0, offset[1]))]
    border = (max(0.0, -offset[0]), max(0.0, -offset[1]))
    crops = list(_crops(size, window, cut[0])) if window != size else [()]
    pads = list(_pads(window, target, border)) if window != target else [()]
    for crop in crops:
        for pad in pads:
            yield first + crop + pad


def _crops(size: Size, window: Size, cut: tuple[float, float]) -> Iterator[Geometry]:
    named = [Crop(size=window, at=place) for place in ("center", "center-floor", "top-left")]
    offsets = [crop.offset(*size) for crop in named]
    for number, (crop, offset) in enumerate(zip(named, offsets, strict=True)):
        if _near(offset, cut) and offset not in offsets[:number]:
            yield (crop,)
    top, left = (min(round(c), s - w) for c, s, w in zip(cut, size, window, strict=True))
    yield (Crop(size=window, at=(max(0, top), max(0, left))),)


def _pads(window: Size, target: Size, border: tuple[float, float]) -> Iterator[Geometry]:
    places: list[str | Size] = ["center", "top-left", "bottom-right"]
    for place in places:
        pad = Pad(to=target, value="edge", at=place)
        if _near(pad.offset(*window), border):
            yield (pad,)
    top, left = (min(round(b), t - w) for b, t, w in zip(border, target, window, strict=True))
    yield (Pad(to=target, value="edge", at=(max(0, top), max(0, left))),)


def _unscaled(size: tuple[float, float], target: Size, source: Size) -> Iterator[Geometry]:
    """Yield usual windows of the picture as it is, where the scale is about one."""
    if any(abs(a - b) > _UNSCALED * b for a, b in zip(size, source, strict=True)):
        return
    if target == source or any(t > s for t, s in zip(target, source, strict=True)):
        return
    down = ((source[0] - target[0]) // 2, (source[1] - target[1]) // 2)
    for at in ("center", down, "top-left"):
        yield (Crop(size=target, at=at),)


def _padded_first(found: Map, target: Size, source: Size) -> Iterator[Geometry]:
    """Yield a border around the source, resized with it."""
    tall, wide = found.rows.step * target[0], found.columns.step * target[1]
    unit = (found.rows.step, found.columns.step)
    if tall < source[0] - unit[0] or wide < source[1] - unit[1]:
        return
    if tall < source[0] + unit[0] and wide < source[1] + unit[1]:
        return
    side = max(source)
    mean = round((tall + wide) / 2)
    sizes = [(side, side), (mean, mean), (round(tall), round(wide))]
    border = (-found.rows.start, -found.columns.start)
    for size in sizes:
        fits = size[0] >= source[0] and size[1] >= source[1]
        close = abs(size[0] - tall) <= 2 * unit[0] + 1 and abs(size[1] - wide) <= 2 * unit[1] + 1
        if not (fits and close):
            continue
        for place in ("center", "top-left", "bottom-right"):
            pad = Pad(to=size, value="edge", at=place)
            top, left = pad.offset(*source)
            if abs(top - border[0]) <= 2 * unit[0] and abs(left - border[1]) <= 2 * unit[1]:
                yield (pad, Resize(to=target))


def _cropped_first(found: Map, target: Size, source: Size) -> Iterator[Geometry]:
    """Yield a window of the source, resized to the target."""
    tall, wide = found.rows.step * target[0], found.columns.step * target[1]
    unit = (found.rows.step, found.columns.step)
    if tall > source[0] + 2 or wide > source[1] + 2:
        return
    if tall > source[0] - unit[0] and wide > source[1] - unit[1]:
        return
    size = (min(round(tall), source[0]), min(round(wide), source[1]))
    cut = (found.rows.start, found.columns.start)
    sizes = [size]
    if abs(tall - wide) < 2 * max(unit):
        side = min(round((tall + wide) / 2), *source)
        sizes = [(s, s) for s in (side, side + 1, side - 1) if 0 < s <= min(source)]
    if abs(size[0] - source[0]) <= 2 * unit[0]:
        sizes.append((source[0], size[1]))
    if abs(size[1] - source[1]) <= 2 * unit[1]:
        sizes.append((size[0], source[1]))
    for window in sizes:
        centred = Crop(size=window)
        top, left = centred.offset(*source)
        if abs(top - cut[0]) <= 2 * unit[0] and abs(left - cut[1]) <= 2 * unit[1]:
            yield (centred, Resize(to=target))
        at = tuple(
            max(0, min(round(c), s - w)) for c, s, w in zip(cut, source, window, strict=True)
        )
        if at != (top, left):
            yield (replace(centred, at=(at[0], at[1])), Resize(to=target))


def neighbours(geometry: Geometry) -> Iterator[Geometry]:
    """Yield the geometries with one number of one step a pixel more or less."""
    for index, step in enumerate(geometry):
        for changed in _nudged(step):
            yield (*geometry[:index], changed, *geometry[index + 1 :])


def _nudged(step: Step) -> Iterator[Step]:
    for change in (1, -1):
        if isinstance(step, Resize):
            if step.shortest is not None:
                yield replace(step, shortest=step.shortest + change)
            elif step.longest is not None:
                yield replace(step, longest=step.longest + change)
            elif step.to is not None:
                yield replace(step, to=(step.to[0] + change, step.to[1]))
                yield replace(step, to=(step.to[0], step.to[1] + change))
                yield replace(step, to=(step.to[0] + change, step.to[1] + change))
        if isinstance(step, Crop) and step.size is not None:
            yield replace(step, size=(step.size[0] + change, step.size[1]))
            yield replace(step, size=(step.size[0], step.size[1] + change))
            yield replace(step, size=(step.size[0] + change, step.size[1] + change))
        if isinstance(step, Crop | Pad) and not isinstance(step.at, str):
            yield replace(step, at=(max(0, step.at[0] + change), step.at[1]))
            yield replace(step, at=(step.at[0], max(0, step.at[1] + change)))
        if isinstance(step, Pad):
            yield replace(step, to=(step.to[0] + change, step.to[1]))
            yield replace(step, to=(step.to[0], step.to[1] + change))
            yield replace(step, to=(step.to[0] + change, step.to[1] + change))


def _unique(found: Iterator[Geometry]) -> Iterator[Geometry]:
    seen: set[Geometry] = set()
    for geometry in found:
        if geometry not in seen:
            seen.add(geometry)
            yield geometry
