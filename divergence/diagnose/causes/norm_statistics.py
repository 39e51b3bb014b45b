"""mode.norm_statistics: a norm takes its statistics from elsewhere than the reference's does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.builder import Builder, Make, rebuild
from divergence.diagnose.edits import fresh_name
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Array, Evidence

if TYPE_CHECKING:
    from onnx import NodeProto
    from torch import nn

CAUSE = "mode.norm_statistics"

# What each node takes its statistics from.
SOURCES = {
    "BatchNormalization": "running statistics of the file",
    "InstanceNormalization": "statistics of each instance",
}


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Normalise as the reference's module does, by running statistics or by the input's own."""
    nodes = suspect.region.node(*SOURCES)
    if not nodes:
        return "no node of the segment is a batch or instance norm"
    modules = [
        (name, module)
        for name, module in suspect.region.modules()
        if type(module).__name__.startswith(("BatchNorm", "InstanceNorm", "SyncBatchNorm"))
    ]
    found = [h for node in nodes for n, m in modules for h in _differing(suspect, node, n, m)]
    return found or "each norm takes its statistics from where the reference's does"


def _differing(
    suspect: Suspect, node: NodeProto, name: str, module: nn.Module
) -> Iterator[Hypothesis]:
    wanted, make = _as_reference(module, suspect.expected)
    found = SOURCES[node.op_type]
    if wanted == found:
        return
    shown = node.name or node.output[0]
    yield Hypothesis(
        edit=rebuild(
            node.output[0], node.input[0], make, suspect.dtype,
            f"let {shown} use {wanted}",
        ),
        explanation=f"the norm {shown} uses {found} where {name} uses {wanted}",
        evidence=(Evidence(f"statistics ({name}, {shown})", wanted, found),),
        remedy=f"Give {name} running statistics (track_running_stats) before the export, or none.",
        parameters={"statistics": [wanted, found]},
    )  # fmt: skip


def _as_reference(module: Any, like: Array) -> tuple[str, Make]:
    """Return where the module takes its statistics from, and what computes the same."""
    ones = np.ones(like.shape[1] if like.ndim > 1 else 1)
    gamma = ones if module.weight is None else _array(module.weight)
    beta = np.zeros_like(gamma) if module.bias is None else _array(module.bias)
    running = module.running_mean is not None and not module.training
    if not running and type(module).__name__.startswith("InstanceNorm"):

        def instance(b: Builder, x: str) -> str:
            return b.node("InstanceNormalization", x, gamma, beta, epsilon=module.eps)

        return SOURCES["InstanceNormalization"], instance

    def batch(b: Builder, x: str) -> str:
        mean = _array(module.running_mean) if running else np.zeros_like(gamma)
        variance = _array(module.running_var) if running else np.ones_like(gamma)
        made = b.node(
            "BatchNormalization", x, gamma, beta, mean, variance,
            epsilon=module.eps, **({} if running else {"training_mode": 1}),
        )  # fmt: skip
        if not running:
            extra = [fresh_name(b.graph, f"{made}.{part}") for part in ("mean", "variance")]
            b.nodes[-1].output.extend(extra)
        return made

    return SOURCES["BatchNormalization"] if running else "statistics of the batch", batch


def _array(tensor: Any) -> Array:
    """Return a tensor's values in float64."""
    return np.asarray(tensor.detach().cpu().double().numpy())
