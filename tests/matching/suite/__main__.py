"""`python -m tests.matching.suite`: the tables, for all or for what the options choose."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from tests.matching.suite.architectures import ARCHITECTURES, Architecture, perturbed
from tests.matching.suite.kept import kept
from tests.matching.suite.measure import Known, Result, judge, workspace
from tests.matching.suite.rewrites import REWRITES, export
from tests.matching.suite.scoped import scoped
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
    network = _Network(root, architecture)
    for exporter in exporters:
        for name in rewrites:
            path = workspace(root, architecture.name, exporter, name).with_suffix(".results")
            for result in kept(path, lambda e=exporter, n=name: network.measured(e, n)):
                _line(result)
                yield result


class _Network:
    """One architecture: what all its files share is made once, and only where it is needed."""

    def __init__(self, root: Path, architecture: Architecture) -> None:
        self.root, self.architecture = root, architecture
        self.inputs = architecture.inputs()
        self._untouched: dict[str, tuple[Values, dict[str, str]]] = {}

    @cached_property
    def model(self) -> nn.Module:
        """The network with the weights that the files in the folder were exported with."""
        return _model(self.root, self.architecture)

    @cached_property
    def reference(self) -> Values:
        """Its values on both inputs."""
        return reference_values(self.model, self.inputs)

    @cached_property
    def changed(self) -> Values:
        """The values of the network with another first layer."""
        return reference_values(perturbed(self.model), self.inputs)

    def measured(self, exporter: str, rewrite: str) -> list[Result]:
        """Return the results of one file; none where an exporter or a rewriter fails."""
        label = f"{self.architecture.name} {exporter} {rewrite}"
        try:
            known = self._known(exporter, rewrite)
        except Exception as error:  # noqa: BLE001  exporters and rewriters raise anything
            _say(f"{label}: {type(error).__name__} {error!s:.160}")
            return []
        results = []
        for shaken in (False, True):
            named = self.architecture.name, self.architecture.half
            result = Result(*named, exporter, rewrite, shaken)
            try:
                judge(self.changed if shaken else self.reference, known, result)
            except Exception:  # noqa: BLE001  a crash is a result too
                traceback.print_exc()
                _say(f"{label}: the matcher failed")
                continue
            results.append(result)
        return results

    def _known(self, exporter: str, name: str) -> Known:
        exported, scopes = self._exported(exporter)
        rewrite, tolerance = REWRITES[name]
        if name == "exported":
            return Known(self.reference, exported, exported, tolerance, scopes)
        path = workspace(self.root, self.architecture.name, exporter, name)
        if not path.exists():
            source = workspace(self.root, self.architecture.name, exporter, "exported")
            rewrite(source, path, self.inputs)
        turned = name == "keras style" and len(self.architecture.shape) == 4
        candidate = candidate_values(path, self.inputs, turned)
        return Known(self.reference, candidate, exported, tolerance, scopes)

    def _exported(self, exporter: str) -> tuple[Values, dict[str, str]]:
        """Return the values of the untouched file, and which of them its scopes name."""
        if exporter not in self._untouched:
            source = workspace(self.root, self.architecture.name, exporter, "exported")
            if not source.exists():
                export(self.model, self.inputs[0], source, dynamo=exporter == "dynamo")
            values = candidate_values(source, self.inputs, turned=False)
            self._untouched = {exporter: (values, scoped(self.reference, values))}
        return self._untouched[exporter]


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
    parser.add_argument("--cache", type=Path, help="folder that keeps files and results")
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
