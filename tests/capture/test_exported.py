"""Exported programs: sites as in the live module, as far as their graph knows them."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from divergence.capture.torch_runner import TorchRunner
from divergence.errors import CaptureError, InputError
from divergence.records import Call

pytestmark = pytest.mark.filterwarnings("ignore:.*_flat_weights:UserWarning")


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.seq = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout())
        self.norm = nn.BatchNorm2d(3)
        self.lstm = nn.LSTM(4, 4)
        self.register_buffer("steps", torch.zeros(3))

    def forward(self, x, *, more):
        y = self.conv(self.seq(self.conv(x)))
        y += more["bias"]
        y = self.norm(y)
        z, (h, _) = self.lstm(y[0])
        self.steps += 1
        return {"image": y.softmax(1), "state": (z + self.steps[0], h)}


def array(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


CALL = Call((array(1, 3, 4, 4),), {"more": {"bias": array(1)}})


@pytest.fixture
def model():
    return Model().eval()


@pytest.fixture
def program(model):
    more = {"bias": torch.from_numpy(CALL.kwargs["more"]["bias"])}
    return torch.export.export(model, (torch.from_numpy(CALL.args[0]),), {"more": more})


def shown(runner, exact="none"):
    seen = {}

    def probe(site, value, exact=None):
        seen[site] = (value.copy(), None if exact is None else exact.copy())

    runner.run(CALL, probe, None, exact)
    return seen


def test_sites_and_values_are_those_of_the_live_module(model, program):
    live, runner = TorchRunner(model), TorchRunner(program)
    expected = {site.name: site for site in live.program(CALL).sites}
    found = {site.name: site for site in runner.program(CALL).sites}
    compared = {"conv", "conv#1", "seq.0", "norm", "lstm", "<root>::add#0", "<root>::softmax#0"}
    for name in compared:
        assert found[name].inputs == expected[name].inputs
        assert found[name].weights == expected[name].weights
        assert found[name].op == expected[name].op
    assert found["lstm[1]"].shape == (1, 3, 4) or found["lstm[1]"].shape == (1, 4, 4)
    wanted = shown(live)
    values = shown(runner)
    assert compared <= set(values)
    for name in compared & set(wanted):
        np.testing.assert_array_equal(values[name][0], wanted[name][0])


def test_outputs_keep_their_structure(program):
    runner = TorchRunner(program)
    found = runner.program(CALL)
    assert found.output_names == ("image", "state.0", "state.1")
    assert [site.name for site in found.sites if site.kind == "input"] == ["x", "more.bias"]
    assert "conv.weight" in found.weights


def test_runs_repeat_although_a_buffer_is_counted_up(program):
    runner = TorchRunner(program)
    first, second = runner.run(CALL), runner.run(CALL)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_float64_run_works(program):
    values = shown(TorchRunner(program), "free")
    value, exact = values["norm"]
    assert exact.dtype == np.float64
    assert 0 < np.abs(value - exact).max() < 1e-4


def test_a_saved_archive_and_core_operators_work_too(program):
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    loaded = torch.export.load(buffer)
    expected = TorchRunner(program).run(CALL)
    for given in (loaded, program.run_decompositions()):
        runner = TorchRunner(given)
        assert runner.describe()["kind"] == "torch.export"
        names = {site.name for site in runner.program(CALL).sites}
        assert {"conv", "conv#1", "norm"} <= names
        for one, other in zip(runner.run(CALL), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_wrong_calls_and_shapes_are_one_sentence(program):
    runner = TorchRunner(program)
    with pytest.raises(InputError, match="cannot be called with 0 positional"):
        runner.run(Call())
    with pytest.raises(CaptureError, match=r"fails.*Check that the inputs"):
        runner.run(Call((array(1, 3, 9, 9),), CALL.kwargs))


class Ends(nn.Module):
    """Outputs in another order than they are made in, an input among them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 2), nn.Linear(4, 3)

    def forward(self, x):
        a = self.first(x)
        return self.second(x), x, a


def test_outputs_are_numbered_as_the_program_returns_them():
    x = torch.from_numpy(array(1, 4))
    live, call = Ends().eval(), Call((x.numpy(),))
    runner = TorchRunner(torch.export.export(live, (x,)))
    program = runner.program(call)
    given = runner.run(call)
    for place, (name, expected) in enumerate(zip(program.outputs, live(x), strict=True)):
        assert name == ("<root>" if not place else f"<root>[{place}]")
        np.testing.assert_array_equal(given[place], expected.detach())
    aliases = {site.name: site.alias_of for site in program.sites}
    assert [aliases[name] for name in program.outputs] == ["second", "x", "first"]
