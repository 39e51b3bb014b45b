"""attribute.activation: an activation of another slope, bound, approximation or kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from divergence.diagnose.builder import rebuild
from divergence.diagnose.lowering import LOWERINGS, canonical, lowered
from divergence.diagnose.reading import attribute, scalar_operands
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence, Site

CAUSE = "attribute.activation"

# ONNX operators that an activation is made of; a chain has at least one of them.
ACTIVATIONS = frozenset(
    {"Celu", "Clip", "Elu", "Erf", "FastGelu", "Gelu", "BiasGelu", "HardSigmoid", "HardSwish"}
    | {"LeakyRelu", "Max", "Min", "Mish", "PRelu", "QuickGelu", "Relu", "Selu", "Sigmoid"}
    | {"Softplus", "Softsign", "Swish", "Tanh", "ThresholdedRelu"}
)


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Rebuild the reference's activation from every value it could act on."""
    nodes = suspect.region.node(*ACTIVATIONS)
    if not nodes:
        return "no node of the segment is an activation"
    wanted = [site for site in suspect.region.reference.sites if canonical(site.op) in LOWERINGS]
    if not wanted:
        return "the reference's segment has no activation that could be rebuilt"
    last, got = wanted[-1], describe(suspect)
    if canonical(got) == _wanted(last):
        return f"both sides apply {got}"
    return [_hypothesis(suspect, last, source) for source in _sources(suspect)]


def _sources(suspect: Suspect) -> Iterator[str]:
    """Values of the segment that the activation may read: those of its shape come first."""
    shape = suspect.expected.shape
    yield from (
        name for name in suspect.region.candidate.inputs if suspect.feeds[name].shape == shape
    )
    for node in suspect.region.nodes:
        if suspect.region.match.candidate not in node.output:
            yield node.output[0]


def _hypothesis(suspect: Suspect, site: Site, source: str) -> Hypothesis:
    op, settings = canonical(site.op), _settings(site)
    want, got = _wanted(site), describe(suspect)
    return Hypothesis(
        edit=rebuild(
            suspect.region.match.candidate,
            source,
            lowered(op, settings),
            suspect.produced.dtype,
            f"compute {suspect.region.match.candidate} by {want} as the reference does",
        ),
        explanation=f"the activation is {got} where the reference applies {want}",
        evidence=(Evidence(f"activation at {site.name}", want, got),),
        remedy=f"Export {site.scope or 'the model'} again with {want}.",
        parameters={k: [v] for k, v in settings.items() if k in SETTINGS},
    )


def _settings(site: Site) -> dict[str, Any]:
    return {k: v for k, v in site.attributes.items() if v is not None}


def _wanted(site: Site) -> str:
    """Name the reference's activation with its figures: `leaky_relu(negative_slope=0.2)`."""
    shown = ", ".join(f"{k}={v}" for k, v in _settings(site).items() if k in SETTINGS)
    return f"{canonical(site.op)}({shown})" if shown else canonical(site.op)


SETTINGS = (
    "alpha", "approximate", "beta", "lambd", "max", "max_val", "min", "min_val",
    "negative_slope", "threshold",
)  # fmt: skip


def describe(suspect: Suspect) -> str:
    """Name the candidate's activation with its figures: `LeakyRelu(alpha=0.2)`."""
    parts = []
    for node in suspect.region.node(*ACTIVATIONS):
        shown = [
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name in ("alpha", "beta", "approximate", "gamma")
            if (value := attribute(node, name)) is not None
        ]
        shown += [f"{value:g}" for _, value in scalar_operands(suspect, node)]
        parts.append(f"{node.op_type}({', '.join(shown)})" if shown else node.op_type)
    return ", ".join(parts)
