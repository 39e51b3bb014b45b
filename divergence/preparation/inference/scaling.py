"""Range, mean and standard deviation: a tone in the words of a SPEC.

A tone says `gain * byte + offset` for each channel. A SPEC says
`((byte * factor) - mean) / std`, and many pairs of factor, mean and std mean the same. Chosen is
the one that a person would have written: the other side's, one that is in wide use, or [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from divergence.preparation.inference.tone import Tone
from divergence.preparation.steps import Channels, Normalize, Scale, Step
from divergence.records import Array

# Relative distance up to which two numbers are the same one: where the tone was measured exactly,
# and where another kernel or a curve is in the way of measuring it.
_SAME, _SIMILAR = 2e-3, 0.03
Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Scaling:
    """`((byte * factor) - mean) / std * after`, one mean and std for each tensor channel.

    by_colour: channels are reordered behind the normalisation, so that `mean` and `std` in a
    SPEC stand in the picture's order; otherwise before it, and they stand in the tensor's.
    """

    factor: float
    mean: Numbers
    std: Numbers
    after: float = 1.0
    by_colour: bool = False

    @property
    def normalizes(self) -> bool:
        """Whether there is a mean or a deviation at all."""
        return any(abs(m) > 1e-9 for m in self.mean) or any(abs(s - 1) > 1e-9 for s in self.std)


# Pairs in wide use, for bytes scaled to [0, 1]: torchvision and timm, Inception and ViT, CLIP,
# timm's DPN, CIFAR-10; the last is "no normalisation".
KNOWN: tuple[tuple[Numbers, Numbers], ...] = (
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ((124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3),
    ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
)
# The same for values left in [0, 255]: Caffe's means, red first and, as it has them, blue first.
KNOWN_BYTES: tuple[tuple[Numbers, Numbers], ...] = (
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
    ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
)
# Ranges that values are brought to, and the slips between them.
FACTORS = (1 / 255, 1.0, 1 / 256, 1 / 127.5, 1 / 128, 1 / 65535, 255.0, 1 / 255**2)


def express(tone: Tone, like: Scaling | None = None, exact: bool = True) -> Scaling:
    """Return a tone in words: those of `like` as far as they fit, then numbers in wide use.

    exact: the tone is that of a recipe that reproduces the tensor.
    """
    same = _SAME if exact else _SIMILAR
    zero, unit = -tone.offset / tone.gain, 1 / tone.gain  # in bytes: what maps to 0, and one unit
    if like is not None:
        found = _as(like, zero, unit, tone.order, same)
        if found is not None:
            return found
    found = _known(zero, unit, tone.order, like, same)
    if found is not None:
        return found
    factor = like.factor if like is not None else _factor(unit)
    return Scaling(factor, _numbers(zero * factor), _numbers(unit * factor))


def scaling_of(steps: Iterable[Step], order: tuple[int, ...]) -> Scaling | None:
    """Return the scaling that a SPEC's steps say, None where they say it in another way.

    order: which colour each tensor channel holds.
    """
    factor, numbers, by_colour = 1.0, None, False
    for step in steps:
        if isinstance(step, Scale):
            if step.offset != 0 or numbers is not None:
                return None
            factor *= step.factor
        elif isinstance(step, Normalize):
            if numbers is not None:
                return None
            numbers = (np.resize(step.mean, len(order)), np.resize(step.std, len(order)))
        elif isinstance(step, Channels):
            by_colour = numbers is not None
    places = list(order) if by_colour else list(range(len(order)))
    mean, std = numbers or (np.zeros(len(order)), np.ones(len(order)))
    return Scaling(
        factor,
        tuple(float(mean[place]) for place in places),
        tuple(float(std[place]) for place in places),
        by_colour=by_colour,
    )


def _as(
    like: Scaling, zero: Array, unit: Array, order: tuple[int, ...], same: float
) -> Scaling | None:
    """Return the scaling of `like` with another factor, or another gain behind it."""
    for by_colour in (False, True):
        places = list(order) if by_colour else list(range(len(order)))
        if len(like.mean) != len(places):
            return None
        mean, std = np.asarray(like.mean)[places], np.asarray(like.std)[places]
        factors = std / unit
        factor = float(np.median(factors))
        if abs(factor / like.factor - 1) <= same:
            factor = like.factor
        if _close(factors, factor, same) and _close(zero * factor, mean, same, std):
            factor = factor if factor == like.factor else _snapped(factor)
            return Scaling(factor, tuple(mean), tuple(std), like.after, by_colour)
        gains = std / (unit * like.factor)
        gain = float(np.median(gains))
        matches = _close(zero * like.factor, mean, same, std) and _close(gains, gain, same)
        if matches and _is_factor(gain):
            return Scaling(like.factor, tuple(mean), tuple(std), _snapped(gain), by_colour)
    return None


def _known(
    zero: Array, unit: Array, order: tuple[int, ...], like: Scaling | None, same: float
) -> Scaling | None:
    for factor, (mean, std) in _candidates(like):
        for by_colour in (False, True):
            places = list(order) if by_colour else list(range(len(order)))
            means, stds = np.resize(mean, 3)[places], np.resize(std, 3)[places]
            near = _close(unit * factor, stds, same)
            if near and _close(zero * factor, means, same, stds):
                return Scaling(factor, tuple(means), tuple(stds), by_colour=by_colour)
    return None


def _candidates(like: Scaling | None) -> Iterator[tuple[float, tuple[Numbers, Numbers]]]:
    factors = [*([like.factor] if like is not None else []), 1 / 255, 1.0, 1 / 256]
    for factor in dict.fromkeys(factors):
        for pair in KNOWN if factor != 1.0 else KNOWN_BYTES + KNOWN:
            yield factor, pair


def _factor(unit: Array) -> float:
    """Return the factor that is likely where nothing known fits: 1 where bytes were kept."""
    return 1.0 if _close(unit, 1.0, _SAME) else 1 / 255


def _close(
    numbers: Array, wanted: Array | float, same: float, scale: Array | float | None = None
) -> bool:
    size = np.abs(wanted) if scale is None else np.maximum(np.abs(wanted), np.abs(scale))
    return bool(np.all(np.abs(numbers - wanted) <= same * size))


def _is_factor(gain: float) -> bool:
    return any(abs(gain / f - 1) < _SAME for known in FACTORS for f in (known, 1 / known))


def _snapped(factor: float) -> float:
    known = {k for f in FACTORS for k in (f, 1 / f)}
    near = [f for f in known if abs(factor / f - 1) < _SAME / 2]
    return min(near, key=lambda f: abs(f - factor)) if near else float(f"{factor:.7g}")


def _numbers(values: Array) -> Numbers:
    return tuple(float(f"{value:.6g}") if abs(value) > 1e-7 else 0.0 for value in values)
