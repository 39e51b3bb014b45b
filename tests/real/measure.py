"""Trace one pair in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from sample_models.sample import Sample
from tests.memory import peak


@dataclass(frozen=True)
class Figures:
    """What a trace of a real model came to.

    modules, modules_paired: module sites of the reference, inputs apart.
    mebibytes: greatest resident size of the process; before: that before the trace began.
    """

    status: str
    sentence: str
    output_error: float
    modules: int
    modules_paired: int
    pairs: int
    observer_effect: float
    seconds: float
    mebibytes: int
    before: int


def measure(sample: Sample, onnx: str, **options: object) -> Figures:
    """Trace in a fresh process and return its figures."""
    asked = {
        "model": sample.factory or str(sample.model),
        "onnx": str(sample.onnx[onnx]),
        "inputs": str(sample.inputs),
        "weights": sample.weights and str(sample.weights),
        **{name: str(value) for name, value in sample.options.items()},
        **options,
    }
    command = [sys.executable, "-m", "tests.real.measure", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def _main(asked: dict[str, object]) -> None:
    import divergence

    before, start = peak(), time.perf_counter()
    report = divergence.trace(**asked)
    modules = {s for s in _references(report) if "::" not in s}
    paired = {p.reference for p in report.pairs}
    figures = {
        "status": report.verdict.status,
        "sentence": report.verdict.sentence,
        "output_error": max((pair.metrics.max_abs for pair in report.outputs), default=-1.0),
        "modules": len(modules),
        "modules_paired": len(modules & paired),
        "pairs": len(report.pairs),
        "observer_effect": report.observer_effect["max_abs"],
        "seconds": time.perf_counter() - start,
        "mebibytes": peak(),
        "before": before,
    }
    print(json.dumps(figures))


def _references(report) -> list[str]:
    given = {pair.reference for pair in report.pairs if pair.stage == "inputs"}
    paired = [pair.reference for pair in report.pairs]
    alone = [entry.site for entry in report.unpaired if entry.side == "reference"]
    return [site for site in paired + alone if site not in given]


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
