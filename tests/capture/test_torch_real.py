"""Real models through the PyTorch side; the figures are printed with `-s`."""

import copy
import importlib.resources
import time

import numpy as np
import pytest
import torch
from torch import nn

from divergence.capture.torch_runner import TorchRunner
from divergence.records import Call

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def image(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def vit():
    import timm

    return timm.create_model("vit_small_patch16_224"), image(1, 3, 224, 224)


def resnet():
    import timm

    return timm.create_model("resnet50"), image(1, 3, 224, 224)


def swin():
    import timm

    return timm.create_model("swin_tiny_patch4_window7_224"), image(1, 3, 224, 224)


def yolo():
    from ultralytics import YOLO

    return YOLO("yolo12n.yaml").model, image(1, 3, 320, 320)


def swinir():
    from spandrel.architectures.SwinIR import SwinIR

    model = SwinIR(img_size=32, window_size=8, depths=[2, 2], embed_dim=32, num_heads=[2, 2])
    return model, image(1, 3, 40, 48)


def lstm():
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(50, 16)
            self.lstm = nn.LSTM(16, 32, 2, bidirectional=True, batch_first=True)
            self.head = nn.Linear(64, 7)

        def forward(self, tokens):
            states, (hidden, _) = self.lstm(self.embed(tokens))
            return {"tags": self.head(states).log_softmax(-1), "hidden": hidden}

    return Tagger(), np.random.default_rng(0).integers(0, 50, (2, 9))


@pytest.mark.parametrize("build", [vit, resnet, swin, yolo, swinir, lstm])
def test_sites_are_complete_and_the_float64_run_is_the_double_model(build):
    torch.manual_seed(0)
    model, x = build()
    model.eval()
    call = Call((x,))
    runner = TorchRunner(model)
    program = runner.program(call)
    called = {site.scope for site in program.sites if site.kind == "module"}
    uncalled = {name for name, _ in model.named_modules()} - called
    assert len(uncalled) < 0.05 * len(called) or build is lstm
    known = set()
    for site in program.sites:
        assert set(site.inputs) <= known
        assert site.inputs or site.constant or site.kind == "input" or site.alias_of
        known.add(site.name)
    asked = [site.name for site in program.sites if site.alias_of is None]

    double, shown, worst = {}, [], 0.0
    TorchRunner(copy.deepcopy(model).double()).run(
        call, lambda site, value, exact=None: double.update({site: value.copy()}), asked
    )

    def compare(site, value, exact=None):
        nonlocal worst
        shown.append(site)
        if exact is not None and exact.size and site in double:
            size = float(np.abs(double[site]).max()) or 1.0
            worst = max(worst, float(np.abs(double[site] - exact).max()) / size)

    runner.run(call, compare, asked, "free")
    assert shown == asked
    assert worst < 1e-12
    assert not runner.fallbacks
    print(f"\n{build.__name__}: {len(asked)} of {len(program.sites)} sites, worst {worst:.1e}")


def test_aliases_hold_the_very_same_value():
    import timm

    model = timm.create_model("mobilenetv3_small_100").eval()
    runner, call = TorchRunner(model), Call((image(1, 3, 64, 64),))
    aliases = {s.name: s.alias_of for s in runner.program(call).sites if s.alias_of}
    found = {}
    asked = {*aliases, *aliases.values()}
    runner.run(call, lambda s, v, e=None: found.update({s: v.copy()}), asked)
    assert len(aliases) > 50
    for name, origin in aliases.items():
        np.testing.assert_array_equal(found[name], found[origin], strict=True)


def test_silero_keeps_its_state_and_names_its_modules():
    folder = importlib.resources.files("silero_vad") / "data"
    module = torch.jit.load(str(folder / "silero_vad.jit"))
    runner = TorchRunner(module)
    call = Call((image(1, 512), 16000))
    first, second = runner.run(call), runner.run(call)
    np.testing.assert_array_equal(first[0], second[0])
    module.reset_states()
    untouched = module(torch.from_numpy(call.args[0]), 16000).detach().numpy()
    np.testing.assert_array_equal(first[0], untouched)
    again = module(torch.from_numpy(call.args[0]), 16000).detach().numpy()
    assert not np.array_equal(again, untouched), "this model keeps no state: the test is void"
    np.testing.assert_array_equal(runner.run(call)[0], first[0])
    sites = {site.name: site for site in runner.program(call).sites}
    assert sites["_model.encoder.0.reparam_conv"].op == "Conv1d"
    assert "_model.decoder.rnn::tanh#1" in sites
    found = {}
    runner.run(call, lambda s, v, e=None: found.update({s: (v.copy(), e)}), ["<root>"], "free")
    value, exact = found["<root>"]
    assert 0 <= np.abs(value - exact).max() < 1e-6
    assert not runner.fallbacks


def test_a_probed_run_costs_little_more_than_a_forward():
    model, x = vit()
    model.eval()
    runner, call = TorchRunner(model), Call((x,))
    asked = [site.name for site in runner.program(call).sites if site.alias_of is None]
    tensor = torch.from_numpy(x)

    def plain():
        with torch.no_grad():
            model(tensor)

    ways = [
        plain,
        lambda: runner.run(call, lambda *_: None, asked),
        lambda: runner.run(call, lambda *_: None, asked, "free"),
    ]
    times = [[], [], []]
    for _ in range(9):
        for way, spent in zip(ways, times, strict=True):
            start = time.perf_counter()
            way()
            spent.append(time.perf_counter() - start)
    forward, probed, exact = (min(spent) for spent in times)
    print(f"\nprobed {probed / forward:.2f}, float64 {exact / forward:.2f} times a forward")
    assert probed < 1.5 * forward
    assert exact < 8 * forward
