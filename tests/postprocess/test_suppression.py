"""Suppression: the same boxes stay as in torchvision."""

import numpy as np
import pytest

from divergence.postprocess.suppression import nms
from tests.postprocess import outputs as o


@pytest.mark.parametrize("iou", [0.1, 0.45, 0.7, 1.0])
@pytest.mark.parametrize("agnostic", [True, False])
def test_the_same_boxes_stay_as_in_torchvision(iou, agnostic):
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    boxes, scores, labels = o.crowd(np.random.default_rng(1), objects=40)
    given = [torch.from_numpy(np.asarray(v)) for v in (boxes, scores, labels)]
    wanted = ops.nms(*given[:2], iou) if agnostic else ops.batched_nms(*given, iou)
    found = nms(boxes, scores, None if agnostic else labels, iou)
    assert found.tolist() == wanted.tolist()


def test_nothing_stays_of_nothing():
    assert nms(np.zeros((0, 4)), np.zeros(0), np.zeros(0), 0.5).tolist() == []


def test_of_equal_scores_the_first_stays():
    boxes = np.array([[0.0, 0, 1, 1]] * 3)
    assert nms(boxes, np.array([0.5, 0.5, 0.5]), None, 0.5).tolist() == [0]
