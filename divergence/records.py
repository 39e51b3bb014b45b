"""Every noun that passes between two steps of a trace.

All are frozen; arrays inside them are read-only. Words are those of the glossary in
the README: reference and candidate, site, pair, stage, observed and introduced error,
floor, culprit, finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from numpy.typing import NDArray

Array = NDArray[Any]
Side = Literal["reference", "candidate"]
SiteKind = Literal["input", "module", "op", "node"]


class Status(StrEnum):
    """What a whole trace says."""

    IDENTICAL = "identical"
    ROUNDING = "rounding"
    DIVERGENT = "divergent"
    INCONCLUSIVE = "inconclusive"


class PairVerdict(StrEnum):
    """What one pair says."""

    IDENTICAL = "identical"
    ROUNDING = "rounding"
    DIVERGENT = "divergent"
    NONFINITE = "nonfinite"
    NOT_COMPARABLE = "not_comparable"


# --- load -> capture -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """What one side is called with: positional and keyword arguments.

    Leaves are numpy arrays (any nesting of tuple, list and dict around them), Python
    numbers, booleans, strings or None. An ONNX side takes `kwargs` alone, one array for
    each graph input.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


# --- capture -> match ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter, buffer, initializer or constant; `load()` gives its values."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Array] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Site:
    """A place where one side produces a value.

    name: as users and scripts read it (`blocks.0.attn.qkv`, `blocks.0.attn::softmax#0`,
        an ONNX value's name as in the user's file).
    op: class name of the module, ATen op without overload or leading underscore, ONNX op type.
    scope: qualified name of the module that the site belongs to (for a module site: itself,
        without a call number); "" for the root and where it is not known.
    order: position in this side's execution order, from 0.
    shape, dtype: None where not known before a run; dtype in numpy's words, or "bfloat16".
    inputs: names of the sites whose values it reads, in operand order.
    weights: names of the weights that it reads, in operand order.
    attributes: what it was given besides tensors (ONNX attributes, scalar arguments).
    node: ONNX only, the name of the node in the user's file.
    alias_of: an earlier site that holds the very same value (a module that returns what
        its last op or child made), to be compared once.
    constant: does not depend on the inputs; neither paired nor counted.
    """

    name: str
    kind: SiteKind
    op: str
    scope: str
    order: int
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    inputs: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    node: str = ""
    alias_of: str | None = None
    constant: bool = False


@dataclass(frozen=True, slots=True)
class Unpaired:
    """A site without a partner, and why."""

    side: Side
    site: str
    reason: str


@dataclass(frozen=True, slots=True)
class Program:
    """What one side computes, seen without keeping values: the input of matching.

    sites: in execution order, inputs first.
    weights: by name.
    outputs: site names of the outputs, in order; output_names: what users call them.
    unobservable: those of the sites that no run shows, with the reason: values of the user's
        file that are not in the traced graph (swallowed by a fusion, an opaque layout), or of a
        type without observer. Values of branches that are not taken are listed too; they are
        no sites.
    """

    sites: tuple[Site, ...]
    weights: Mapping[str, Weight]
    outputs: tuple[str, ...]
    output_names: tuple[str, ...]
    unobservable: tuple[Unpaired, ...] = ()


