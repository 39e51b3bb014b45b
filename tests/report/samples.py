"""Synthetic reports of the kinds that a trace gives, with realistic figures."""

import math
from dataclasses import replace
from functools import cache

import numpy as np

from divergence.compare.profile import profile
from divergence.records import (
    Alignment,
    Coverage,
    Culprit,
    Evidence,
    Finding,
    Floor,
    Introduced,
    Metrics,
    Pair,
    PairVerdict,
    Profile,
    Proof,
    RuledOut,
    Stage,
    Status,
    Unpaired,
    Verdict,
)
from divergence.report import Report

INSIDE = (
    "norm1", "attn.qkv", "attn::mul#0", "attn::matmul#0", "attn::softmax#0", "attn::matmul#1",
    "attn.proj", "attn", "::add#0", "norm2", "mlp.fc1", "mlp.act", "mlp.fc2", "mlp", "::add#1",
    "ls1", "ls2", "drop_path1", "attn.q_norm", "attn.k_norm", "attn::transpose#0",
    "attn::reshape#0", "mlp.norm", "mlp.drop1",
)  # fmt: skip


def metrics(error: float, nonfinite: int = 0, total: int = 75648) -> Metrics:
    return Metrics(
        max_abs=error,
        mean_abs=error / 9,
        rmse=error / 6,
        max_rel=error * 40,
        cosine=1 - min(error**2, 1.0),
        sqnr_db=math.inf if error == 0 else -20 * math.log10(error / 6),
        max_ulp=error * 2**23,
        mismatched=int(total * 0.9) if error else nonfinite,
        nonfinite=nonfinite,
        total=total,
        worst_index=(0, 17, 233) if error else None,
    )


def pair(
    name: str,
    stage: str,
    order: int,
    error: float,
    *,
    floor: float | None = 2e-7,
    introduced: float | None = 1e-7,
    verdict: PairVerdict | None = None,
    nonfinite: int = 0,
    candidate: str | None = None,
) -> Pair:
    multiple = error / floor if floor else 0.0
    judged = PairVerdict.DIVERGENT if multiple > 30 else PairVerdict.ROUNDING
    scope = name.split("::", maxsplit=1)[0]
    return Pair(
        reference=name,
        candidate=candidate or f"/{stage}/{name.replace('::', '/')}/Output_{order}",
        reference_scope=scope,
        stage=stage,
        order=order,
        paired_by="scope" if order % 3 else "weights",
        confidence=0.99 if order % 7 else 0.93,
        shape=(1, 197, 384),
        dtypes=("float32", "float32"),
        alignment=Alignment(permutation=(0, 2, 1)) if order % 41 == 40 else None,
        metrics=metrics(error, nonfinite),
        floor=Floor(floor, error, multiple) if floor is not None else None,
        introduced=None if introduced is None else added(introduced, floor or 1e-7),
        verdict=verdict or judged,
    )


def added(error: float, floor: float) -> Introduced:
    return Introduced(max_abs=error, multiple=error / floor, floor=floor)


def stages_of(pairs: tuple[Pair, ...]) -> tuple[Stage, ...]:
    names = list(dict.fromkeys(p.stage for p in pairs))
    return tuple(_stage(name, [p for p in pairs if p.stage == name]) for name in names)


def _stage(name: str, members: list[Pair]) -> Stage:
    rank = list(PairVerdict)
    return Stage(
        name=name,
        pairs=len(members),
        max_abs=max(p.metrics.max_abs for p in members),
        rmse=max(p.metrics.rmse for p in members),
        floor_max_abs=max(
            (p.floor.reference_max_abs for p in members if p.floor is not None), default=None
        ),
        introduced_max_abs=max(
            (p.introduced.max_abs for p in members if p.introduced is not None), default=None
        ),
        verdict=max((p.verdict for p in members), key=rank.index),
    )


