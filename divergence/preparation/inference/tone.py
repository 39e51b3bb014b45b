"""Values: one gain and offset for each channel, and which channel is which."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from divergence.records import Array

# Below this variance (grey levels squared) a channel is flat and tells no gain.
_FLAT = 1e-9
# A reordering must explain this much more than the order as it is: grey pictures fit any order.
_CLEARLY = 0.98


@dataclass(frozen=True, slots=True)
class Tone:
    """Channel i of a tensor is `gain[i] * made[order[i]] + offset[i]`.

    gain, offset: float64, one for each channel of the tensor.
    """

    order: tuple[int, ...]
    gain: Array
    offset: Array

    def apply(self, made: Array) -> Array:
        """Return the planes (C, H, W) that this tone makes of `made`."""
        shape = (-1,) + (1,) * (made.ndim - 1)
        return made[list(self.order)] * self.gain.reshape(shape) + self.offset.reshape(shape)

    def undo(self, target: Array) -> Array:
        """Return planes in the units and the channel order of what the tone was applied to."""
        shape = (-1,) + (1,) * (target.ndim - 1)
        plain = (target - self.offset.reshape(shape)) / self.gain.reshape(shape)
        return plain[list(np.argsort(self.order))]


def fit_tone(target: Array, made: Array) -> Tone:
    """Return the least-squares tone from `made` to `target`, both (C, ...) in float64.

    A single grey plane in `made` serves every channel of the target, and the mean of several
    serves a single one.
    """
    if made.shape[0] != target.shape[0]:
        made = np.repeat(made.mean(axis=0, keepdims=True), target.shape[0], axis=0)
    flat_target = target.reshape(len(target), -1)
    flat_made = made.reshape(len(made), -1)
    target_mean, made_mean = flat_target.mean(axis=1), flat_made.mean(axis=1)
    centred_target = flat_target - target_mean[:, None]
    centred_made = flat_made - made_mean[:, None]
    cross = centred_target @ centred_made.T
    power = np.einsum("ij,ij->i", centred_made, centred_made)
    spread = np.einsum("ij,ij->i", centred_target, centred_target)
    count = max(1, flat_made.shape[1])
    gains = cross / np.where(power / count > _FLAT, power, np.inf)
    order = _order(spread[:, None] - gains * cross)
    gain = gains[range(len(target)), list(order)]
    flat = power[list(order)] / count <= _FLAT
    if flat.any():
        gain[flat] = np.median(gain[~flat]) if not flat.all() else 1.0
    gain[gain == 0] = 1e-12  # a constant target: nothing of the picture is in it
    return Tone(order, gain, target_mean - gain * made_mean[list(order)])


def _order(unexplained: Array) -> tuple[int, ...]:
    """Return which made channel each target channel is: as it is, unless another is better."""
    channels = len(unexplained)
    as_it_is = tuple(range(channels))
    best = min(
        permutations(as_it_is), key=lambda order: unexplained[as_it_is, order].sum(), default=()
    )
    bound = unexplained[as_it_is, as_it_is].sum() * _CLEARLY
    return best if unexplained[as_it_is, best].sum() < bound else as_it_is


def levels(difference: Array, tone: Tone) -> Array:
    """Return a difference of target values in grey levels (units of what the tone starts from)."""
    return difference / np.abs(tone.gain).reshape((-1,) + (1,) * (difference.ndim - 1))
