"""Stages as a reader would name them, on trees of every habit."""

import math
from collections import Counter

import pytest

from divergence.compare.stages import MOST, stage_names, summarise
from divergence.records import (
    Call,
    Floor,
    Introduced,
    Metrics,
    Pair,
    PairVerdict,
    Program,
    Site,
)


def program(*scopes, kind="module", inputs=("x",)):
    """A program whose sites have these scopes, in this order."""
    calls, sites = Counter(), [Site(name, "input", "input", "", i) for i, name in enumerate(inputs)]
    for scope in scopes:
        again, name = calls[scope], scope or "<root>"
        calls[scope] += 1
        sites.append(Site(name + f"#{again}" * (again > 0), kind, "Op", scope, len(sites)))
    return Program(tuple(sites), {}, (), ())


def stages(*scopes, **options):
    return list(dict.fromkeys(stage_names(program(*scopes, **options)).values()))


def block(name, *inside):
    return [f"{name}.{child}" for child in inside] + [name]


LEAVES = ("conv1", "bn1", "act1", "conv2", "bn2", "act2")


def test_a_list_of_blocks_is_cut_into_its_blocks():
    blocks = [scope for i in range(12) for scope in block(f"blocks.{i}", "attn.qkv", "attn", "mlp")]
    found = stages("patch_embed.proj", "patch_embed", *blocks, "blocks", "norm", "head", "")
    assert found == ["inputs", "patch_embed", *(f"blocks.{i}" for i in range(12)), "norm", "head"]


def test_modules_called_alike_are_cut_together_or_not_at_all():
    depths = {"layer1": 3, "layer2": 4, "layer3": 6, "layer4": 3}
    layers = [
        scope
        for layer, depth in depths.items()
        for i in range(depth)
        for scope in block(f"{layer}.{i}", *LEAVES)
    ]
    found = stages("conv1", "bn1", *layers, "fc")
    assert found[3:7] == ["layer1.0", "layer1.1", "layer1.2", "layer2.0"]
    assert len(found) == 1 + 2 + 16 + 1


def test_a_wrapper_is_looked_into():
    layers = [scope for i in range(23) for scope in block(f"module.model.{i}", "conv", "bn", "act")]
    assert stages(*layers)[1:] == [f"module.model.{i}" for i in range(23)]


def test_what_would_be_too_many_stages_stays_whole():
    layers = [
        scope
        for i, depth in enumerate((6, 12, 24, 16))
        for j in range(depth)
        for scope in block(f"features.denseblock{i}.denselayer{j}", *LEAVES)
    ]
    found = stages("features.conv0", *layers, "classifier")
    assert found[1:] == [
        "features.conv0",
        *(f"features.denseblock{i}" for i in range(4)),
        "classifier",
    ]


def test_what_belongs_to_no_stage_goes_with_its_neighbour():
    names = stage_names(program("", "stem", "", "a", "b", "", "c"))
    assert list(names.values()) == ["inputs", "stem", "stem", "stem", "a", "b", "b", "c"]


def test_a_module_that_runs_again_is_another_stage():
    assert stages("conv", "act", "conv", "act", "fc") == [
        "inputs",
        "conv",
        "act",
        "conv#1",
        "act#1",
        "fc",
    ]


def test_a_cell_that_runs_many_times_is_one_stage():
    assert stages(*["cell", "out"] * 100, "fc") == ["inputs", "cell", "out", "fc"]


def test_a_graph_without_scopes_is_cut_into_parts():
    found = stages(*[""] * 95, kind="node")
    assert found[:3] == ["inputs", "sites 1-10", "sites 11-20"]
    assert found[-1] == "sites 91-95"


def test_one_module_alone_and_nothing_at_all():
    assert stages("") == ["inputs", "sites 1-1"]
    assert stages() == ["inputs"]


def test_every_site_has_a_stage():
    constant = Site("w", "op", "full", "", 9, constant=True)
    given = program("a", "b", "c")
    given = Program((*given.sites, constant), {}, (), ())
    assert set(stage_names(given)) == {site.name for site in given.sites}


