"""Real networks against their exports: clean, seen whole, undisturbed by being watched."""

from __future__ import annotations

import pytest

from tests.real.measure import measure

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning"),  # of SwinIR's own
]

NETWORKS = (
    "vit_small",
    "resnet50",
    "efficientnet_lite0",
    "yolo12",
    "yolo_world",
    "esrgan",
    "swinir",
    "lstm",
    "dict_input",
    "reused_module",
)


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_faithful_export_is_clean(sample, row, name, exporter):
    figures = measure(sample(name), exporter)
    row(name, exporter, figures)
    assert figures.status in ("identical", "rounding"), figures.sentence
    assert figures.observer_effect == 0
    assert figures.modules_paired > 0
