"""A tensor and the picture it is thought to come from: preparations are tried out here."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from divergence.errors import DivergenceError
from divergence.preparation.inference.borders import Box
from divergence.preparation.inference.recipe import Parts, Trial
from divergence.preparation.inference.tone import Tone, fit_tone
from divergence.preparation.picture import Picture
from divergence.preparation.steps import Crop, Curve, Gamma, Pad, Resize, Step
from divergence.records import Array

# Pixels at a border that a resize blends: the support of lanczos in OpenCV and Pillow.
_BLENDED = 5
# Rendered pictures that are kept for the next trial: prefixes are shared by most of them.
_KEPT = 12
# Libraries that resize floats agree to about 1e-3 grey levels; half a level is a rounded byte.
# One library repeats itself exactly.
EXACT_LEVELS, CERTAIN_LEVELS = 0.02, 1e-5
# A window of the source may have less contrast than the whole, by up to this factor.
_MOST_CONTRAST = 4.0
# Pixels that a trial is judged by.
_PIXELS = 40_000


class Scene:
    """Renders steps from one decoded picture and compares the result with one target."""

    def __init__(
        self, target: Array, source: Picture, epsilon: float, usual: Trial | None = None
    ) -> None:
        """Take the target's planes (C, H, W) and the machine epsilon of the tensor's dtype.

        usual: the parts and the tone that the tensor would have if nothing had changed.
        """
        self.target, self.source, self.usual = target, source, usual
        self._unit = target.std(axis=(1, 2)) / max(float(source.values.std()), 1e-6)
        # Greatest rounding step of each channel's values.
        self._rounding = np.abs(target).max(axis=(1, 2)) * epsilon
        self._kept: OrderedDict[tuple[Step, ...], Picture] = OrderedDict()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the target."""
        return self.target.shape[1], self.target.shape[2]

    def render(self, steps: tuple[Step, ...]) -> Picture:
        """Return the picture after the steps."""
        if not steps:
            return self.source
        if steps not in self._kept:
            self._kept[steps] = steps[-1].apply(self.render(steps[:-1]))
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(steps)
        return self._kept[steps]

    def planes(self, steps: tuple[Step, ...]) -> Array | None:
        """Return what the steps make as float64 (C, H, W), None where they do not fit."""
        try:
            made = self.render(steps).arranged("CHW").values
        except DivergenceError:
            return None
        return made.astype(np.float64) if made.shape[1:] == self.target.shape[1:] else None

    def attempt(self, parts: Parts, full: bool = False) -> Trial | None:
        """Return how near the parts come with the best tone and border; None: they do not fit.

        full: judge by every pixel; otherwise by some tens of thousands.
        """
        steps = parts.padded_with("edge").steps()
        made = self.planes(steps)
        if made is None:
            return None
        if parts.pad is None:
            return self._judge(parts, self._fit(made, None), made, full)
        tone = self._fit(made, inner_box(steps, self._source_size, self.size))
        value = self._border_value(tone, steps)
        filled = parts.padded_with(value)
        if not isinstance(value, str):
            made = self._filled(filled.steps(), made, value)
        return None if made is None else self._judge(filled, tone, made, full)

    def _rounding_levels(self, tone: Tone) -> float:
        """Return the distance in grey levels that the tensor's own rounding explains."""
        return float(2 * (self._rounding / self._level(tone)).max())

    def _level(self, tone: Tone) -> Array:
        """Return what one grey level is in each channel of the target.

        A tone that blows a nearly empty picture up to the target's contrast does not make its
        distance small: the level is bounded by what the target's own contrast allows.
        """
        return np.asarray(np.minimum(np.abs(tone.gain), _MOST_CONTRAST * self._unit) + 1e-30)

    @property
    def _source_size(self) -> tuple[int, int]:
        return self.source.height, self.source.width

    def _fit(self, made: Array, box: Box | None) -> Tone:
        target = self.target
        if box is not None:
            target, made = box.of(target), box.of(made)
        stride = _stride(target)
        return fit_tone(target[:, ::stride, ::stride], made[:, ::stride, ::stride])

    def _judge(self, parts: Parts, tone: Tone, made: Array, full: bool) -> Trial:
        target = self.target
        stride = 1 if full else _stride(target)
        target, made = target[:, ::stride, ::stride], made[:, ::stride, ::stride]
        if made.shape[0] != target.shape[0]:
            made = np.repeat(made.mean(axis=0, keepdims=True), target.shape[0], axis=0)
        distance = np.abs(target - tone.apply(made)) / self._level(tone)[:, None, None]
        worst, rms = float(distance.max()), float(np.sqrt(np.mean(distance**2)))
        rounding = self._rounding_levels(tone)
        exact, certain = worst <= EXACT_LEVELS + rounding, worst <= CERTAIN_LEVELS + rounding
        return Trial(parts, tone, rms, worst, exact, certain)

    def _border_value(self, tone: Tone, steps: tuple[Step, ...]) -> tuple[float, ...] | str:
        """Return the border's value in the picture's units, "edge" where it is not flat."""
        size = self._source_size
        outside = content(steps, size, self.size, _BLENDED).outside(*self.size)
        if not outside.any():
            outside = content(steps, size, self.size, 0).outside(*self.size)
        if not outside.any():
            return "edge"
        strip = self.target[:, outside]
        strip = tone.undo(strip[:, :: strip.shape[1] // _PIXELS + 1])
        middle = np.median(strip, axis=1)
        if float(np.abs(strip - middle[:, None]).mean()) > 1.0:
            return "edge"
        value = tuple(float(v) for v in _tidy(_before(_trailing(steps), middle)))
        return value[:1] if len(set(value)) == 1 else value

    def _filled(
        self, steps: tuple[Step, ...], made: Array, value: tuple[float, ...]
    ) -> Array | None:
        """Return the planes with the border's value in place of repeated pixels."""
        if _trailing(steps) or _resized_later(steps):
            return self.planes(steps)
        outside = content(steps, self._source_size, self.size, 0).outside(*self.size)
        made = made.copy()
        made[:, outside] = np.asarray(value)[:, None]
        return made


def _trailing(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps behind the border that change values alone."""
    last = max((i for i, step in enumerate(steps) if isinstance(step, Pad)), default=-1)
    return tuple(step for step in steps[last + 1 :] if isinstance(step, Gamma | Curve))


def _before(curves: tuple[Step, ...], values: Array) -> Array:
    """Return the byte values that the curves map nearest to `values`."""
    if not curves:
        return values
    ramp = Picture(np.arange(256, dtype=np.uint8).reshape(1, 256, 1))
    for curve in curves:
        ramp = curve.apply(ramp)
    table = ramp.values.ravel().astype(np.float64)
    return np.asarray(np.abs(table[None, :] - values[:, None]).argmin(axis=1), dtype=np.float64)


def _tidy(values: Array) -> Array:
    """Return values that are whole but for rounding as whole numbers."""
    whole = np.rint(values)
    return np.asarray(np.where(np.abs(values - whole) < 0.05, whole, values))


def _stride(planes: Array) -> int:
    """Return the distance of the pixels that are looked at, odd so that no pattern is missed."""
    return int((planes.shape[1] * planes.shape[2] / _PIXELS) ** 0.5) // 2 * 2 + 1


def _resized_later(steps: tuple[Step, ...]) -> bool:
    """Say whether the border is resized along with the picture."""
    kinds = [type(step) for step in steps]
    return Resize in kinds and Pad in kinds and kinds.index(Pad) < kinds.index(Resize)


def content(
    steps: tuple[Step, ...], source: tuple[int, int], target: tuple[int, int], margin: int
) -> Box:
    """Return where the picture stands in the target, grown by `margin` where it was resized."""
    size = source
    box = (0.0, 0.0, float(source[0]), float(source[1]))
    blended = False
    for step in steps:
        if isinstance(step, Resize):
            new = step.size(*size)
            rows, columns = new[0] / size[0], new[1] / size[1]
            blended = box != (0.0, 0.0, float(size[0]), float(size[1]))
            box = (box[0] * rows, box[1] * columns, box[2] * rows, box[3] * columns)
            size = new
        elif isinstance(step, Crop):
            top, left = step.offset(*size)
            size = step.window(*size)
            box = (
                max(box[0] - top, 0.0),
                max(box[1] - left, 0.0),
                min(box[2] - top, float(size[0])),
                min(box[3] - left, float(size[1])),
            )
        elif isinstance(step, Pad):
            top, left = step.offset(*size)
            box = (box[0] + top, box[1] + left, box[2] + top, box[3] + left)
            size = step.to
    grow = margin if blended else 0
    return Box(
        max(0, int(np.floor(box[0])) - grow),
        max(0, int(np.floor(box[1])) - grow),
        min(target[0], int(np.ceil(box[2])) + grow),
        min(target[1], int(np.ceil(box[3])) + grow),
    )


def inner_box(steps: tuple[Step, ...], source: tuple[int, int], target: tuple[int, int]) -> Box:
    """Return the part of the target that no border had a share in."""
    box = content(steps, source, target, 0)
    return box.shrunk(_BLENDED, target) if _resized_later(steps) else box
