"""What values came through, as far as that bounds how exact they can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from divergence.compare.dtypes import DType, dtype_named, epsilon, is_float
from divergence.records import Match, Program, Site

# Share of a file's weight matrices from which its precision is theirs. Below it, a part of the
# graph alone is in another precision, and that is a finding rather than a property of the file.
MAJORITY = 0.75

# Operators that add up many terms for one element, by PyTorch's and by ONNX's name: the terms
# are those of the operand by those of the result. Products (convolutions, matrix products) are
# not among them: both runtimes add them in small blocks.
_ATEN_REDUCTIONS = frozenset(
    {
        "mean",
        "sum",
        "nanmean",
        "nansum",
        "var",
        "std",
        "var_mean",
        "std_mean",
        "norm",
        "linalg_vector_norm",
        "logsumexp",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_avg_pool3d",
    }
)
_ONNX_REDUCTIONS = frozenset(
    {
        "ReduceMean",
        "ReduceSum",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "GlobalAveragePool",
        "GlobalLpPool",
    }
)


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a value came through.

    step: of the coarsest type, relative to the greatest value; 0 if it was no coarser than the
    value's own. terms: of the longest sum.
    """

    step: float = 0.0
    terms: int = 1


def free_lineages(
    reference: Program, candidate: Program, matches: Iterable[Match]
) -> dict[Match, Lineage]:
    """Return the lineage of each match in a free run: all that ran before it counts."""
    step, longest, longest_by_site = own_step(candidate), 1, {}
    shapes = _shapes(reference)
    for site in reference.sites:
        longest = longest_by_site[site.name] = max(longest, terms(site, shapes))
    return {m: Lineage(step, longest_by_site.get(m.reference, 1)) for m in matches}


def fed_lineages(
    reference: Program, candidate: Program, matches: Iterable[Match]
) -> dict[Match, Lineage]:
    """Return the lineage of each match where all of them are fed: what lies between counts."""
    matches = list(matches)
    step, fed = own_step(candidate), {match.reference for match in matches}
    shapes = _shapes(reference)
    inside: Counter[str] = Counter()  # longest sum by module, of sites that are not fed
    longest: dict[str, int] = {}
    for site in reference.sites:
        own = max([terms(site, shapes), *(longest.get(i, 1) for i in site.inputs if i not in fed)])
        if site.kind == "module":
            own = max(own, inside[site.scope])
        longest[site.name] = own
        if site.name not in fed:
            for scope in _around(site.scope):
                inside[scope] = max(inside[scope], own)
    return {match: Lineage(step, longest.get(match.reference, 1)) for match in matches}


def terms(site: Site, shapes: Mapping[str, tuple[int, ...] | None]) -> int:
    """Return how many terms one element of the site's value adds up; 1 where not known.

    >>> site = Site("pool", "op", "mean", "", 1, shape=(1, 8, 1, 1), inputs=("x",))
    >>> terms(site, {"x": (1, 8, 7, 7)})
    49
    """
    settings = site.attributes
    op = str(settings.get("aten", site.op))
    operand = shapes.get(site.inputs[0]) if site.inputs else None
    if site.shape is None or operand is None:
        return 1
    if op in _ATEN_REDUCTIONS | _ONNX_REDUCTIONS:
        return max(1, prod(operand) // max(1, prod(site.shape)))
    if op == "layer_norm":
        return prod(settings.get("normalized_shape", ()))
    if op == "LayerNormalization":
        return prod(operand[int(settings.get("axis", -1)) :])
    if op in {"group_norm", "GroupNormalization"}:
        groups = int(settings.get("group", settings.get("num_groups", 1)))
        return max(1, prod(operand[1:]) // groups)
    if op in {"instance_norm", "InstanceNormalization"}:
        return prod(operand[2:])
    if op == "batch_norm" and settings.get("running_mean", site) is None:
        return prod(operand[2:])
    return 1


def own_step(program: Program) -> float:
    """Return the step of the precision that a program as a whole is in.

    That is the type of most of its weight matrices; 0 if they are of several types.
    """
    matrices = [weight.dtype for weight in program.weights.values() if len(weight.shape) > 1]
    if not matrices:
        return 0.0
    name, count = Counter(matrices).most_common(1)[0]
    return step_of(dtype_named(name)) if count >= MAJORITY * len(matrices) else 0.0


def step_of(dtype: DType) -> float:
    """Return the distance of neighbours relative to the greatest value, 0 for exact types.

    Integers of 8 bits and less hold quantised values: their range is that of the tensor.

    >>> step_of(dtype_named("int8")) == 2.0**-7, step_of(dtype_named("int64"))
    (True, 0.0)
    """
    if is_float(dtype):
        return epsilon(dtype)
    bits = {"int8": 8, "uint8": 8, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2}.get(dtype.name)
    return 2.0 ** (1 - bits) if bits else 0.0


def _shapes(program: Program) -> dict[str, tuple[int, ...] | None]:
    return {site.name: site.shape for site in program.sites}


def _around(scope: str) -> Iterable[str]:
    """Yield the module of that name and those that it is in."""
    while scope:
        yield scope
        scope = scope.rpartition(".")[0]
