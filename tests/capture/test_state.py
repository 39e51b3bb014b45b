# ruff: noqa: NPY002  models use numpy's old generator
"""Every run starts from the same state and leaves none behind, whatever happens in it."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules import module as module_internals

from divergence.capture.torch_runner import TorchRunner
from divergence.errors import CaptureError
from divergence.records import Call

X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


class Stateful(nn.Module):
    """Keeps state in every place that a module can."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("seen", torch.zeros(3))
        self.weight = nn.Parameter(torch.ones(3))
        self.state = None
        self.calls = 0
        self.cache = [torch.zeros(3)]
        self.tables = {"a": {"b": torch.ones(3)}}
        self.names = {"first"}
        self.holder = type("Holder", (), {})()
        self.holder.last = torch.zeros(3)

    def forward(self, x):
        y = self.drop(self.norm(x)) + self.calls + (0 if self.state is None else self.state)
        y = y + self.cache[0] + self.tables["a"]["b"] + self.holder.last + self.seen
        y = y + float(np.random.rand()) + random.random() + len(self.names) + len(self.cache)
        self.state = y.sum(0)
        self.calls += 1
        self.cache[0].add_(1)
        self.cache.append(self.state)
        self.tables["a"]["b"] = self.state * 2
        self.tables["new"] = 1
        self.names.add("second")
        self.holder.last = self.state
        self.seen += 1
        self.weight.data.mul_(2)
        self.eval()
        self.extra = 1
        torch.set_default_dtype(torch.float64)
        return y * self.weight

    def snapshot(self):
        return (
            {name: t.clone() for name, t in self.state_dict().items()},
            self.state, self.calls, list(self.cache), [t.clone() for t in self.cache],
            dict(self.tables), dict(self.tables["a"]), set(self.names), self.holder.last,
            self.training, [m.training for m in self.modules()], sorted(vars(self)),
        )  # fmt: skip


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def surroundings():
    return (
        torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate(),
        torch.is_grad_enabled(), torch.get_default_dtype(),
        torch.backends.mha.get_fastpath_enabled(),
    )  # fmt: skip


def hooks(model):
    count = len(module_internals._global_forward_hooks)
    count += len(module_internals._global_forward_pre_hooks)
    return count + sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize("training", [True, False])
def test_runs_repeat_exactly_and_leave_the_model_as_it_was(training):
    model = Stateful().train(training)
    before, around = model.snapshot(), surroundings()
    runner = TorchRunner(model)
    call = Call((X,))
    runner.program(call)
    first, second = runner.run(call), runner.run(call, lambda *_: None)
    np.testing.assert_array_equal(first[0], second[0])
    assert equal(before, model.snapshot())
    assert equal(around, surroundings())
    assert hooks(model) == 0
    assert runner.describe()["state"] == []


def test_a_run_does_not_depend_on_random_numbers_drawn_between():
    model = Stateful().train()
    runner = TorchRunner(model)
    first = runner.run(Call((X,)))
    torch.rand(7), np.random.rand(7), random.random()
    np.testing.assert_array_equal(runner.run(Call((X,)))[0], first[0])


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("by_probe", [True, False])
def test_all_is_restored_after_an_exception_or_an_interruption(error, by_probe):
    class Fails(Stateful):
        def forward(self, x):
            y = super().forward(x)
            if not by_probe:
                raise error
            return y

    def probe(site, value, exact=None):
        if by_probe and site == "<root>::add#3":
            raise error

    model = Fails().train()
    before, around = model.snapshot(), surroundings()
    expected = (CaptureError, ValueError) if isinstance(error, ValueError) else KeyboardInterrupt
    with pytest.raises(expected):
        TorchRunner(model).run(Call((X,)), probe, ["<root>::add#3"])
    assert equal(before, model.snapshot())
    assert equal(around, surroundings())
    assert hooks(model) == 0


def test_the_users_hooks_stay():
    model = nn.Sequential(nn.Linear(3, 3))
    model[0].register_forward_hook(lambda *_: None)
    TorchRunner(model).program(Call((X,)))
    assert hooks(model) == 1


class Collecting(nn.Module):
    """Adds hooks when it first runs, and notes that it did, as transformers' models do."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        self.collected = []
        self.installed = False

    def forward(self, x):
        self.collected = []
        if not self.installed:
            for layer in self.layers:
                layer.register_forward_hook(lambda *args: self.collected.append(args[-1]))
            self.installed = True
        self.layers(x)
        return torch.stack(self.collected)


def test_hooks_that_a_forward_adds_are_gone_like_the_note_of_them():
    model, call = Collecting().eval(), Call((np.ones((1, 4), np.float32),))
    runner = TorchRunner(model)
    shapes = [runner.run(call)[0].shape for _ in range(3)]
    assert shapes == [(2, 1, 4)] * 3
    assert not model.installed
    assert not any(layer._forward_hooks for layer in model.layers)


def test_gradients_survive():
    model = nn.Linear(3, 1)
    model(torch.from_numpy(X)).sum().backward()
    gradient = model.weight.grad
    TorchRunner(model).run(Call((X,)))
    assert model.weight.grad is gradient
    assert model.weight.requires_grad


def test_batch_statistics_in_training_are_put_back():
    model = nn.Sequential(nn.BatchNorm1d(3)).train()
    runner = TorchRunner(model)
    runner.run(Call((X,)), lambda *_: None)
    assert model[0].running_mean.tolist() == [0.0, 0.0, 0.0]
    assert model[0].num_batches_tracked.item() == 0


def test_changes_out_of_sight_are_said():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            self.count.numpy()[0] += 1
            torch._C._autograd._unsafe_set_version_counter((self.count,), (99,))
            return x + self.count

    runner = TorchRunner(Hidden())
    runner.run(Call((X,)))
    assert runner.describe()["state"] == ["a tensor of shape (1,) changed out of sight"]
