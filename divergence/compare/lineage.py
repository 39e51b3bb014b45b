"""What values came through, as far as that bounds how exact they can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log2, prod, sqrt

from divergence.compare.dtypes import DType, dtype_named, epsilon, is_float
from divergence.matching.steps import operator
from divergence.records import Match, Program, Site

# Share of a file's weight matrices above which its precision is theirs. Below it, a part of the
# graph alone is in another precision, and that is a finding rather than a property of the file.
# Quantisers leave out what they have no operator for, and weights that two layers share.
MAJORITY = 0.5

# Elements among which luck may count: see `floor.luck`.
FEW = 16

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
_FOURIER = frozenset({"fft_r2c", "fft_c2c", "fft_c2r"})
_RECURRENT = frozenset({"GRU", "LSTM", "RNN"})
# ONNX Runtime's operators with weights of a few bits, several in a byte: they alone are rounded.
_PACKED = frozenset({"com.microsoft::MatMulNBits", "com.microsoft::GatherBlockQuantized"})
# What quantisers make of an operator.
_KINDS = {
    "ConvInteger": "Conv",
    "DynamicQuantizeMatMul": "MatMul",
    "GatherBlockQuantized": "Gather",
    "MatMulInteger": "MatMul",
    "MatMulIntegerToFloat": "MatMul",
    "MatMulNBits": "MatMul",
    "QGemm": "Gemm",
    "QLinearConv": "Conv",
    "QLinearMatMul": "MatMul",
}
# Of float16, the finest of the types that are coarser than float32: integers have greater ones.
_HALF = 2.0**-10
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
# ONNX Runtime computes a sigmoid as a half and a fraction, so however small the result is, it
# rounds at the size of a half; PyTorch's is exact relative to the result. Measured with
# onnxruntime 1.32 on arguments around -14, in units in the last place of 1: at most 1.2, 0.27 by
# root mean square (PyTorch 0.002 and 1e-5). Tanh, Erf, Softplus and Mish are as exact as PyTorch's.
_AROUND_A_HALF = frozenset({"sigmoid", "Sigmoid"})


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a value came through since the values before it that are compared as well.

    step: of the coarsest type, relative to the greatest value; 0 if it was no coarser than the
    value's own. growth: how many roundings the longest sum may be off, 1 where there is none.
    size: of what was rounded on the way to the value, at least. activation: the operator that made
    it. alike: how many pairs with as few elements as FEW the trace has. logits: a softmax reads it.
    """

    step: float = 0.0
    growth: float = 1.0
    size: float = 0.0
    activation: str = ""
    alike: int = 0
    logits: bool = False


def lineages(
    reference: Program, candidate: Program, matches: Iterable[Match]
) -> dict[Match, Lineage]:
    """Return what lies between the values of `matches`, for each of them."""
    matches = list(matches)
    value = {site.name: site.alias_of or site.name for site in reference.sites}
    step, compared = own_step(candidate), {value[m.reference] for m in matches}
    shapes = {site.name: site.shape for site in reference.sites}
    growth: dict[str, float] = {}
    inside: dict[str, float] = {}  # by module, of those of its sites that are not compared
    for site in reference.sites:
        if site.alias_of is not None:
            continue
        own = summation_growth(site, shapes)
        before = [growth.get(name, 1.0) for name in site.inputs if name not in compared]
        within = inside.get(site.scope, 1.0) if site.kind == "module" else 1.0
        growth[site.name] = max(own, within, *before)
        if site.name not in compared:
            for scope in _around(site.scope):
                inside[scope] = max(inside.get(scope, 1.0), growth[site.name])
    halves = {site.name for site in reference.sites if operator(site) in _AROUND_A_HALF}
    operators = {site.name: operator(site) for site in reference.sites}
    few = sum(prod(shapes[name] or (FEW + 1,)) <= FEW for name in compared)
    softmaxes = (site for site in reference.sites if operator(site) == "softmax")
    logits = {value[name] for site in softmaxes for name in site.inputs}
    return {
        match: Lineage(
            step=step,
            growth=growth[name],
            size=0.5 if name in halves else 0.0,
            activation=operators[name],
            alike=few,
            logits=name in logits,
        )
        for match in matches
        for name in [value[match.reference]]
    }


