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
    inputs: the file to trace with, a picture or named arrays.
    factory, weights: how the command line gets `model`, where it is not a file.
    options: of `divergence.trace`, in its own words.
    """

    model: nn.Module | Path
    onnx: Mapping[str, Path]
    inputs: Path
    factory: str = ""
    weights: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def command(self, name: str) -> str:
        """Return the command that traces the ONNX file of that name."""
        words = [self.factory or str(self.model), str(self.onnx[name]), str(self.inputs)]
        if self.weights is not None:
            words += ["--weights", str(self.weights)]
        for option, value in self.options.items():
            words += [_FLAGS.get(option, f"--{option.replace('_', '-')}"), str(value)]
        return "divergence trace " + shlex.join(words)

    def with_onnx(self, files: Mapping[str, Path]) -> Sample:
        """Return the same model beside other ONNX files."""
        return replace(self, onnx=files)

    def with_picture(self, picture: Path, **options: Any) -> Sample:
        """Return the same pair, traced from a picture, with the options that prepare it."""
        return replace(self, inputs=picture, options={**self.options, **options})


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
    model: nn.Module, inputs: Mapping[str, Any], path: Path, exporter: str = "torchscript"
) -> Path:
    """Export with one of `EXPORTERS`.

    The inputs are named as the parameters of `forward`, or as the keys of a dictionary there.
    """
    names = [
        leaf
        for name, value in inputs.items()
        for leaf in (value if isinstance(value, dict) else [name])
    ]
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            copy.deepcopy(model),  # tracing leaves traced values in attributes
            (),
            str(path),
            kwargs=dict(inputs),
            input_names=names,
            dynamo=exporter == "dynamo",
            external_data=False,
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
