"""Run the zoo and print its tables.

`python -m tests.zoo.suite [WORD ...] [--cache FOLDER]`, where a word is derived, measured, unseen,
special, or the name of an architecture, a fault or several at once; several stands for all these.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random

import numpy as np
import onnx
import torch

from divergence import Report, trace
from divergence.records import Culprit, Finding
from tests.zoo.architectures import DERIVED, MEASURED, SUBJECTS, UNSEEN, Subject, subject
from tests.zoo.clean import VARIANTS, variant
from tests.zoo.faults import FAULTS
from tests.zoo.planting import Graph, Planted, first_output, strip
from tests.zoo.several import SEVERAL, planted_several
from tests.zoo.special import SPECIAL

MOST_NODES = 12
EXPORTERS = ("torchscript", "dynamo")


@dataclass(frozen=True)
class Outcome:
    """What was said of one planted fault (or of a clean pair)."""

    architecture: str
    exporter: str
    fault: str
    size: float
    stripped: bool
    verdict: bool
    located: bool | None
    caused: bool | None
    proved: bool | None
    said: str
    seconds: float


def planted_models(
    made: Subject, only: set[str]
) -> Iterator[tuple[str, float, bool, onnx.ModelProto, tuple[Planted, ...]]]:
    for fault, (plant, sizes) in FAULTS.items():
        if only and fault not in only:
            continue
        for number, size in enumerate(sizes):
            model = onnx.ModelProto()
            model.CopyFrom(made.file)
            graph = Graph(model, Random(f"{made.name} {fault} {size}"))
            planted = plant(graph, size)
            if planted is None:
                break
            stripped = bool(number % 2) ^ (made.exporter == "dynamo")
            if stripped:
                planted = renamed(planted, strip(model))
            if runs(model, made):
                yield fault, size, stripped, model, (planted,)


def renamed(planted: Planted, new: Mapping[str, str]) -> Planted:
    return Planted(planted.causes, tuple(new[n] for n in planted.nodes), planted.undoable)


def several_models(
    made: Subject, only: set[str]
) -> Iterator[tuple[str, float, bool, onnx.ModelProto, tuple[Planted, ...]]]:
    for name in (n for n in SEVERAL if not only or n in only):
        for stripped in (False, True):
            found = planted_several(made, name)
            if found is not None:
                graph, planted = found
                new = strip(graph.model) if stripped else {}
                planted = tuple(renamed(p, new) for p in planted) if stripped else planted
                if runs(graph.model, made):
                    yield name, 1.0, stripped, graph.model, planted


def runs(model: onnx.ModelProto, made: Subject) -> bool:
    """Whether the planted model runs, with other results than the right one."""
    planted, right = (first_output(each, made.inputs.numpy()) for each in (model, made.file))
    if planted is None or right is None:  # a fault that makes the file invalid is no divergence
        return False
    return planted.shape == right.shape and not np.array_equal(planted, right)


def judge(made: Subject, fault: str, size: float, stripped: bool, model, planted) -> Outcome:
    start = time.perf_counter()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            report = trace(made.model, model, made.inputs)
    except Exception as error:  # noqa: BLE001 - a crash is an outcome of the suite
        return Outcome(
            made.name, made.exporter, fault, size, stripped, False, False, False, False,
            f"{type(error).__name__}: {error}"[:200], time.perf_counter() - start,
        )  # fmt: skip
    seconds = time.perf_counter() - start
    said = report.verdict.sentence
    if planted is None:
        right = report.verdict.status in {"rounding", "identical"}
        said += "" if right else f" | {_culprits(report)}"
        return Outcome(
            made.name, made.exporter, fault, size, stripped, right, None, None, None, said, seconds
        )
    about = [_about(report, each, len(planted) == 1) for each in planted]
    caused = all(
        any(f.cause in p.causes for f in found) for p, found in zip(planted, about, strict=True)
    )
    stray = [c for c in report.culprits if not any(_names(c, p) for p in planted if p.nodes)]
    if not caused or stray:
        said += f" | {_culprits(report)} planted {[p.nodes for p in planted]}, {len(stray)} stray"
    return Outcome(
        made.name, made.exporter, fault, size, stripped, report.verdict.status == "divergent",
        all(_located(report, each) for each in planted), caused,
        all(any(_healed(f) for f in found) for found in about)
        if all(p.undoable for p in planted) else None, said, seconds,
    )  # fmt: skip


def _names(culprit: Culprit, planted: Planted) -> bool:
    return bool(set(planted.nodes) & set(culprit.candidate_nodes))


def _located(report: Report, planted: Planted) -> bool:
    return not planted.nodes or any(
        _names(c, planted) and len(c.candidate_nodes) <= MOST_NODES for c in report.culprits
    )


def _about(report: Report, planted: Planted, alone: bool) -> list[Finding]:
    """Return what is said of a fault: the first finding, of several faults those of its place."""
    if alone:
        return list(report.findings[:1])
    return [
        f
        for f in report.findings
        if f.culprit is not None and _names(report.culprits[f.culprit], planted)
    ]


def _healed(finding: Finding) -> bool:
    proof = finding.proof
    return proof is not None and proof.error_after < proof.error_before / 10


def _culprits(report: Report) -> str:
    nodes = [c.candidate_nodes for c in report.culprits[:3]]
    return f"{len(report.culprits)}: {[f.cause for f in report.findings]} {nodes}"


def run(names: list[str], faults: set[str], cache: Path | None = None) -> list[Outcome]:
    outcomes = []
    with contextlib.ExitStack() as stack:
        folder = cache or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in names:
            for exporter in EXPORTERS:
                try:
                    made = subject(name, exporter, folder)
                except Exception as error:  # noqa: BLE001 - what an exporter refuses is no pair
                    print(f"     {name} {exporter}: not exported ({error!s:.100})", flush=True)
                    continue
                outcomes += _clean(made, faults)
                for case in chain(planted_models(made, faults), several_models(made, faults)):
                    outcomes.append(judge(made, *case))
                    show(outcomes[-1])
    return outcomes


def run_special() -> list[Outcome]:
    """Judge the networks that are made for one cause each."""
    outcomes = []
    for name, build in SPECIAL.items():
        case = build()
        made = Subject("special", "torchscript", case.model, case.inputs, case.file)
        outcomes.append(judge(made, name, 1.0, False, case.file, (case.planted,)))
        show(outcomes[-1])
    return outcomes


def _clean(made: Subject, faults: set[str]) -> list[Outcome]:
    """Judge the right file, as it is and as tools rewrite it."""
    outcomes = []
    for kind in VARIANTS:
        if not faults or faults & {"clean", kind}:
            model = variant(made, kind)
            if model is not None:
                outcomes.append(judge(made, kind, 0.0, "stripped" in kind, model, None))
                show(outcomes[-1])
    return outcomes


def show(o: Outcome) -> None:
    def mark(value: bool | None) -> str:
        return "-" if value is None else "+" if value else "."

    marks = "".join(mark(v) for v in (o.verdict, o.located, o.caused, o.proved))
    told = "." in marks or "stray" in o.said
    names = "stripped" if o.stripped else "named"
    print(
        f"{marks} {o.architecture:18} {o.exporter:11} {names:8} {o.fault:18} {o.size:7.0e} "
        f"{o.seconds:5.1f}s {o.said[:500] if told else ''}",
        flush=True,
    )


def table(outcomes: list[Outcome]) -> str:
    """Return the shares by fault and by architecture."""
    lines = [f"{'':20} {'cases':>5} {'verdict':>8} {'located':>8} {'cause':>8} {'proof':>8}"]
    for key in ("fault", "architecture"):
        groups = defaultdict(list)
        for outcome in outcomes:
            groups[getattr(outcome, key)].append(outcome)
        for name, members in sorted(groups.items()):
            lines.append(_row(name, members))
        lines.append("")
    lines.append(_row("clean", [o for o in outcomes if o.fault in VARIANTS]))
    lines.append(_row("all faults", [o for o in outcomes if o.fault not in VARIANTS]))
    return "\n".join(lines)


def _row(name: str, members: list[Outcome]) -> str:
    def share(field: str) -> str:
        known = [getattr(o, field) for o in members if getattr(o, field) is not None]
        return f"{sum(known) / len(known):8.1%}" if known else f"{'-':>8}"

    columns = " ".join(share(field) for field in ("verdict", "located", "caused", "proved"))
    return f"{name:20} {len(members):5} {columns}"


def main() -> None:
    logging.disable()  # rewriters advise at length
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    parser = argparse.ArgumentParser(description="Plant faults and print what is said of them.")
    parser.add_argument("words", nargs="*", help="derived, measured, architectures and faults")
    parser.add_argument("--cache", type=Path, help="where exported files are kept")
    asked = parser.parse_args()
    which = {"derived": list(DERIVED), "measured": list(MEASURED), "unseen": list(UNSEEN)}
    names = [n for w in asked.words for n in which.get(w, [w] if w in SUBJECTS else [])]
    faults = {word for word in asked.words if word in {*FAULTS, *SEVERAL, *VARIANTS, "clean"}}
    faults |= set(SEVERAL) if "several" in asked.words else set()
    outcomes = run_special() if "special" in asked.words or not asked.words else []
    if names or "special" not in asked.words:
        outcomes += run(names or which["measured"], faults, asked.cache)
    print(table(outcomes))


if __name__ == "__main__":
    main()