def summation_growth(site: Site, shapes: Mapping[str, tuple[int, ...] | None]) -> float:
    """Return how much more than one rounding the site's sums may be off.

    PyTorch adds in pairs, where errors hardly grow; ONNX Runtime in rows, one for each of the
    eight lanes of a register. A row of n additions is off by about u * sqrt(n) of the sum of
    magnitudes, with u half a unit in the last place (Higham and Mary, A new approach to
    probabilistic rounding error analysis, SIAM J. Sci. Comput. 41, 2019). Eight rows of n / 8
    terms come to 1 / 8 of that: sqrt(n) / 16 units. A plain sum, as of a global average, partly
    cancels, so that the sum of magnitudes is several times the result: 4 is allowed for that.

    Measured with onnxruntime 1.32 in units of the greatest value: GroupNorm over 2,097,152 terms
    240 to 310 (by the rule 90), over 200,704 terms 14 (28); ReduceMean of 5,184 terms of a
    photograph's features 23 (18), of 262,144 random terms 8 to 28 (128). PyTorch: 1 at most.

    Fourier transforms are sums as well: see `_transform_growth`.

    >>> pool = Site("pool", "op", "mean", "", 1, shape=(1, 8, 1, 1), inputs=("x",))
    >>> summation_growth(pool, {"x": (1, 8, 72, 72)})
    18.0
    """
    operand = shapes.get(site.inputs[0]) if site.inputs else None
    if site.shape is None or operand is None:
        return 1.0
    op = operator(site)
    if op in _FOURIER:
        return _transform_growth(site, operand)
    if op in _ATEN_REDUCTIONS | _ONNX_REDUCTIONS:
        return max(1.0, sqrt(prod(operand) / max(1, prod(site.shape))) / 4)
    return max(1.0, sqrt(_normalised(site, op, operand)) / 16)


def _transform_growth(site: Site, operand: tuple[int, ...]) -> float:
    """Return how many roundings a Fourier transform may be off along all its axes.

    ONNX Runtime transforms lengths that are no power of two by Bluestein's algorithm in float32,
    whose chirp is as exact as the square of the position allows. Measured with onnxruntime 1.32
    on random numbers, in units of the greatest value, greatest and root mean square error:
    length 12 24 and 19, 100 141 and 85, 400 713 and 339, 5000 8066 and 4387; powers of two 2.4
    and 1.3 (8) to 6.2 and 4.8 (4096). PyTorch: 1.3 at most.
    """
    lengths = [operand[axis] for axis in site.attributes.get("dim", ()) if operand[axis] > 1]
    return max(1.0, sum(n if n & (n - 1) else log2(n) / 2 for n in lengths))


def _normalised(site: Site, op: str, operand: tuple[int, ...]) -> int:
    """Return over how many elements a norm takes its statistics; 1 where it takes none."""
    settings = site.attributes
    if op == "layer_norm":
        return prod(settings.get("normalized_shape", ()))
    if op == "LayerNormalization":
        return prod(operand[int(settings.get("axis", -1)) :])
    if op in {"group_norm", "GroupNormalization"}:
        groups = int(settings.get("group", settings.get("num_groups", 1)))
        return prod(operand[1:]) // groups
    instance = op == "batch_norm" and settings.get("running_mean", "kept") is None
    if instance or op in {"instance_norm", "InstanceNormalization"}:
        return prod(operand[2:])
    return 1


def own_step(program: Program) -> float:
    """Return the step of the precision that a program as a whole is in.

    That is the type of most of its weight matrices as they are stored: what is computed of them
    (dequantised, turned) does not count. Integers count where most matrices of one kind of operator
    are stored so: a quantiser may know that kind alone. 0 if they are of several types.
    """
    steps = _steps(program)
    if not steps:
        return 0.0
    whole = _most([step for found in steps.values() for step in found])
    # A single matrix in another precision is a part of the file.
    kinds = [_most(found) for found in steps.values() if len(found) > 1]
    return max([whole, *(step for step in kinds if step > _HALF)])


def _most(steps: Sequence[float]) -> float:
    step, count = Counter(steps).most_common(1)[0]
    return step if count > MAJORITY * len(steps) else 0.0


def _steps(program: Program) -> Mapping[str, list[float]]:
    """Return the steps of the weight matrices as they are stored, by the operator that reads them.

    Signed and unsigned integers have one step. Quantisers leave recurrent layers as they are, for
    ONNX has no 8-bit ones, and what several layers share.
    """
    kinds = _read_by(program)
    aside = {site.name for site in program.sites if site.constant}
    aside.update(n for site in program.sites if site.op in _RECURRENT for n in site.weights)
    packed = [site for site in program.sites if site.op in _PACKED and site.weights]
    place = {site.weights[0]: site for site in packed}
    aside.update(n for site in packed for n in site.weights if n not in place)  # scales
    steps: dict[str, list[float]] = {}
    for name, weight in program.weights.items():
        if name in aside or sum(length > 1 for length in weight.shape) < 2:
            continue
        bits = place[name].attributes.get("bits", 4) if name in place else None
        step = step_of(dtype_named(weight.dtype)) if bits is None else 2.0 ** -int(bits)
        steps.setdefault(kinds.get(name, ""), []).append(step)
    return steps


def _read_by(program: Program) -> Mapping[str, str]:
    """Return the kind of operator that reads each weight, as quantisers tell them apart."""
    found: dict[str, str] = {}
    through = {s.name: s for s in program.sites if s.constant and s.op == "DequantizeLinear"}
    for site in program.sites:
        kind = _KINDS.get(site.op.rpartition("::")[2], site.op)
        for name in site.weights if not site.constant else ():
            found.setdefault(name, kind)
            if name in through and through[name].weights:
                found.setdefault(through[name].weights[0], kind)
    return found


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


def _around(scope: str) -> Iterable[str]:
    """Yield the module of that name and those that it is in."""
    while scope:
        yield scope
        scope = scope.rpartition(".")[0]