def test_ten_thousand_scopes_are_cut_at_once():
    scopes = [f"body.{i // 100}.{i % 100}" for i in range(10_000)]
    assert 2 <= len(stages(*scopes)) <= MOST + 1


# --- summaries ----------------------------------------------------------------------------


def pair(stage, max_abs, verdict="rounding", rmse=None, total=4, **more):
    rmse = max_abs if rmse is None else rmse
    metrics = Metrics(max_abs, 0, rmse, 0, 1, 0, 0, 0, 0, total, None)
    rest = {"floor": None, "introduced": None} | more
    where = {"reference": "r", "candidate": "c", "reference_scope": "", "order": 0}
    how = {"paired_by": "name", "confidence": 1.0, "shape": (4,), "dtypes": ("float32", "float32")}
    return Pair(
        **where,
        **how,
        **rest,
        stage=stage,
        alignment=None,
        metrics=metrics,
        verdict=PairVerdict(verdict),
    )


def test_a_stage_says_what_its_worst_pair_says():
    first, second = summarise(
        [
            pair("stem", 1e-7, "identical"),
            pair(
                "stem",
                3e-7,
                floor=Floor(2e-7, 3e-7, 1.5),
                introduced=Introduced(max_abs=1e-7, floor=2e-7, multiple=0.5),
            ),
            pair("head", 2.0, "divergent"),
            pair("head", math.nan, "not_comparable"),
        ]
    )
    assert (first.name, first.pairs, first.max_abs) == ("stem", 2, 3e-7)
    assert (first.floor_max_abs, first.introduced_max_abs) == (2e-7, 1e-7)
    assert first.verdict is PairVerdict.ROUNDING
    assert (second.max_abs, second.floor_max_abs) == (2.0, None)
    assert second.verdict is PairVerdict.DIVERGENT


def test_the_error_of_a_stage_is_pooled_over_its_elements():
    (stage,) = summarise([pair("a", 9, rmse=3.0, total=1), pair("a", 9, rmse=1.0, total=7)])
    assert stage.rmse == pytest.approx(math.sqrt(16 / 8))


def test_ignored_pairs_are_listed_but_do_not_judge():
    (stage,) = summarise([pair("a", 9.0, "divergent", ignored=True), pair("a", 1e-9)])
    assert (stage.pairs, stage.max_abs, stage.verdict) == (2, 9.0, PairVerdict.ROUNDING)


def test_nothing_that_can_be_compared_has_no_error():
    (stage,) = summarise([pair("a", math.nan, "not_comparable")])
    assert math.isnan(stage.max_abs)
    assert math.isnan(stage.rmse)


# --- real trees ---------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "some", "count"),
    [
        ("vit_tiny_patch16_224", ["patch_embed", "blocks.0", "blocks.11", "head"], 20),
        ("resnet50", ["conv1", "layer1.0", "layer4.2", "fc"], 22),
        ("resnet18", ["layer1", "layer4"], 10),
        ("swin_tiny_patch4_window7_224", ["layers.2.downsample", "layers.2.blocks.5"], 19),
        ("efficientnet_b0", ["conv_stem", "blocks.6", "classifier"], 13),
        ("densenet121", ["features.denseblock3", "classifier"], 14),
    ],
)
def test_timm(name, some, count):
    import timm
    import torch

    from divergence.capture.torch_runner import TorchRunner

    runner = TorchRunner(timm.create_model(name).eval())
    found = set(stage_names(runner.program(Call((torch.zeros(1, 3, 224, 224).numpy(),)))).values())
    assert set(some) <= found
    assert abs(len(found - {"inputs"}) - count) <= 2  # modules that pass their input on may go


@pytest.mark.real
def test_ultralytics():
    import torch
    from ultralytics import YOLO

    from divergence.capture.torch_runner import TorchRunner

    runner = TorchRunner(YOLO("yolo12n.yaml").model.eval())
    found = set(stage_names(runner.program(Call((torch.zeros(1, 3, 64, 64).numpy(),)))).values())
    assert {f"model.{i}" for i in range(10)} <= found
    assert 20 <= len(found) <= 26
