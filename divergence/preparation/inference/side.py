"""One side of a comparison: its recipe in words, and the tensor that it makes again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divergence.errors import DivergenceError
from divergence.preparation.inference.recipe import Recipe
from divergence.preparation.inference.relation import Relation
from divergence.preparation.inference.scaling import Scaling
from divergence.preparation.inference.tone import Tone
from divergence.preparation.picture import Picture
from divergence.preparation.spec import Spec
from divergence.preparation.steps import (
    Channels,
    Curve,
    Decode,
    DType,
    Layout,
    Normalize,
    Pad,
    Scale,
    Step,
    Turn,
)
from divergence.preparation.steps.dtype import TYPES
from divergence.preparation.steps.turn import inverse
from divergence.records import Array


@dataclass(frozen=True, slots=True)
class Source:
    """The picture both sides start from.

    picture: decoded, turned as EXIF says. exif: the turn that EXIF asked for, or None.
    """

    picture: Picture
    exif: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.picture.height, self.picture.width


@dataclass(frozen=True, slots=True)
class Side:
    """A recipe, its values in words, and what it starts from."""

    recipe: Recipe
    scaling: Scaling
    source: Source

    @property
    def turns(self) -> tuple[str, ...]:
        """Turns of the picture, wherever they happen."""
        late = tuple(step.way for step in self.recipe.parts.after if isinstance(step, Turn))
        return ((self.recipe.turn,) if self.recipe.turn else ()) + late

    @property
    def ignores_exif(self) -> bool:
        """Whether the picture was taken as it is stored."""
        exif = self.source.exif
        return exif is not None and self.recipe.turn == inverse(exif)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the turned picture that the geometry starts from."""
        height, width = self.source.size
        swaps = self.recipe.turn in ("rotate_90", "rotate_270", "transpose", "transverse")
        return (width, height) if swaps else (height, width)

    @property
    def spec(self) -> Spec:
        """The whole preparation; a reshaped memory and colours mixed are beyond its words."""
        steps: list[Step] = [Decode(self.source.picture.colours, exif=not self.ignores_exif)]
        if self.recipe.turn and not self.ignores_exif:
            steps.append(Turn(self.recipe.turn))
        steps += self.recipe.parts.steps()
        steps, late_pad = _late_pad(steps, self.recipe.tone)
        order = "".join("RGB"[place] for place in self.recipe.tone.order)
        reorders = [Channels(order)] if sorted(order) == list("BGR") and order != "RGB" else []
        by_colour = self.scaling.by_colour
        steps += [] if by_colour else reorders
        steps += _scaling_steps(self.scaling, self.recipe.tone.order)
        steps += reorders if by_colour else []
        steps += late_pad
        if "C" in self.recipe.reading.axes:
            steps.append(Layout(self.recipe.reading.axes))
        if self.recipe.dtype in TYPES:
            steps.append(DType(self.recipe.dtype))
        return Spec(tuple(steps))

    def planes(self, recipe: Recipe | None = None) -> Array | None:
        """Return the planes (C, H, W) in bytes that a recipe's tone starts from."""
        recipe = recipe or self.recipe
        picture = self.source.picture
        steps = ((Turn(recipe.turn),) if recipe.turn else ()) + recipe.parts.steps()
        try:
            for step in steps:
                if isinstance(step, Pad) and not _is_bytes(step):
                    picture = DType("float32").apply(picture)
                picture = step.apply(picture)
        except DivergenceError:
            return None
        planes = picture.arranged("CHW").values.astype(np.float64)
        if len(planes) != len(recipe.tone.order):
            planes = np.repeat(planes.mean(axis=0, keepdims=True), len(recipe.tone.order), axis=0)
        return planes

    def make(self, recipe: Recipe | None = None) -> Array | None:
        """Return the flat values that a recipe (this side's own by default) makes, in float64.

        In the order of memory; None where the recipe does not fit the picture.
        """
        recipe = recipe or self.recipe
        planes = self.planes(recipe)
        return None if planes is None else recipe.reading.flat(recipe.tone.apply(planes))


def composed(recipe: Recipe, relation: Relation, dtype: str) -> Recipe:
    """Return the recipe of a tensor that stands in an exact relation to the one of `recipe`."""
    first, then = recipe.tone, relation.tone
    places = list(then.order)
    tone = Tone(
        tuple(first.order[place] for place in places),
        then.gain * first.gain[places],
        then.gain * first.offset[places] + then.offset,
    )
    after = recipe.parts.after + ((Turn(relation.turn),) if relation.turn else ())
    trial = replace(recipe.trial, tone=tone, parts=replace(recipe.parts, after=after))
    return Recipe(recipe.turn, trial, relation.reading, dtype)


def upright(recipe: Recipe, like: Tone) -> Recipe:
    """Return a recipe whose values run against those of `like` as one that inverts the picture."""
    tone, trial = recipe.tone, recipe.trial
    if not (tone.gain < 0).all() or not (like.gain > 0).all():
        return recipe
    inverted = Tone(tone.order, -tone.gain, tone.offset + 255 * tone.gain)
    parts = replace(trial.parts, after=(*trial.parts.after, Curve(((0.0, 255.0), (255.0, 0.0)))))
    return replace(recipe, trial=replace(trial, tone=inverted, parts=parts))


def tone_of(scaling: Scaling, order: tuple[int, ...]) -> Tone:
    """Return the tone that a scaling stands for."""
    std = np.asarray(scaling.std, dtype=np.float64)
    gain = scaling.factor * scaling.after / std
    return Tone(order, gain, -np.asarray(scaling.mean) * scaling.after / std)


def _scaling_steps(scaling: Scaling, order: tuple[int, ...]) -> list[Step]:
    steps: list[Step] = []
    if scaling.factor != 1.0:
        steps.append(Scale(scaling.factor))
    if scaling.normalizes:
        # Behind the normalisation the channels are reordered: its numbers stand in the picture's
        # order, the scaling's in the tensor's.
        places = list(np.argsort(order)) if scaling.by_colour else list(range(len(order)))
        mean = tuple(float(scaling.mean[place]) for place in places)
        std = tuple(float(scaling.std[place]) for place in places)
        steps.append(Normalize(_merged(mean), _merged(std)))
    if scaling.after != 1.0:
        steps.append(Scale(scaling.after))
    return steps


def _merged(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return numbers if len(numbers) == 3 else numbers[:1]


def _is_bytes(pad: Pad) -> bool:
    """Say whether a border's value can be written in bytes."""
    return isinstance(pad.value, str) or all(value == round(value) for value in pad.value)


def _late_pad(steps: list[Step], tone: Tone) -> tuple[list[Step], list[Step]]:
    """Split off a border whose value is no byte: it was added behind the normalisation."""
    if not steps:
        return steps, []
    pad = steps[-1]
    if not isinstance(pad, Pad) or isinstance(pad.value, str) or _is_bytes(pad):
        return steps, []
    channels = len(tone.order)
    value = np.resize(np.asarray(pad.value), channels)[list(tone.order)] * tone.gain + tone.offset
    tidy = tuple(float(f"{v:.5g}") if abs(v) > 1e-4 else 0.0 for v in value)
    return steps[:-1], [replace(pad, value=tidy[:1] if len(set(tidy)) == 1 else tidy)]
