"""The float64 run beside the program: equal to the model in float64, and fed by its values."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from divergence.capture.torch_runner import TorchRunner
from divergence.records import Call


class Parent(nn.Module):
    def __init__(self):
        super().__init__()
        self.child = nn.Identity()


def collect(runner, call, exact, sites=None):
    seen = {}

    def probe(site, value, exact=None):
        seen[site] = (value.copy(), None if exact is None else exact.copy())

    runner.run(call, probe, sites, exact)
    return seen


def worst(model, *inputs):
    """Return the greatest relative distance of any site to the same model in float64."""
    model.eval()
    call = Call(inputs)
    runner, double = TorchRunner(model), TorchRunner(copy.deepcopy(model).double())
    found, wanted = collect(runner, call, "free"), collect(double, call, "none")
    assert not runner.fallbacks
    shared = [site for site in found if site in wanted and found[site][1] is not None]
    assert len(shared) > 1
    return max(distance(found[site][1], wanted[site][0]) for site in shared)


def distance(one, other):
    assert one.shape == other.shape
    with np.errstate(invalid="ignore"):
        return float(
            np.nanmax(np.abs(one - other), initial=0) / (np.nanmax(np.abs(other)) + 1e-300)
        )


def array(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


class Mixed(Parent):
    """Views, writes in place, `out=`, indices, factories and casts."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.register_buffer("scale", torch.rand(8, 1, 1))

    def forward(self, x):
        y = self.act(self.norm(self.conv(x)))
        y += self.scale
        y[:, :2] *= 3
        top, _ = self.pool(y)
        top = top.permute(0, 2, 3, 1).contiguous().view(-1, 8)
        values, order = top.sort(dim=-1, descending=True)
        table = torch.zeros_like(values)
        table.scatter_(1, order, values.exp())
        table = table + values.cumsum(1).masked_fill(order > 4, 0.5)
        total = torch.empty(table.shape[0], dtype=table.dtype)
        torch.sum(table, dim=1, out=total)
        best, where = table.max(dim=1)
        frequency = torch.fft.rfft(table, dim=1).abs().sum(1)
        return (
            total.unsqueeze(1).expand(-1, 3) * best[:, None] + frequency[:, None] + where[:, None]
        )


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.LayerNorm(32)), [array(2, 16)]),
        (Mixed(), [array(2, 3, 8, 8)]),
        (nn.LSTM(8, 16, 2, bidirectional=True, batch_first=True), [array(2, 7, 8)]),
        (nn.LSTM(8, 16, bias=False), [array(7, 2, 8)]),
        (nn.GRU(8, 16, 2), [array(7, 2, 8)]),
        (nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), [array(2, 5, 16)]),
        (nn.Sequential(nn.AdaptiveMaxPool2d(3), nn.Upsample(scale_factor=2)), [array(1, 2, 7, 7)]),
    ],
)
def test_the_free_run_is_the_model_in_float64(model, inputs):
    assert worst(model, *inputs) < 1e-12


def test_the_exact_value_is_exact_where_the_program_is_not():
    class Cancels(Parent):
        def forward(self, x):
            return ((x + 1e6) - 1e6) * 1

    x = array(64)
    found = collect(TorchRunner(Cancels()), Call((x,)), "free")
    value, exact = found["<root>::sub#0"]
    assert np.abs(value - x).max() > 1e-3
    assert np.abs(exact - x).max() < 1e-9


def test_a_model_that_casts_to_float32_inside_has_a_float64_run():
    class Casts(Parent):
        def forward(self, x):
            y = (x.to(torch.float32) / 3).float().half().type(torch.float32)
            return torch.ones(4, dtype=torch.float32) * y.sum(dtype=torch.float32)

    x = array(10)
    found = collect(TorchRunner(Casts()), Call((x,)), "free")
    np.testing.assert_allclose(
        found["<root>::sum#0"][1], (x.astype(np.float64) / 3).sum(), rtol=1e-14
    )


def test_fed_the_exact_value_starts_from_the_programs_own():
    model = nn.Sequential(*[nn.Linear(32, 32) for _ in range(6)])
    call = Call((array(4, 32),))
    runner = TorchRunner(model)
    fed = collect(runner, call, "fed")
    for i in range(1, 6):
        layer = copy.deepcopy(model[i]).double()
        before = torch.from_numpy(fed[str(i - 1)][0]).double()
        with torch.no_grad():
            expected = layer(before).numpy()
        np.testing.assert_allclose(fed[str(i)][1], expected, rtol=1e-13, atol=1e-15)


