"""Room in float16, from a trace to the file, the page and the terminal."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

import divergence
from divergence.report import headroom, html, terminal
from divergence.report.document import build
from tests.zoo.special import export


class Wide(nn.Module):
    def forward(self, x):
        return torch.tanh(torch.relu(x) * self.gain) + 1

    gain = 1.0


def traced(gain):
    model = Wide().eval()
    model.gain = gain
    x = torch.linspace(-2, 2, 32).reshape(4, 8)
    return divergence.trace(model, export(model, (x,)), x)


@pytest.fixture(scope="module")
def report():
    return traced(1e6)


def test_each_pair_says_how_many_bits_are_left(report):
    bits = {pair.reference: pair.headroom_bits for pair in report.pairs}
    assert bits["<root>::relu#0"] == pytest.approx(math.log2(65504 / 2))
    assert bits["<root>::mul#0"] == pytest.approx(math.log2(65504 / 2e6))


def test_the_file_keeps_it(report, tmp_path):
    report.save(tmp_path)
    document = json.loads((tmp_path / "report.json").read_text())
    assert min(pair["headroom_bits"] for pair in document["pairs"]) < 0
    assert divergence.Report.load(tmp_path).pairs == report.pairs


def test_what_would_overflow_is_named_on_the_page_and_in_the_terminal(report):
    document = build(report)
    assert headroom.brief(report.pairs) == "<root>::mul#0 would overflow"
    assert "Room in float16" in html.render(document)
    lines = terminal.render(document, None, 100, terminal.UNICODE)
    assert any("float16  <root>::mul#0 would overflow" in line.plain for line in lines)


def test_where_nothing_overflows_the_least_room_is_told():
    assert headroom.brief(traced(1.0).pairs).startswith("15.0 bits left at ")
    assert headroom.brief(()) == ""
