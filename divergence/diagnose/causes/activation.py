"""attribute.activation: an activation of another slope, bound, approximation or kind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from divergence.diagnose.builder import rebuild
from divergence.diagnose.formulas import Span, is_rest, spans, steps_between
from divergence.diagnose.lowering import (
    LOWERINGS,
    canonical,
    formula_of,
    function_of,
    lowered,
    settings_of,
)
from divergence.diagnose.reading import attribute, scalar_operands
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence, Site

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attribute.activation"

# ONNX operators that an activation is made of; a chain has at least one of them.
ACTIVATIONS = frozenset(
    {"Celu", "Clip", "Elu", "Erf", "FastGelu", "Gelu", "BiasGelu", "HardSigmoid", "HardSwish"}
    | {"LeakyRelu", "Max", "Min", "Mish", "PRelu", "QuickGelu", "Relu", "Selu", "Sigmoid"}
    | {"Softplus", "Softsign", "Swish", "Tanh", "ThresholdedRelu"}
)


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Rebuild each of the reference's activations around each node that may be part of it."""
    nodes = suspect.region.node(*ACTIVATIONS)
    if not nodes:
        return "no node of the segment is an activation"
    sites = (site for site in suspect.region.reference.sites if not site.alias_of)
    wanted = [site for site in sites if function_of(site) in LOWERINGS]
    if not wanted:
        return "the reference's segment has no activation that could be rebuilt"
    tried: dict[tuple[Span, str], Hypothesis] = {}
    between = cache(partial(steps_between, suspect))
    formulas = {site.name: formula_of(site, suspect.region.reference_weights) for site in wanted}
    for node in nodes:
        for site in wanted[::-1]:
            if canonical(_described(suspect, node)) == _wanted(site):
                continue
            for span in spans(suspect, node):
                # What has fewer operators than the formula lacks one: see `missing_op`.
                if is_rest(between(span), formulas[site.name]):
                    continue
                tried.setdefault((span, _wanted(site)), _hypothesis(suspect, site, span))
    return list(tried.values()) or f"both sides apply {describe(suspect)}"


def _hypothesis(suspect: Suspect, site: Site, span: Span) -> Hypothesis:
    source, target = span
    op, settings = function_of(site), settings_of(site, suspect.region.reference_weights)
    want, got = _wanted(site), describe(suspect)
    return Hypothesis(
        edit=rebuild(
            target,
            source,
            lowered(op, settings),
            suspect.dtype,
            f"compute {target} by {want} as the reference does",
        ),
        explanation=f"the activation is {got} where the reference applies {want}",
        evidence=(Evidence(f"activation at {site.name}", want, got),),
        remedy=f"Export {site.scope or 'the model'} again with {want}.",
        parameters={k: [v] for k, v in settings.items() if k in SETTINGS},
    )


def _wanted(site: Site) -> str:
    """Name the reference's activation with its figures: `leaky_relu(negative_slope=0.2)`."""
    given = ((k, v) for k, v in site.attributes.items() if v is not None and k in SETTINGS)
    shown = ", ".join(f"{k}={v}" for k, v in given)
    return f"{function_of(site)}({shown})" if shown else function_of(site)


SETTINGS = (
    "alpha", "approximate", "beta", "lambd", "max", "max_val", "min", "min_val",
    "negative_slope", "threshold",
)  # fmt: skip


def describe(suspect: Suspect) -> str:
    """Name the candidate's activations with their figures: `LeakyRelu(alpha=0.2)`."""
    return ", ".join(_described(suspect, node) for node in suspect.region.node(*ACTIVATIONS))


def _described(suspect: Suspect, node: NodeProto) -> str:
    shown = [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name in ("alpha", "beta", "approximate", "gamma")
        if (value := attribute(node, name)) is not None
    ]
    shown += [f"{value:g}" for _, value in scalar_operands(suspect, node)]
    return f"{node.op_type}({', '.join(shown)})" if shown else str(node.op_type)
