"""`python -m tests.matching.suite`: the tables, for all or for what the options choose."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from divergence.capture.torch_runner import TorchRunner
from divergence.records import Call
from tests.matching.suite.architectures import ARCHITECTURES, Architecture, perturbed
from tests.matching.suite.measure import Known, Result, judge, workspace
from tests.matching.suite.rewrites import REWRITES, export
from tests.matching.suite.table import tables
from tests.matching.suite.truth import Values, candidate_values, reference_values

EXPORTERS = ("torchscript", "dynamo")


def run(
    root: Path,
    architectures: tuple[Architecture, ...] = ARCHITECTURES,
    exporters: tuple[str, ...] = EXPORTERS,
    rewrites: tuple[str, ...] = tuple(REWRITES),
) -> list[Result]:
    """Return the results of every combination; a rewriter that fails is said and left out."""
    results: list[Result] = []
    for architecture in architectures:
        results.extend(_architecture(root, architecture, exporters, rewrites))
    return results


def _architecture(
    root: Path, architecture: Architecture, exporters: tuple[str, ...], rewrites: tuple[str, ...]
) -> Iterator[Result]:
    model, inputs = _model(root, architecture), architecture.inputs()
    reference = reference_values(model, inputs)
    call = Call(args=(inputs[0].numpy(),))
    changed = TorchRunner(perturbed(model)).program(call)
    for exporter in exporters:
        source = workspace(root, architecture.name, exporter, "exported")
        if not source.exists():
            try:
                export(model, inputs[0], source, dynamo=exporter == "dynamo")
            except Exception as error:  # noqa: BLE001  exporters raise anything
                _say(f"{architecture.name} {exporter}: no export: {error!s:.120}")
                continue
        twin: Values | None = None
        for name in rewrites:
            path = workspace(root, architecture.name, exporter, name)
            rewrite, tolerance = REWRITES[name]
            try:
                if not path.exists():
                    rewrite(source, path, inputs)
                candidate = candidate_values(
                    path, inputs, turned=name == "keras style" and len(architecture.shape) == 4
                )
            except Exception as error:  # noqa: BLE001  so do rewriters
                _say(
                    f"{architecture.name} {exporter} {name}: {type(error).__name__} {error!s:.160}"
                )
                continue
            if not tolerance and twin is None:
                twin = candidate_values(source, inputs, turned=False)
            known = Known(reference, candidate, None if tolerance else twin, tolerance)
            for shaken in (False, True):
                result = Result(architecture.name, architecture.half, exporter, name, shaken)
                try:
                    judge(changed if shaken else reference.program, known, result)
                except Exception:  # noqa: BLE001  a crash is a result too
                    traceback.print_exc()
                    _say(f"{architecture.name} {exporter} {name}: the matcher failed")
                    continue
                yield result
                _line(result)


def _model(root: Path, architecture: Architecture) -> nn.Module:
    """Return the model with the weights that the files in the folder were exported with."""
    path = root / f"{architecture.name}.pt"
    if path.exists():
        model = architecture.build().eval()
        model.load_state_dict(torch.load(path, weights_only=True))
        return model
    model = architecture.model()
    root.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return model


def _line(result: Result) -> None:
    m, o = result.modules, result.ops
    _say(
        f"{result.architecture:22}{result.exporter:12}{result.rewrite:14}"
        f"{'perturbed' if result.perturbed else '':10}"
        f" modules {m.precision:.3f} {m.recall:.3f} of {m.possible:4}"
        f"  ops {o.precision:.3f} {o.recall:.3f} of {o.possible:4}  {result.seconds:.2f} s"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", help="architectures")
    parser.add_argument("--half", choices=("tuned", "measured"))
    parser.add_argument("--exporters", nargs="*", default=EXPORTERS)
    parser.add_argument("--rewrites", nargs="*", default=tuple(REWRITES))
    parser.add_argument("--cache", type=Path, help="folder that keeps the files between runs")
    parser.add_argument("--misses", type=int, default=0, help="wrong and missed sites to list")
    given = parser.parse_args()
    quiet()
    chosen = tuple(
        a
        for a in ARCHITECTURES
        if (not given.only or a.name in given.only) and (not given.half or a.half == given.half)
    )
    with tempfile.TemporaryDirectory() as folder:
        root = given.cache or Path(folder)
        results = run(root, chosen, tuple(given.exporters), tuple(given.rewrites))
    for result in results:
        for miss in result.misses[: given.misses]:
            print(result.architecture, result.exporter, result.rewrite, result.perturbed, miss)
    print(tables(results))


def quiet() -> None:
    """Silence what exporters and converters say about themselves."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.ERROR)


if __name__ == "__main__":
    main()
