"""TorchScript modules: sites as in the live module, state as in the archive."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from divergence.capture.torch_runner import TorchRunner
from divergence.errors import CaptureError, InputError
from divergence.records import Call

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.conv(x)) + 1, x[:, :2]


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Inner(), Inner()])
        self.head = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout())

    def forward(self, x):
        for block in self.blocks:
            x, _ = block(x)
        x = self.head(x)
        x += 2
        return x.softmax(1)


class Stateful(nn.Module):
    history: list[int]

    def __init__(self):
        super().__init__()
        self.state = torch.zeros(0)
        self.calls = 0
        self.history = [0]
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: torch.Tensor, scale: int = 2) -> torch.Tensor:
        if len(self.state) == 0:
            self.state = torch.zeros_like(x)
        y = self.norm(x) * scale + self.state + self.calls + len(self.history)
        self.state = y
        self.calls += 1
        self.history.append(self.calls)
        return y


def array(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def shown(runner, call, exact="none"):
    seen = {}

    def probe(site, value, exact=None):
        seen[site] = (value.copy(), None if exact is None else exact.copy())

    outputs = runner.run(call, probe, None, exact)
    return seen, outputs


def script(model):
    return torch.jit.script(model)


def trace(model):
    return torch.jit.trace(model, torch.from_numpy(array(1, 3, 4, 4)))


@pytest.mark.parametrize("compiled", [script, trace])
def test_sites_values_and_dataflow_are_those_of_the_live_module(compiled):
    model = Outer().eval()
    call = Call((array(1, 3, 4, 4),))
    live, runner = TorchRunner(model), TorchRunner(compiled(model))
    assert runner.describe()["notes"] == []

    def essence(program):
        return {
            site.name: (site.kind, site.op, site.scope, site.inputs, site.weights, site.alias_of)
            for site in program.sites
        }

    expected, found = essence(live.program(call)), essence(runner.program(call))
    # What reads nothing and is not read leaves no trace in a traced module.
    missing = set(expected) - set(found)
    assert all("[1]" in name or "::slice#" in name for name in missing)
    assert found == {name: expected[name] for name in found}
    assert {"blocks.1.act", "blocks.0::add#0", "head.1", "<root>::add#0"} <= set(found)
    wanted, _ = shown(live, call)
    for name, (value, _) in shown(runner, call)[0].items():
        np.testing.assert_array_equal(value, wanted[name][0])


def test_an_archive_gives_the_same_as_the_module_it_was_saved_from():
    buffer = io.BytesIO()
    torch.jit.save(script(Outer().eval()), buffer)
    buffer.seek(0)
    runner = TorchRunner(torch.jit.load(buffer))
    assert "blocks.0.conv" in {
        site.name for site in runner.program(Call((array(1, 3, 4, 4),))).sites
    }
    assert runner.describe()["kind"] == "TorchScript"
    assert runner.describe()["class"] == "Outer"


def test_settings_and_operator_arguments_are_known():
    runner = TorchRunner(script(Outer().eval()))
    sites = {s.name: s for s in runner.program(Call((array(1, 3, 4, 4),))).sites}
    assert sites["head.1"].attributes["eps"] == 1e-5
    assert sites["head.1"].op == "BatchNorm2d"
    assert sites["blocks.0.conv"].attributes["padding"] == (1, 1)


@pytest.mark.parametrize("training", [True, False])
def test_state_in_attributes_is_the_same_in_each_run(training):
    module = script(Stateful().train(training))
    runner = TorchRunner(module)
    call = Call((array(4, 3),), {"scale": 3})
    runner.program(call)
    (first,), (second,) = runner.run(call), runner.run(call)
    np.testing.assert_array_equal(first, second)
    assert len(module.state) == module.calls == 0
    assert module.history == [0]
    assert module.norm.running_mean.tolist() == [0.0, 0.0, 0.0]
    assert runner.describe()["state"] == []


def test_state_inside_a_live_module_is_restored_too():
    model = nn.Sequential(script(Stateful().eval()))
    runner = TorchRunner(model)
    call = Call((array(4, 3),))
    np.testing.assert_array_equal(runner.run(call)[0], runner.run(call)[0])
    assert model[0].calls == 0
    assert "0.norm.weight" in runner.program(call).weights


def test_the_float64_run_needs_no_double_module():
    model = Outer().eval()
    call = Call((array(1, 3, 4, 4),))
    found, _ = shown(TorchRunner(script(model)), call, "free")
    with torch.no_grad():
        wanted = model.double()(torch.from_numpy(call.args[0]).double()).numpy()
    np.testing.assert_allclose(found["<root>::softmax#0"][1], wanted, rtol=1e-13)


def test_the_given_module_is_not_touched():
    module = script(Outer().eval())
    before = str(module.graph) + str(module.blocks)
    runner = TorchRunner(module)
    runner.program(Call((array(1, 3, 4, 4),)))
    assert str(module.graph) + str(module.blocks) == before
    assert "divergence::" not in str(module.inlined_graph)
    names = {name for name, _ in module.named_parameters()}
    assert names <= set(runner.program(Call((array(1, 3, 4, 4),))).weights)


def test_weights_are_shared_with_the_given_module():
    module = script(nn.Linear(3, 2))
    runner = TorchRunner(module)
    with torch.no_grad():
        module.weight.fill_(0)
        module.bias.fill_(5)
    assert runner.run(Call((array(1, 3),)))[0].tolist() == [[5.0, 5.0]]


def test_wrong_calls_and_failures_are_one_sentence():
    runner = TorchRunner(script(Outer().eval()))
    with pytest.raises(InputError, match=r"forward\(x\) cannot be called with 0 positional, y"):
        runner.run(Call((), {"y": array(1)}))
    with pytest.raises(CaptureError, match=r"Outer fails in blocks\.0\.conv: RuntimeError"):
        runner.run(Call((array(1, 5, 4, 4),)))


def test_a_frozen_module_has_no_mode_and_runs():
    torch.manual_seed(0)
    frozen = torch.jit.freeze(torch.jit.script(Inner().eval()))
    runner = TorchRunner(frozen)
    assert runner.describe()["training"] is False
    x = np.ones((1, 3, 4, 4), np.float32)
    np.testing.assert_array_equal(runner.run(Call((x,)))[0], frozen(torch.from_numpy(x))[0])
    sites = {site.name: site for site in runner.program(Call((x,))).sites}
    kernel, bias = sites["<root>::convolution#0"].weights
    weights = runner.program(Call((x,))).weights
    assert weights[kernel].shape == (3, 3, 3, 3)
    assert weights[bias].shape == (3,)