@cache
def clean_vit(pairs_per_block: int = 24, blocks: int = 12) -> Report:
    """About 300 pairs whose error grows as rounding does."""
    draw = np.random.default_rng(0)
    named = [("patch_embed.proj", "stem"), ("patch_embed", "stem"), ("pos_drop", "stem")]
    for block in range(blocks):
        for k in range(pairs_per_block):
            inside = INSIDE[k % len(INSIDE)]
            join = "" if inside.startswith("::") else "."
            named.append((f"blocks.{block}{join}{inside}", f"blocks.{block}"))
    named += [("norm", "head"), ("fc_norm", "head"), ("head", "head")]
    pairs = tuple(
        pair(
            name,
            stage,
            order,
            error := float(3e-8 * (1 + order) ** 0.9 * draw.lognormal(0, 0.5)),
            floor=float(error / draw.uniform(0.6, 1.8)),
            introduced=float(4e-8 * draw.lognormal(0, 0.5)),
        )
        for order, (name, stage) in enumerate(named)
    )
    return report(
        pairs,
        Status.ROUNDING,
        "The candidate agrees with the reference to rounding: the logits differ by at most "
        f"{pairs[-1].metrics.max_abs:.1e}, 1.4 times the reference's own error in float32.",
    )


@cache
def divergent_vit() -> Report:
    """The clean one with the logits' scale missing in blocks.7."""
    clean = clean_vit()
    first = next(i for i, p in enumerate(clean.pairs) if p.reference == "blocks.7.attn::mul#0")
    pairs = tuple(p if i < first else _hurt(p, i, first) for i, p in enumerate(clean.pairs))
    suspect = pairs[first]
    culprit = Culprit(
        reference=suspect.reference,
        reference_scope="blocks.7.attn",
        candidate=suspect.candidate,
        candidate_nodes=("/blocks/blocks.7/attn/Mul", "/blocks/blocks.7/attn/Transpose_1"),
        stage="blocks.7",
        introduced=suspect.introduced,
        pair=first,
        profile=attention_profile(),
    )
    finding = Finding(
        cause="attention.scale",
        culprit=0,
        confidence=0.98,
        explanation="The candidate's attention logits are not scaled by 1/sqrt(head_dim): one "
        "gain of 8.0 explains the whole difference before the softmax.",
        evidence=(
            Evidence("scale of the logits", 0.125, 1.0),
            Evidence("head dimension", 64, 64),
            Evidence("gain that explains the difference", 1.0, 8.000001),
        ),
        remedy="Export the attention as dot product (fused_attn = False), or multiply the "
        "queries by 0.125 before the matrix product.",
        parameters={"scale": [0.125, 1.0]},
        proof=Proof("insert Mul by 0.125 after /blocks/blocks.7/attn/Mul", 2.41, 3.1e-6),
    )
    made = report(
        pairs,
        Status.DIVERGENT,
        "The candidate departs from the reference in blocks.7.attn: its attention logits are not "
        "scaled (8.0 instead of 1); with the scale restored the logits agree to 3.1e-06.",
    )
    return replace(
        made,
        culprits=(culprit,),
        findings=(finding,),
        ruled_out=(
            RuledOut("attribute.epsilon", "every norm has the epsilon of its module (1e-06)"),
            RuledOut("weights.one", "all 152 parameters equal their initializers"),
            RuledOut("weights.all", "all 152 parameters equal their initializers"),
            RuledOut("graph.optimizer", "the same error with every optimisation switched off"),
            RuledOut("mode.training", "no module is in training mode; both sides repeat bit-equal"),
        ),
        outputs=(pairs[-1],),
    )


@cache
def attention_profile() -> Profile:
    """Logits of attention of which two heads lack their scale."""
    draw = np.random.default_rng(2)
    logits = draw.standard_normal((1, 6, 197, 197)).astype(np.float32)
    broken = logits + 1e-6 * draw.standard_normal(logits.shape).astype(np.float32)
    broken[:, 2:4, 40:120] *= 4
    made = profile(logits, broken)
    assert made is not None
    return made


def _hurt(clean: Pair, index: int, first: int) -> Pair:
    error = 14.2 * 0.993 ** (index - first) * (1 + 0.4 * math.sin(index))
    floor = clean.floor.reference_max_abs
    introduced = added(14.2, floor) if index == first else clean.introduced
    return replace(
        clean,
        metrics=metrics(error),
        floor=Floor(floor, error, error / floor),
        introduced=introduced,
        verdict=PairVerdict.DIVERGENT,
    )


