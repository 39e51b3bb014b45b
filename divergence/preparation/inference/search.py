"""The search for a recipe: layout and turn, geometry, kernel, values, each step verified."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from divergence.preparation.inference.borders import Box, content_box
from divergence.preparation.inference.geometries import Geometry, geometries, neighbours
from divergence.preparation.inference.kernel_search import best_kernel, nearest
from divergence.preparation.inference.kernels import Kernel, sketch
from divergence.preparation.inference.precision import epsilon
from divergence.preparation.inference.readings import Reading, readings
from divergence.preparation.inference.recipe import Parts, Recipe, Trial
from divergence.preparation.inference.registration import Map, coarse, grey, refine
from divergence.preparation.inference.scene import Scene
from divergence.preparation.inference.values import FAMILIES
from divergence.preparation.picture import Picture
from divergence.preparation.steps import Resize, Step, Turn
from divergence.preparation.steps.turn import TURNS, turn_planes
from divergence.records import Array

# A registered picture correlates better than this with what it came from, whatever the kernel
# and the curve; unrelated photographs stay below 0.5.
RECOGNISED = 0.8
# Below this, at low resolution, windows away from the centre are looked at as well.
_SURE = 0.9
# The way a picture stands is doubted only when another fits clearly better.
_CLEARLY = 0.02
# Geometries that are tried with the whole bank: those not much worse than the best.
_FINALISTS, _NEARLY = 5, 2.5
_AS_GOOD = 1.02
_NUDGES = 12


@dataclass(frozen=True, slots=True)
class _Placed:
    """A layout, a turn, and where in the turned picture the tensor was taken from."""

    reading: Reading
    turn: str | None
    box: Box
    found: Map


def find_recipe(tensor: Array, picture: Picture, prior: Recipe | None = None) -> Recipe | None:
    """Return the recipe that comes nearest to `tensor`, None where the picture is not in it.

    picture: decoded bytes, turned as EXIF says. prior: the recipe to prefer among equals.
    """
    placed = _place(tensor, picture, prior)
    if placed is None:
        return None
    turned = Turn(placed.turn).apply(picture) if placed.turn else picture
    usual = prior.trial if prior is not None else None
    scene = Scene(placed.reading.planes(tensor), turned, epsilon(tensor), usual)
    first = _preferred(prior)
    trial = _search(scene, _shapes(scene, placed, prior), first)
    if trial is None:
        return None
    return Recipe(placed.turn, trial, placed.reading, str(tensor.dtype))


def _preferred(prior: Recipe | None) -> tuple[Kernel, ...]:
    """Return the prior's kernel, as it is and with its result rounded as is usual for it.

    Floats resized by Pillow or OpenCV are not among them: PyTorch makes the same of them, and is
    what people use there.
    """
    kernel = prior.parts.kernel if prior is not None else None
    if kernel is None:
        return ()
    usual = ("none", "nearest") if kernel.library == "torch" else ("bytes",)
    roundings = dict.fromkeys((kernel.rounding, *usual))
    return tuple(replace(kernel, rounding=rounding) for rounding in roundings)


def _place(tensor: Array, picture: Picture, prior: Recipe | None) -> _Placed | None:
    """Return how the tensor lies: the best at low resolution, refined."""
    source = grey(picture.arranged("CHW").values.astype(np.float64))
    best = _likeliest(tensor, source, prior, anywhere=False)
    if best is not None and best.found.score < _SURE:
        best = _likeliest(tensor, source, prior, anywhere=True)
    if best is None:
        return None
    target = grey(best.reading.planes(tensor))
    found = refine(target, _turned(source, best.turn), best.box, best.found)
    return replace(best, found=found) if found.score >= RECOGNISED else None


def _likeliest(
    tensor: Array, source: Array, prior: Recipe | None, anywhere: bool
) -> _Placed | None:
    """Return the layout and turn that correlate best; the earlier one unless clearly worse."""
    best: _Placed | None = None
    for reading, turn in _ways(tensor.shape, prior):
        planes = reading.planes(tensor)
        box = content_box(planes)
        found = coarse(grey(planes), _turned(source, turn), box, anywhere)
        if best is None or found.score > best.found.score + _CLEARLY:
            best = _Placed(reading, turn, box, found)
    return best


def _ways(shape: tuple[int, ...], prior: Recipe | None) -> Iterator[tuple[Reading, str | None]]:
    """Yield layouts and turns, the likelier ones first."""
    every = list(readings(shape))
    if prior is not None and prior.reading in every:
        yield prior.reading, prior.turn
    for reading in every:
        yield reading, None
    for turn in TURNS if every else ():
        yield every[0], turn


def _turned(plane: Array, turn: str | None) -> Array:
    return plane if turn is None else turn_planes(plane, turn)


def _shapes(scene: Scene, placed: _Placed, prior: Recipe | None) -> list[Geometry]:
    """Return the geometries that may be meant, that of the prior first."""
    source = (scene.source.height, scene.source.width)
    found = list(geometries(placed.found, scene.size, source))
    if prior is not None:
        known = prior.parts.padded_with("edge").geometry
        plain = tuple(_plain(step) if isinstance(step, Resize) else step for step in known)
        return [plain, *(geometry for geometry in found if geometry != plain)]
    return found


def _plain(resize: Resize) -> Resize:
    """Return a resize with the default kernel: the kernel is searched for apart."""
    blank = Resize(to=(1, 1))
    return replace(
        resize,
        kernel=blank.kernel,
        antialias=blank.antialias,
        library=blank.library,
        align_corners=False,
    )


def _search(scene: Scene, shapes: list[Geometry], first: tuple[Kernel, ...]) -> Trial | None:
    best: Trial | None = None
    finalists = _finalists(scene, shapes, first)
    for geometry in finalists:
        best = nearest(best, best_kernel(scene, Parts(geometry), first))
        if best is not None and best.certain:
            return best
    if best is not None and best.exact:
        return best
    for geometry in finalists:
        best = nearest(best, _nudged(scene, geometry, first))
        if best is not None and best.exact:
            return best
    if best is None:
        return None
    for family in FAMILIES:
        if not best.exact:
            best = family.improve(scene, best, first)
    return best


def _finalists(scene: Scene, shapes: list[Geometry], first: tuple[Kernel, ...]) -> list[Geometry]:
    """Return the geometries that come nearest, one of each kind, with the kernels of the sketch.

    Where kernels are preferred, the first geometry is too, and comes along whatever its distance.
    """
    best: dict[tuple[str, ...], tuple[float, int]] = {}
    for place, geometry in enumerate(shapes):
        trial = _sketched(scene, geometry, first)
        kind = tuple(_kind(step) for step in geometry)
        if trial is not None and (kind not in best or trial.rms < best[kind][0]):
            best[kind] = (trial.rms, place)
    least = min((rms for rms, _ in best.values()), default=0.0)
    # Of those that are as good as the best, the one that was named first comes first.
    ranked = sorted(best.values(), key=lambda pair: (max(pair[0], _AS_GOOD * least), pair[1]))
    near = [shapes[place] for rms, place in ranked[:_FINALISTS] if rms <= _NEARLY * least + 1e-9]
    return list(dict.fromkeys([*(shapes[:1] if first else ()), *near]))


def _kind(step: Step) -> str:
    """Return the step's word; a place in pixels is another kind than a named one."""
    place = getattr(step, "at", "")
    return step.word if isinstance(place, str) else f"{step.word} somewhere"


def _sketched(scene: Scene, geometry: Geometry, first: tuple[Kernel, ...]) -> Trial | None:
    kernels = dict.fromkeys((*first[:1], *sketch()))
    return nearest(*(scene.attempt(Parts(geometry, kernel)) for kernel in kernels))


def _nudged(scene: Scene, geometry: Geometry, first: tuple[Kernel, ...]) -> Trial | None:
    """Return the best trial within reach of single steps of a pixel, None where none is better."""
    start = _sketched(scene, geometry, first)
    if start is None:
        return None
    best = start
    for _ in range(_NUDGES):
        around = [_sketched(scene, near, first) for near in neighbours(best.parts.geometry)]
        found = nearest(best, *around)
        if found is None or found is best:
            break
        best = found
    return best_kernel(scene, best.parts, first) if best is not start else None
