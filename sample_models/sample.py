"""What a builder writes, and how: weights, ONNX files, an input, the commands to trace them."""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import logging
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

EXPORTERS = ("torchscript", "dynamo")
_FLAGS = {"candidate_inputs": "--candidate-input"}  # one at a time on the command line


@dataclass(frozen=True)
class Sample:
    """A model with its ONNX files.

    model: the live network, or a file that holds it.
    onnx: ONNX files by name: of each exporter, or `right` and what is wrong.
    inputs: the file to trace with, a picture or named arrays; or several as NAME=FILE.
    factory, weights: how the command line gets `model`, where it is not a file.
    options: of `divergence.trace`, in its own words; those of the candidate are the fault.
    """

    model: nn.Module | Path
    onnx: Mapping[str, Path]
    inputs: Path | tuple[str, ...]
    factory: str = ""
    weights: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def command(self, name: str) -> str:
        """Return the command that traces the ONNX file of that name."""
        inputs = self.inputs if isinstance(self.inputs, tuple) else (str(self.inputs),)
        words = [self.factory or str(self.model), str(self.onnx[name]), *inputs]
        if self.weights is not None:
            words += ["--weights", str(self.weights)]
        for option, value in self.options.items():
            words += [_FLAGS.get(option, f"--{option.replace('_', '-')}"), str(value)]
        return "divergence trace " + shlex.join(words)

    def with_onnx(self, files: Mapping[str, Path]) -> Sample:
        """Return the same model beside other ONNX files."""
        return replace(self, onnx=files)

    def with_picture(self, *inputs: Path | str, **options: Any) -> Sample:
        """Return the same pair, traced from a picture, with the options that prepare it."""
        alone = inputs[0] if len(inputs) == 1 else None
        given = alone if isinstance(alone, Path) else tuple(str(item) for item in inputs)
        return replace(self, inputs=given, options={**self.options, **options})

    def agreed(self) -> Sample:
        """Return the same pair with nothing but the reference's options: the right one."""
        shared = {k: v for k, v in self.options.items() if not k.startswith("candidate_")}
        return replace(self, options=shared)


def write(
    directory: Path,
    model: nn.Module,
    factory: str,
    inputs: Mapping[str, Any],
    exporters: tuple[str, ...] = EXPORTERS,
) -> Sample:
    """Write weights, named inputs and one ONNX file for each exporter."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {exporter: directory / f"{exporter}.onnx" for exporter in exporters}
    for exporter, path in files.items():
        export(model, inputs, path, exporter)
    weights = directory / "weights.pt"
    torch.save(model.state_dict(), weights)
    return Sample(
        model=model,
        onnx=files,
        inputs=write_inputs(directory, inputs),
        factory=factory,
        weights=weights,
    )


def write_inputs(directory: Path, inputs: Mapping[str, Any]) -> Path:
    """Write named tensors to `inputs.npz`, or to `inputs.pt` where dictionaries nest."""
    directory.mkdir(parents=True, exist_ok=True)
    if any(isinstance(value, dict) for value in inputs.values()):
        torch.save(dict(inputs), directory / "inputs.pt")
        return directory / "inputs.pt"
    np.savez(directory / "inputs.npz", **{name: value.numpy() for name, value in inputs.items()})
    return directory / "inputs.npz"


def export(
    model: nn.Module,
    inputs: Mapping[str, Any],
    path: Path,
    exporter: str = "torchscript",
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
) -> Path:
    """Export with one of `EXPORTERS`.

    The inputs are named as the parameters of `forward`, or as the keys of a dictionary there.
    dynamic: names of axes that stay free, by input and axis.
    """
    names = [
        leaf
        for name, value in inputs.items()
        for leaf in (value if isinstance(value, dict) else [name])
    ]
    axes = {name: dict(of) for name, of in (dynamic or {}).items()}
    if exporter == "dynamo":
        free = {name: {a: torch.export.Dim(n) for a, n in of.items()} for name, of in axes.items()}
        shapes = {name: free.get(name) for name in inputs} if axes else None
        special = {"dynamo": True, "dynamic_shapes": shapes, "external_data": False}
    else:
        special = {"dynamo": False, "dynamic_axes": axes or None}
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            copy.deepcopy(model),  # tracing leaves traced values in attributes
            (),
            str(path),
            kwargs=dict(inputs),
            input_names=names,
            **special,
        )
    return path


def main(build: Callable[[Path], Sample]) -> None:
    """Build into the folder that the command line names and print how to trace what is there."""
    parser = argparse.ArgumentParser(description="Write a pair of models to trace.")
    parser.add_argument("directory", type=Path, metavar="DIR")
    sample = build(parser.parse_args().directory)
    for name in sample.onnx:
        print(sample.command(name))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' progress and warnings about tracing to themselves."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(level)