# --- match -> run ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alignment:
    """What is done to a candidate value before it is subtracted, in this order.

    unblock: channels of an NCHWc value after blocking was undone; cast: dtype both sides
    are compared in when it is not the coarser one; permutation: axes as in
    `numpy.transpose`; reshape: the shape given last.
    """

    unblock: int | None = None
    cast: str | None = None
    permutation: tuple[int, ...] | None = None
    reshape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Two sites that should hold the same value, how that is known and how surely (0..1)."""

    reference: str
    candidate: str
    paired_by: str
    confidence: float
    alignment: Alignment | None = None


@dataclass(frozen=True, slots=True)
class Pairing:
    """The result of matching.

    unlike: why the two do not look like the same network; empty where they do.
    """

    matches: tuple[Match, ...]
    unpaired: tuple[Unpaired, ...]
    unlike: tuple[Evidence, ...] = ()


# --- compare -> diagnose ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Metrics:
    """How far candidate is from reference; NaN where a figure has no meaning.

    max_abs, mean_abs, rmse: of |reference - candidate| over the finite positions.
    max_rel: max of |reference - candidate| / |reference| where the reference is not zero.
    cosine: -1..1. sqnr_db: 20 log10(|reference| / |error|), in decibels, inf when equal.
    max_ulp: greatest distance in units in the last place of the coarser dtype (integers: the
    difference). mismatched: elements that differ, including any non-finite mismatch.
    nonfinite: positions where one side alone is NaN or infinite, or infinities differ in sign.
    worst_index: index of the greatest error (a non-finite mismatch first), None when empty.
    both_nonfinite: positions where both are NaN, or the same infinity: equal, but no number.
    violations: elements beyond the tolerance that was asked for, None where none was.
    needed_atol: least absolute tolerance with which the pair passes at each relative one of
    `compare.tolerance.RTOLS`; empty where nothing differs.
    incomparable: why the two cannot be subtracted (shapes, no numbers), "" where they can.
    """

    max_abs: float
    mean_abs: float
    rmse: float
    max_rel: float
    cosine: float
    sqnr_db: float
    max_ulp: float
    mismatched: int
    nonfinite: int
    total: int
    worst_index: tuple[int, ...] | None
    both_nonfinite: int = 0
    violations: int | None = None
    incomparable: str = ""
    needed_atol: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Floor:
    """Errors of both sides against the exact (float64) value; multiple = candidate / reference.

    estimated: the exact value was not to be had and the figures come from an estimate.
    bound: the reference's greatest error, bounded from below as `compare.floor` says: what
    `multiple` is a multiple of, unless the root mean square error gives a greater one, as a
    multiple of `bound_rmse`.
    scale, peak: root mean square and greatest magnitude of the exact value.
    """

    reference_max_abs: float
    candidate_max_abs: float
    multiple: float
    estimated: bool = False
    bound: float = 0.0
    bound_rmse: float = 0.0
    scale: float = 0.0
    peak: float = 0.0


@dataclass(frozen=True, slots=True)
class Introduced:
    """What the candidate's segment adds by itself, and that as a multiple of the floor.

    floor: greatest error that the reference itself makes in this segment, bounded from below;
    floor_rmse: its root mean square error likewise, 0 where it is not known.
    """

    max_abs: float
    multiple: float
    floor: float
    floor_rmse: float = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured at one match: observed error, and the floor where it is known."""

    match: Match
    shape: tuple[int, ...]
    dtypes: tuple[str, str]
    metrics: Metrics
    floor: Floor | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair as reported. `stage` groups consecutive pairs; `order` is the reference's.

    headroom_bits: how often the value may double before it leaves float16's range (65504), below
    0 where it is beyond it; None where its magnitude is not known.
    """

    reference: str
    candidate: str
    reference_scope: str
    stage: str
    order: int
    paired_by: str
    confidence: float
    shape: tuple[int, ...]
    dtypes: tuple[str, str]
    alignment: Alignment | None
    metrics: Metrics
    floor: Floor | None
    introduced: Introduced | None
    verdict: PairVerdict
    reason: str = ""
    ignored: bool = False
    headroom_bits: float | None = None


# --- diagnose -> report ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Profile:
    """Where and how two values differ, small enough to keep and to draw.

    edges: of the bins that both counts share, over the finite values.
    along: for each axis longer than one, but for a batch, the axis and the greatest absolute
    error at each stretch of its indices. picture: the same over the last two axes, as rows;
    empty where there are no two. Errors that are not finite are inf.
    """

    shape: tuple[int, ...]
    edges: tuple[float, ...]
    reference_counts: tuple[int, ...]
    candidate_counts: tuple[int, ...]
    along: tuple[tuple[int, tuple[float, ...]], ...]
    picture: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Culprit:
    """A segment of the candidate that adds an error beyond the floor.

    candidate_nodes: names in the user's file, in order; pair: index into `Report.pairs`.
    profile: of what the segment should make of the reference's values, and what it makes.
    """

    reference: str
    reference_scope: str
    candidate: str
    candidate_nodes: tuple[str, ...]
    stage: str
    introduced: Introduced
    pair: int
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two values that differ, by name, one from each side."""

    name: str
    reference: Any
    candidate: Any


