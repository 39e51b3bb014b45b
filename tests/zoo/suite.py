"""Run the zoo and print its tables.

`python -m tests.zoo.suite [derived|measured|ARCHITECTURE|FAULT ...] [--cache FOLDER]`
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import onnx
import onnxruntime
import torch

from divergence import trace
from tests.zoo.architectures import DERIVED, MEASURED, Subject, subject
from tests.zoo.faults import FAULTS
from tests.zoo.planting import Graph, Planted

MOST_NODES = 12


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


def strip(model: onnx.ModelProto) -> dict[str, str]:
    """Replace all names but those of inputs and outputs, drop metadata; return new node names."""
    kept = {v.name for v in (*model.graph.input, *model.graph.output)} | {""}
    names: dict[str, str] = {}
    renamed: dict[str, str] = {}

    def value(name: str) -> str:
        return name if name in kept else names.setdefault(name, f"v{len(names)}")

    for tensor in model.graph.initializer:
        tensor.name = value(tensor.name)
    for position, node in enumerate(model.graph.node):
        renamed[node.name] = f"n{position}"
        node.name = f"n{position}"
        node.input[:] = [value(name) for name in node.input]
        node.output[:] = [value(name) for name in node.output]
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:], model.metadata_props[:]
    return renamed


def planted_models(
    made: Subject, only: set[str]
) -> Iterator[tuple[str, float, bool, onnx.ModelProto, Planted]]:
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
                new = strip(model)
                planted = Planted(
                    planted.causes, tuple(new[n] for n in planted.nodes), planted.undoable
                )
            if runs(model, made):
                yield fault, size, stripped, model, planted


def runs(model: onnx.ModelProto, made: Subject) -> bool:
    """Whether the planted model runs, with other results than the right one."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    outputs = []
    for each in (model, made.file):
        try:
            session = onnxruntime.InferenceSession(each.SerializeToString(), options)
            feed = {session.get_inputs()[0].name: made.inputs.numpy()}
            outputs.append(session.run(None, feed)[0])
        except Exception:  # noqa: BLE001 - a fault that makes the file invalid is no divergence
            return False
    return outputs[0].shape == outputs[1].shape and not np.array_equal(*outputs)


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
        return Outcome(
            made.name, made.exporter, fault, size, stripped, right, None, None, None, said, seconds
        )
    located = not planted.nodes or any(
        set(planted.nodes) & set(c.candidate_nodes) and len(c.candidate_nodes) <= MOST_NODES
        for c in report.culprits
    )
    right = [f for f in report.findings if f.cause in planted.causes]
    healed = [
        f for f in report.findings if f.proof and f.proof.error_after < f.proof.error_before / 10
    ]
    if not right:
        nodes = [c.candidate_nodes for c in report.culprits[:2]]
        said += f" | {[f.cause for f in report.findings]} {nodes} planted {planted.nodes}"
    return Outcome(
        made.name, made.exporter, fault, size, stripped, report.verdict.status == "divergent",
        located, bool(report.findings) and report.findings[0].cause in planted.causes,
        bool(healed) if planted.undoable else None, said, seconds,
    )  # fmt: skip


def run(names: list[str], faults: set[str], cache: Path | None = None) -> list[Outcome]:
    outcomes = []
    with contextlib.ExitStack() as stack:
        folder = cache or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in names:
            for exporter in ("torchscript", "dynamo"):
                made = subject(name, exporter, folder)
                if not faults or "clean" in faults:
                    outcomes += [_clean(made, stripped) for stripped in (False, True)]
                for case in planted_models(made, faults):
                    outcomes.append(judge(made, *case))
                    show(outcomes[-1])
    return outcomes


def _clean(made: Subject, stripped: bool) -> Outcome:
    model = onnx.ModelProto()
    model.CopyFrom(made.file)
    if stripped:
        strip(model)
    outcome = judge(made, "clean", 0.0, stripped, model, None)
    show(outcome)
    return outcome


def show(o: Outcome) -> None:
    def mark(value: bool | None) -> str:
        return "-" if value is None else "+" if value else "."

    marks = "".join(mark(v) for v in (o.verdict, o.located, o.caused, o.proved))
    names = "stripped" if o.stripped else "named"
    print(
        f"{marks} {o.architecture:18} {o.exporter:11} {names:8} {o.fault:18} {o.size:7.0e} "
        f"{o.seconds:5.1f}s {'' if marks.replace('-', '+') == '++++' else o.said[:400]}",
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
    lines.append(_row("clean", [o for o in outcomes if o.fault == "clean"]))
    lines.append(_row("all faults", [o for o in outcomes if o.fault != "clean"]))
    return "\n".join(lines)


def _row(name: str, members: list[Outcome]) -> str:
    def share(field: str) -> str:
        known = [getattr(o, field) for o in members if getattr(o, field) is not None]
        return f"{sum(known) / len(known):8.1%}" if known else f"{'-':>8}"

    columns = " ".join(share(field) for field in ("verdict", "located", "caused", "proved"))
    return f"{name:20} {len(members):5} {columns}"


def main() -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    parser = argparse.ArgumentParser(description="Plant faults and print what is said of them.")
    parser.add_argument("words", nargs="*", help="derived, measured, architectures and faults")
    parser.add_argument("--cache", type=Path, help="where exported files are kept")
    asked = parser.parse_args()
    every = {**DERIVED, **MEASURED}
    which = {"derived": list(DERIVED), "measured": list(MEASURED)}
    names = [n for w in asked.words for n in which.get(w, [w] if w in every else [])]
    faults = {word for word in asked.words if word in FAULTS or word == "clean"}
    print(table(run(names or which["measured"], faults, asked.cache)))


if __name__ == "__main__":
    main()
