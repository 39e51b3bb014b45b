"""A profile points at where the values differ."""

import numpy as np
import pytest

from divergence.compare.profile import profile


def image(height=192, width=96):
    return np.random.default_rng(0).standard_normal((1, 8, height, width)).astype(np.float32)


def test_one_pixel_of_one_channel_is_found():
    reference = image()
    candidate = reference.copy()
    candidate[0, 5, 100, 30] += 2.5
    found = profile(reference, candidate)
    along = dict(found.along)
    assert [np.argmax(along[1]), along[1][5]] == [5, 2.5]
    assert np.argmax(along[2]) == 100 // 2  # two rows share a stretch
    assert np.argmax(along[3]) == 30
    picture = np.array(found.picture)
    assert picture.shape == (48, 48)
    assert np.unravel_index(picture.argmax(), picture.shape) == (25, 15)
    assert picture.max() == 2.5
    assert np.count_nonzero(picture) == 1


def test_the_bins_hold_every_element_of_both():
    reference = image(20, 20)
    found = profile(reference, reference * 2)
    assert sum(found.reference_counts) == sum(found.candidate_counts) == reference.size
    assert found.edges[0] == pytest.approx(2 * reference.min(), rel=1e-3)
    assert len(found.edges) == len(found.reference_counts) + 1


def test_what_is_not_finite_on_one_side_is_an_infinite_error():
    reference = np.ones((2, 3), np.float32)
    candidate = reference.copy()
    reference[1, 0] = candidate[1, 0] = np.nan
    candidate[0, 2] = np.inf
    found = profile(reference, candidate)
    assert found.picture == ((0, 0, np.inf), (0, 0, 0))
    assert sum(found.candidate_counts) == 4


@pytest.mark.parametrize("shape", [(), (1,), (1, 10), (1, 1, 1, 5)])
def test_values_without_two_axes_have_no_picture(shape):
    found = profile(np.zeros(shape), np.ones(shape))
    assert found.picture == ()
    assert [axis for axis, _ in found.along] == [a for a, n in enumerate(shape) if n > 1]


def test_what_cannot_be_subtracted_has_no_profile():
    assert profile(np.zeros((2, 3)), np.zeros((3, 2))) is None
    assert profile(np.zeros((0, 3)), np.zeros((0, 3))) is None
    assert profile(np.array(["a"]), np.array(["b"])) is None


def test_nothing_finite_at_all_is_still_drawn():
    found = profile(np.full((4, 4), np.nan), np.zeros((4, 4)))
    assert sum(found.reference_counts) == 0
    assert sum(found.candidate_counts) == 16
