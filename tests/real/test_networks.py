"""Real networks against their exports: clean, seen whole, undisturbed by being watched."""

from __future__ import annotations

import pytest

from tests.real.measure import measure

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

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
SILERO = ("op15", "if")


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_faithful_export_is_clean(sample, row, name, exporter):
    figures = measure(sample(name), exporter)
    row(name, exporter, figures)
    assert figures.status in ("identical", "rounding"), figures.sentence
    assert figures.observer_effect == 0
    assert figures.modules_paired > 0


@pytest.mark.parametrize("file", SILERO)
def test_silero_vad_as_shipped_is_clean(sample, row, file):
    figures = measure(sample("silero_vad"), file)
    row("silero_vad", file, figures)
    assert figures.status in ("identical", "rounding"), figures.sentence
    assert figures.observer_effect == 0