@dataclass(frozen=True, slots=True)
class Proof:
    """The cause undone and the run repeated: error before and after.

    where: the value that the errors are of; "" for the greatest of the final outputs.
    """

    action: str
    error_before: float
    error_after: float
    where: str = ""

    @property
    def holds(self) -> bool:
        """Whether the error fell: one that stays, or rises, proves nothing."""
        return self.error_after < self.error_before


@dataclass(frozen=True, slots=True)
class Finding:
    """A named cause. `culprit` indexes `Report.culprits`; `parameters` are what was recovered."""

    cause: str
    culprit: int | None
    confidence: float
    explanation: str
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A cause that was looked for and is not the case."""

    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer in one word and one sentence."""

    status: Status
    sentence: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A group of consecutive pairs that a reader thinks of as one step."""

    name: str
    pairs: int
    max_abs: float
    rmse: float
    floor_max_abs: float | None
    introduced_max_abs: float | None
    verdict: PairVerdict


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of each side was compared."""

    reference_sites: int
    reference_paired: int
    candidate_sites: int
    candidate_paired: int


@dataclass(frozen=True, slots=True)
class ScoreCut:
    """Detections of both sides that score `threshold` and more, counted and matched.

    precision, recall, f1: of the candidate against the reference; NaN where there are none.
    """

    threshold: float
    reference: int
    candidate: int
    matched: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Detections:
    """How far the detections behind the post-processing agree.

    iou: overlap from which two boxes of one class are the same. at: at the usual score; cuts: at
    others, ascending. edges: of the bins that both counts of scores share. picture: the image
    with the boxes of both sides as `data:image/png;base64,...`, "" where there is no image.
    """

    iou: float
    at: ScoreCut
    cuts: tuple[ScoreCut, ...]
    edges: tuple[float, ...]
    reference_scores: tuple[int, ...]
    candidate_scores: tuple[int, ...]
    picture: str = ""


@dataclass(frozen=True, slots=True)
class InputSet:
    """How far both sides agree over many inputs; None where a figure has no meaning.

    inputs: how many were given; compared: of how many both sides' outputs were compared.
    unread: those that cannot be read or fail, with the reason. worst: the one that is traced.
    top1, top5: shares of 1: the same best class; classes in common among the five best.
    precision, recall, f1: of all candidate's detections against the reference's, at the usual
    score. psnr_db, ssim: means over output pictures; psnr_db_least: the least.
    labelled: inputs with a label; accuracies: shares of those that each side has right.
    greatest_difference: of the worst, as a share of the outputs' scale. max_abs: of all.
    """

    inputs: int
    compared: int
    unread: tuple[Unread, ...]
    worst: str
    greatest_difference: float
    max_abs: float
    top1: float | None = None
    top5: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    psnr_db: float | None = None
    psnr_db_least: float | None = None
    ssim: float | None = None
    labelled: int = 0
    reference_accuracy: float | None = None
    candidate_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """An input that was not compared, and why."""

    input: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that a trace found: the fields of `report.json` (schema `divergence.report/1`)."""

    verdict: Verdict
    partial: bool
    culprits: tuple[Culprit, ...]
    findings: tuple[Finding, ...]
    ruled_out: tuple[RuledOut, ...]
    outputs: tuple[Pair, ...]
    pairs: tuple[Pair, ...]
    unpaired: tuple[Unpaired, ...]
    coverage: Coverage
    stages: tuple[Stage, ...]
    observer_effect: Mapping[str, float]
    reference: Mapping[str, Any]
    candidate: Mapping[str, Any]
    inputs: Mapping[str, Any]
    environment: Mapping[str, Any]
    options: Mapping[str, Any]
    timing: Mapping[str, float]
    detections: Detections | None = None
    input_set: InputSet | None = None
    schema: str = "divergence.report/1"