def nonfinite() -> Report:
    """A float16 candidate that overflows from stage 3 on."""
    clean = clean_vit(blocks=6)
    pairs = tuple(
        replace(
            p,
            dtypes=("float32", "float16"),
            metrics=replace(metrics(1e-3), max_abs=math.nan, cosine=math.nan, nonfinite=512)
            if i > 60
            else metrics(1e-3 * (1 + i / 20)),
            verdict=PairVerdict.NONFINITE if i > 60 else PairVerdict.ROUNDING,
            floor=Floor(math.nan, math.inf, math.nan) if i > 60 else p.floor,
        )
        for i, p in enumerate(clean.pairs)
    )
    return report(
        pairs,
        Status.DIVERGENT,
        "The candidate overflows float16 (65504) in blocks.2.mlp.fc1 and is not finite from there.",
    )


def partial() -> Report:
    """What Ctrl-C leaves: some pairs without floor and fed run."""
    clean = clean_vit(blocks=3)
    pairs = tuple(replace(p, floor=None, introduced=None) for p in clean.pairs)
    made = report(
        pairs,
        Status.INCONCLUSIVE,
        "Interrupted after 75 pairs: what was compared so far agrees within 1e-05.",
    )
    return replace(made, partial=True, timing={"free run": 0.31})


def empty() -> Report:
    """Two models that are not the same network."""
    made = report(
        (),
        Status.INCONCLUSIVE,
        "These do not look like the same network: 0 of 152 parameters of the reference are found "
        "among the candidate's 96 initializers, and no site could be paired.",
    )
    return replace(made, coverage=Coverage(334, 0, 210, 0), outputs=())


def hostile(name: str = "</script><img src=x onerror=\"document.title='owned'\">") -> Report:
    """The divergent one with a name from a hostile file wherever a name can stand."""
    base = divergent_vit()
    first = base.culprits[0].pair
    named = tuple(
        replace(p, reference=name, candidate=f"{name}&amp;'\"", stage=f"{name}s", paired_by=name)
        if i in (0, first)
        else p
        for i, p in enumerate(base.pairs)
    )
    culprit = replace(
        base.culprits[0], reference=name, reference_scope=name, candidate_nodes=(name, "b")
    )
    finding = replace(
        base.findings[0],
        cause=name,
        explanation=name,
        remedy=name,
        evidence=(Evidence(name, name, [name]),),
        parameters={name: name},
        proof=Proof(name, 1.0, 0.0),
    )
    return replace(
        base,
        verdict=Verdict(Status.DIVERGENT, f"The sentence names {name}."),
        pairs=named,
        stages=stages_of(named),
        culprits=(culprit,),
        findings=(finding,),
        ruled_out=(RuledOut(name, name),),
        unpaired=(Unpaired("reference", name, name),),
        environment={name: name},
        inputs={name: {name: [name]}},
        outputs=(named[0],),
    )


@cache
def large(count: int) -> Report:
    """Clean with `count` pairs in a stage for every 50."""
    return clean_vit(pairs_per_block=50, blocks=max(1, (count - 6) // 50))


def report(pairs: tuple[Pair, ...], status: Status, sentence: str) -> Report:
    """A report around pairs, with everything beside them that a trace gives."""
    return Report(
        verdict=Verdict(status, sentence),
        partial=False,
        culprits=(),
        findings=(),
        ruled_out=(),
        outputs=pairs[-1:],
        pairs=pairs,
        unpaired=(
            Unpaired("reference", "blocks.3.attn::view#2", "no value of this shape left"),
            Unpaired(
                "candidate", "/blocks.5/Cast_1_output_0", "swallowed by the fusion FusedMatMul"
            ),
        ),
        coverage=Coverage(len(pairs) + 12, len(pairs), len(pairs) + 31, len(pairs)),
        stages=stages_of(pairs),
        observer_effect={"max_abs": 0.0},
        reference={"kind": "module", "file": "timm:vit_small_patch16_224", "device": "cpu"},
        candidate={
            "kind": "onnx",
            "file": "vit_small_patch16_224.onnx",
            "opset": {"": 18},
            "exporter": "pytorch 2.14.1 (dynamo)",
            "providers": ["CPUExecutionProvider"],
            "optimization": "deployed",
        },
        inputs={"pixel_values": {"shape": [1, 3, 224, 224], "dtype": "float32", "from": "cat.jpg"}},
        environment={
            "divergence": "0.1.0",
            "python": "3.11.9",
            "torch": "2.14.1",
            "onnxruntime": "1.32.0",
            "threads": {"torch": 2, "onnxruntime": 2},
        },
        options={"output": "divergence-report"},
        timing={"load": 0.42, "match": 0.21, "free run": 0.33, "float64": 0.16, "fed run": 0.61},
    )
