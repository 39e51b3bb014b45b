"""PSNR and SSIM: as scikit-image has them."""

import math

import numpy as np
import pytest

from divergence.batch.pictures import psnr_db, ssim
from tests.postprocess import outputs as o


@pytest.mark.parametrize("gain", [1.0, 255.0])
def test_figures_are_those_of_scikit_image(gain):
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    ours = o.picture(rng).clip(0, 1) * gain
    theirs = ours + rng.normal(0, 0.03 * gain, ours.shape)
    wanted = metrics.peak_signal_noise_ratio(ours, theirs, data_range=gain)
    assert psnr_db(ours, theirs) == pytest.approx(wanted)
    wanted = metrics.structural_similarity(ours[0], theirs[0], channel_axis=0, data_range=gain)
    assert ssim(ours, theirs) == pytest.approx(wanted, abs=1e-3)


def test_a_picture_is_like_itself():
    same = o.picture(np.random.default_rng(1))
    assert psnr_db(same, same) == math.inf
    assert ssim(same, same) == pytest.approx(1)
