"""One fault of each kind, planted in a small network's file and traced."""

from __future__ import annotations

from functools import cache
from random import Random

import onnx
import pytest
import torch

import divergence
from sample_models.calibrate import calibrate
from tests.zoo import networks
from tests.zoo.faults import FAULTS
from tests.zoo.planting import Graph, strip
from tests.zoo.special import export

NETWORKS = {
    "upscaler": (networks.Upscaler, lambda: torch.randn(1, 3, 16, 16)),
    "grouped": (networks.Grouped, lambda: torch.randn(1, 3, 24, 24)),
    "writer": (networks.Writer, lambda: torch.randint(1, 50, (1, 12))),
    "reader": (networks.Reader, lambda: torch.randint(1, 50, (1, 12))),
    "listener": (networks.Listener, lambda: torch.randn(1, 1, 512)),
}
PLACES = {
    "epsilon": "grouped",
    "activation": "upscaler",
    "resize": "upscaler",
    "pool": "upscaler",
    "padding": "upscaler",
    "dilation": "upscaler",
    "shuffle": "upscaler",
    "axis": "writer",
    "attention scale": "reader",
    "residual": "grouped",
    "bias": "writer",
    "missing activation": "grouped",
    "weight scaled": "upscaler",
    "weight element": "writer",
    "weight transposed": "writer",
    "weights all": "listener",
    "reduced precision": "upscaler",
}


@cache
def network(name):
    torch.manual_seed(0)
    kind, value = NETWORKS[name]
    given = value()
    model = calibrate(kind(), given)
    return model, export(model, (given,)), given


def planted(name, fault, size=0.3, stripped=False):
    model, file, given = network(name)
    changed = onnx.ModelProto()
    changed.CopyFrom(file)
    told = FAULTS[fault][0](Graph(changed, Random(0)), size)
    assert told is not None
    nodes = set(told.nodes)
    if stripped:
        names = strip(changed)
        nodes = {names[node] for node in nodes}
    return model, changed, given, told.causes, nodes


# The suite of faults strips the names of the larger networks as well.
SMALL = [fault for fault, place in PLACES.items() if place not in {"writer", "reader"}]


@pytest.mark.parametrize(
    ("fault", "stripped"), [*((f, False) for f in PLACES), *((f, True) for f in SMALL)]
)
def test_a_planted_fault_is_found_named_placed_and_undone(fault, stripped):
    model, file, given, causes, nodes = planted(PLACES[fault], fault, stripped=stripped)
    report = divergence.trace(model, file, given)
    assert report.verdict.status == "divergent"
    assert report.findings[0].cause in causes
    assert not nodes or any(
        nodes & set(c.candidate_nodes) and len(c.candidate_nodes) <= 12 for c in report.culprits
    )
    proof = report.findings[0].proof
    assert proof is not None
    assert proof.error_after < proof.error_before / 10


@pytest.mark.parametrize("name", NETWORKS)
def test_a_right_file_is_rounding(name):
    model, file, given = network(name)
    report = divergence.trace(model, file, given)
    assert report.verdict.status in {"rounding", "identical"}
    assert not report.culprits
    assert {finding.cause for finding in report.findings} <= {"precision.accumulation"}


def test_two_faults_are_both_named():
    model, file, given, _, first = planted("upscaler", "shuffle")
    graph = Graph(file, Random(3))
    second = FAULTS["weight scaled"][0](graph, 0.3)
    report = divergence.trace(model, file, given)
    assert {finding.cause for finding in report.findings} == {"attribute.shuffle", "weights.one"}
    blamed = [set(culprit.candidate_nodes) for culprit in report.culprits]
    assert any(first & nodes for nodes in blamed)
    assert any(set(second.nodes) & nodes for nodes in blamed)
    assert all(f.proof and f.proof.error_after < f.proof.error_before / 10 for f in report.findings)


@pytest.mark.parametrize("fault", ["epsilon", "shuffle", "attention scale", "weights all"])
def test_a_fixed_file_traced_again_is_clean(fault, tmp_path):
    model, file, given, _, _ = planted({**PLACES, "epsilon": "grouped"}[fault], fault)
    target = tmp_path / "fixed.onnx"
    divergence.trace(model, file, given, fix=target)
    again = divergence.trace(model, target, given)
    assert again.verdict.status in {"rounding", "identical"}


def test_a_reference_that_draws_numbers_is_named():
    class Noisy(torch.nn.Module):
        def forward(self, x):
            return torch.relu(x + 0.1 * torch.randn_like(x))

    x = torch.randn(3, 16)
    report = divergence.trace(Noisy().eval(), export(Noisy().eval(), (x,)), x)
    assert report.verdict.status == "divergent"
    assert report.findings[0].cause == "random.nondeterministic"


class Frozen(torch.nn.Module):
    """Takes a Python number out of its input: the file keeps that of the example."""

    def __init__(self):
        super().__init__()
        self.mix = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.mix(x) * float(x[0, 0])


def test_a_value_of_the_example_in_the_file_is_found_by_other_values():
    torch.manual_seed(0)
    x = torch.randn(4, 8)
    model = calibrate(Frozen(), x)
    file = export(model, (x,))
    assert divergence.trace(model, file, x).verdict.status == "rounding"
    report = divergence.trace(model, file, x, thorough=True)
    assert report.verdict.status == "divergent"
    assert report.findings[0].cause == "graph.baked"


def test_what_the_runtime_makes_of_a_right_file_is_told_from_the_file(monkeypatch):
    """The graph that the runtime saves is changed behind its back: an optimisation with a bug."""
    from divergence.capture import sessions

    save = sessions.save

    def broken(*given):
        session, saved = save(*given)
        for node in saved.model.graph.node:
            if node.op_type == "DepthToSpace":
                del node.attribute[[a.name for a in node.attribute].index("mode")]
        return session, saved

    monkeypatch.setattr(sessions, "save", broken)
    model, file, given = network("upscaler")
    report = divergence.trace(model, file, given)
    found = {finding.cause: finding for finding in report.findings}
    assert report.verdict.status == "divergent"
    assert (
        found["graph.optimizer"].proof.error_after
        < 1e-4
        < found["graph.optimizer"].proof.error_before
    )


def test_a_long_chain_that_rounds_is_accumulation():
    class Chaotic(torch.nn.Module):
        def forward(self, x):
            for _ in range(40):
                x = 3.9 * x * (1 - x)
            return x

    x = torch.rand(2, 64) * 0.8 + 0.1
    report = divergence.trace(Chaotic().eval(), export(Chaotic().eval(), (x,)), x)
    assert report.verdict.status in {"rounding", "identical"}
