"""Matching: CPU time against the number of nodes, and how sure pairs are against how right.

    python -m tests.benchmarks.bench_matching [--nodes 100 300 ...]

The chain is matched as exported, with names, and stripped of them: then weights and topology
alone decide. CPU time of matching, without capturing either side.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import onnx

from divergence.capture.onnx_runner import OnnxRunner
from divergence.capture.torch_runner import TorchRunner
from divergence.matching import match
from divergence.records import Call, Program
from tests.benchmarks.__main__ import NODES
from tests.benchmarks.cases import Case, deep
from tests.matching.suite.__main__ import quiet, run
from tests.matching.suite.architectures import ARCHITECTURES
from tests.matching.suite.rewrites import stripped
from tests.matching.suite.table import reliability

SMALL = ("lstm", "states", "repeated", "mobilenetv3_small_050")
REWRITES = ("exported", "ort extended", "stripped+slim", "int8 qdq", "keras style")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nodes", type=int, nargs="+", default=list(NODES))
    asked = parser.parse_args()
    quiet()
    print("| nodes | with names s | ms a node | stripped s | ms a node | pairs | of |")
    print("|---|---|---|---|---|---|---|")
    for nodes in asked.nodes:
        with deep(nodes) as case:
            print(_row(nodes, case), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        chosen = tuple(a for a in ARCHITECTURES if a.name in SMALL)
        results = run(Path(folder), chosen, rewrites=REWRITES)
    print(f"\nPairs of {', '.join(SMALL)} by confidence\n")
    print(reliability(results))


def _row(nodes: int, case: Case) -> str:
    given = {name: value.numpy() for name, value in case.inputs.items()}
    reference = TorchRunner(case.model).program(Call(kwargs=given))
    bare = case.onnx.with_name("bare.onnx")
    stripped(case.onnx, bare, None)
    named, named_pairs, sites = _spent(reference, case.onnx, given)
    without, bare_pairs, _ = _spent(reference, bare, given)
    pairs = min(named_pairs, bare_pairs)
    figures = (f"{spent:.2f} | {1000 * spent / nodes:.2f}" for spent in (named, without))
    return f"| {nodes} | {' | '.join(figures)} | {pairs} | {sites} |"


def _spent(reference: Program, file: Path, given: dict) -> tuple[float, int, int]:
    """Return seconds of CPU time, and how many of the file's nodes have a partner."""
    values = dict(zip((v.name for v in onnx.load(file).graph.input), given.values(), strict=True))
    candidate = OnnxRunner(file, optimization="none").program(Call(kwargs=values))
    start = time.process_time()
    found = match(reference, candidate)
    spent = time.process_time() - start
    sites = sum(site.kind == "node" for site in candidate.sites)
    return spent, len({m.candidate for m in found.matches if m.candidate not in values}), sites


if __name__ == "__main__":
    main()
