"""Fingerprints: what they tell apart, and what they do not see."""

from __future__ import annotations

import numpy as np
import pytest

from divergence.matching.fingerprints import distances, fingerprint, ways

RANDOM = np.random.default_rng(7)
PICTURE = RANDOM.normal(size=(1, 16, 8, 8)).astype("float32")


def far(first: np.ndarray, second: np.ndarray) -> float:
    return float(distances([fingerprint(first)], [fingerprint(second)])[0, 0])


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (0, 3, 2, 1), (1, 2, 3, 0)])
def test_a_permuted_value_is_the_same_in_the_order_that_brings_it_back(order):
    moved = PICTURE.transpose(order)
    assert far(PICTURE, moved) < 1e-6
    found = ways(fingerprint(PICTURE), fingerprint(moved))
    best = min(found, key=found.__getitem__)
    assert [order[axis] for axis in best] == [1, 2, 3]
    assert sorted(found.values())[1] > 0.5


def test_a_distance_is_the_noise_between_two_values():
    noise = 0.01 * RANDOM.normal(size=PICTURE.shape)
    assert far(PICTURE, PICTURE + noise) == pytest.approx(0.01, rel=0.4)


def test_a_reshaped_value_is_not_told_from_the_same_elements():
    assert far(PICTURE, PICTURE.reshape(1, 16, 64)) < 1e-6


@pytest.mark.parametrize(
    "other",
    [PICTURE[..., ::-1], -PICTURE, RANDOM.normal(size=PICTURE.shape), 2 * PICTURE],
    ids=["flipped", "negated", "unrelated", "doubled"],
)
def test_another_value_is_far(other):
    assert far(PICTURE, other) >= 0.5


@pytest.mark.parametrize("mask", [-np.inf, np.nan, np.finfo(np.float32).min])
def test_a_mask_does_not_hide_the_rest(mask):
    masked = PICTURE.copy()
    masked[0, 0] = mask
    assert far(masked, masked.copy()) == 0.0
    assert far(masked, masked[..., ::-1]) > 0.5


@pytest.mark.parametrize("value", [np.zeros((2, 3)), np.array(["a"] * 5), np.zeros((0, 4))])
def test_what_says_nothing_has_no_fingerprint(value):
    assert fingerprint(value) is None


def test_one_number_is_told_from_another():
    assert far(np.full((1, 1), 3.0), np.full((1,), 3.0)) == 0.0
    assert far(np.full((1, 1), 3.0), np.full((1, 1), -3.0)) > 1