def test_fed_only_at_the_sites_asked_for():
    model = nn.Sequential(*[nn.Linear(32, 32) for _ in range(3)])
    call = Call((array(4, 32),))
    runner = TorchRunner(model)
    free = collect(runner, call, "free", ["2"])["2"][1]
    skipped = collect(runner, call, "fed", ["2"])["2"][1]
    np.testing.assert_array_equal(free, skipped)
    assert not np.array_equal(free, collect(runner, call, "fed", ["1", "2"])["2"][1])


def test_indices_and_branches_are_the_programs_own():
    class Picks(Parent):
        def forward(self, x):
            # In float32 both sums are equal and the first wins; exactly, the second is greater.
            sums = torch.stack([x + 1e8, x + 1e8 + 1])
            best, which = sums.max(dim=0)
            return best * (2.0 if float(which.sum()) == 0 else 3.0)

    x = np.zeros(1, dtype=np.float32)
    found = collect(TorchRunner(Picks()), Call((x,)), "free")
    assert found["<root>::max#0"][1][0] == 1e8
    assert found["<root>::mul#0"][1][0] == 2e8


def test_random_numbers_are_the_programs_own():
    class Noise(Parent):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return self.drop(x / 3) + torch.rand_like(x) + functional.dropout(x, 0.5)

    x = array(100)
    found = collect(TorchRunner(Noise().train()), Call((x,)), "free")
    value, exact = found["<root>::add#1"]
    np.testing.assert_allclose(value, exact, rtol=1e-5, atol=1e-6)
    dropped = found["drop"]
    np.testing.assert_array_equal(dropped[0] == 0, dropped[1] == 0)


def test_training_batch_norm_follows_exact_statistics():
    model = nn.Sequential(nn.BatchNorm1d(3)).train()
    call = Call((array(8, 3) + 1000,))
    found = collect(TorchRunner(model), call, "free")["0"][1]
    x = call.args[0].astype(np.float64)
    np.testing.assert_allclose(found, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5), rtol=1e-9)
    assert model[0].running_mean.tolist() == [0.0, 0.0, 0.0]


def test_integers_are_counted_once_and_have_no_exact_value():
    class Counts(Parent):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

        def forward(self, x):
            self.count += 1
            return x * self.count, self.count + 0

    runner = TorchRunner(Counts())
    found = collect(runner, Call((array(2),)), "free")
    assert found["<root>::add#1"][0].tolist() == [1]
    assert found["<root>::add#1"][1] is None


def test_half_precision_models_have_a_float64_run_of_the_same_weights():
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU()).half()
    x = array(2, 16).astype(np.float16)
    found = collect(TorchRunner(model), Call((x,)), "free")["1"][1]
    with torch.no_grad():
        wanted = copy.deepcopy(model).double()(torch.from_numpy(x).double()).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_an_operator_without_float64_starts_again_from_its_value_and_is_named():
    library = torch.library.Library("divergence_test", "DEF")
    library.define("single(Tensor x) -> Tensor")

    def single(x):
        if x.dtype != torch.float32:
            raise RuntimeError("float32 only\nand more")
        return x * 2

    library.impl("single", single, "CPU")

    class Single(Parent):
        def forward(self, x):
            return torch.ops.divergence_test.single(x / 3) / 3

    runner = TorchRunner(Single())
    found = collect(runner, Call((array(5),)), "free")
    value, exact = found["<root>::single#0"]
    np.testing.assert_array_equal(value, exact)
    assert runner.fallbacks == {"single": "float32 only"}
    library._destroy()


def test_the_run_itself_is_not_changed():
    call = Call((array(2, 3, 8, 8),))
    runner = TorchRunner(Mixed().eval())
    plain, exact = runner.run(call), runner.run(call, lambda *_: None, None, "free")
    np.testing.assert_array_equal(plain[0], exact[0])


@pytest.mark.filterwarnings("ignore:.*nested:UserWarning")
def test_tensors_without_plain_memory_do_not_stop_the_run():
    class Unusual(Parent):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x):
            mapped = torch.vmap(lambda row: self.fc(row).sum())(x)
            sparse = torch.sparse.mm(self.fc.weight.to_sparse(), x.t())
            nested = torch.nested.as_nested_tensor([x[0], x[1, :3]]).to_padded_tensor(0.0)
            return mapped.sum() + sparse.sum() + nested.sum()

    call = Call((array(4, 6),))
    model = Unusual()
    runner = TorchRunner(model)
    value, exact = collect(runner, call, "free", ["<root>::add#1"])["<root>::add#1"]
    with torch.no_grad():
        np.testing.assert_array_equal(value, model(torch.from_numpy(call.args[0])).numpy())
    np.testing.assert_allclose(value, exact, rtol=1e-4, atol=1e-5)
    assert "sparse" in " ".join(runner.fallbacks)
