"""Values held by reference are those that a run shows, also where the memory is written again."""

import numpy as np
import pytest
import torch
from torch import nn

from divergence import trace
from divergence.capture.torch_runner import TorchRunner
from divergence.records import Call


class Overwriting(nn.Module):
    """Everything that makes a reference to a value's memory wrong later on."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.relu = nn.ReLU(inplace=True)
        self.norm = nn.LayerNorm(8)
        self.register_buffer("state", torch.zeros(1, 8))

    def forward(self, x):
        x = self.relu(self.linear(x))
        y = x[:, :4]
        x += 1
        y.mul_(2)
        self.state += x.mean(0, keepdim=True)
        held = self.norm(x + self.state)
        self.state.copy_(held[:1])
        z = self.relu(self.linear(self.state * held))
        z[0] = 7
        return z.transpose_(0, 1), self.state


def call():
    return Call((np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32),), {})


def shown(runner, given):
    seen = {}
    outputs = runner.run(given, lambda site, value, exact=None: seen.update({site: value.copy()}))
    return seen, outputs


def test_what_is_kept_is_what_a_run_shows():
    torch.manual_seed(0)
    runner, given = TorchRunner(Overwriting().eval(), keep=2**20), call()
    runner.program(given)
    held = runner.kept(given, ())
    seen, outputs = shown(runner, given)
    assert len(seen) > 10
    assert held.values.keys() >= seen.keys()
    for site, value in seen.items():
        np.testing.assert_array_equal(held.values[site], value, err_msg=site)
    for kept, output in zip(held.outputs, outputs, strict=True):
        np.testing.assert_array_equal(kept, output)


def test_it_is_kept_once_for_that_call_and_those_sites_alone():
    runner, given = TorchRunner(Overwriting().eval(), keep=2**20), call()
    runner.program(given)
    assert runner.kept(call(), ()) is None
    assert runner.kept(given, ()) is None
    runner = TorchRunner(Overwriting().eval(), keep=2**20)
    runner.program(given)
    assert runner.kept(given, {"no such site"}) is None


@pytest.mark.parametrize("keep", [0, 200])
def test_what_does_not_fit_is_not_kept(keep):
    runner, given = TorchRunner(Overwriting().eval(), keep=keep), call()
    runner.program(given)
    assert runner.kept(given, ()) is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trace_says_the_same_with_and_without(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten()
    )
    model.eval()
    x, file = torch.randn(1, 3, 8, 8), tmp_path / "model.onnx"
    torch.onnx.export(model, (x,), file, dynamo=False)
    reports = [trace(model, file, x, floor=False, memory=memory) for memory in (2**30, 1000)]
    kept, run_again = ([pair.metrics for pair in report.pairs] for report in reports)
    assert kept == run_again
    assert len(kept) > 3
