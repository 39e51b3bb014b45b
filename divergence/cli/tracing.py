"""What `trace`, `check` and `demo` share: the options of a trace, and running it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divergence.cli.console import shown_progress
from divergence.errors import Interrupted

if TYPE_CHECKING:
    from divergence.report import Report

# What the command line takes and a trace of one input does not.
OF_SETS = ("labels", "executor", "jobs")
NOT_OPTIONS = frozenset({"run", "prog", "options", "debug", "model", "onnx", "inputs", *OF_SETS})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add MODEL, ONNX, INPUT and every option of a trace; what is not given stays None."""
    parser.set_defaults(**dict.fromkeys(("output", "html", "quiet")))
    _add_what(parser)
    _add_preparation(parser)
    _add_running(parser)
    _add_many(parser)
    _add_judging(parser)


def run(arguments: argparse.Namespace) -> tuple[Report, bool]:
    """Trace; return the report, and whether the run was interrupted.

    Of many inputs the report is that of the worst, with the set's agreement.

    Raises:
        DivergenceError: an input or the call is wrong.
        KeyboardInterrupt: interrupted before anything was measured.
    """
    from divergence.cli import many
    from divergence.trace import trace

    if many.are_many(arguments):
        return many.run(arguments, given(arguments)), False
    with shown_progress(quiet=bool(arguments.quiet)) as progress:
        try:
            report = trace(
                arguments.model,
                arguments.onnx,
                arguments.inputs,
                progress=progress,
                **given(arguments),
            )
        except Interrupted as stopped:
            return stopped.report, True
    return report, False


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a trace that the user gave."""
    return {k: v for k, v in vars(arguments).items() if k not in NOT_OPTIONS and v is not None}


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="the reference: a TorchScript or torch.export archive, a state dict (with --factory), "
        "a pickled module (with --trust-pickle), package.module:callable, path/file.py:callable, "
        "or an ONNX file",
    )
    parser.add_argument("onnx", metavar="ONNX", help="the candidate: an ONNX file")
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="an image, .npy, .npz, .pt file of tensors, or random:1x3x224x224; NAME=INPUT each "
        "where the model takes several. Many inputs: a folder, a glob, @LIST, or several files",
    )
    group = parser.add_argument_group("what is traced")
    group.add_argument("--factory", metavar="F", help="callable that returns the nn.Module")
    group.add_argument("--weights", metavar="FILE", help="state dict to load into the module")
    group.add_argument(
        "--trust-pickle",
        action="store_const",
        const=True,
        help="unpickle MODEL, which may run any code that the file holds",
    )
    group.add_argument(
        "--candidate-input",
        dest="candidate_inputs",
        metavar="[NAME=]INPUT",
        action="append",
        help="feed the candidate this instead of the reference's tensor; may be repeated",
    )
    group.add_argument("--pairs", metavar="FILE", help="CSV of pairs fixed or added by hand")
    group.add_argument("--seed", metavar="N", type=int, help="seed of random: inputs (0)")


def _add_preparation(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "before and after the model", "SPEC is a YAML or JSON file, or a callable as in MODEL"
    )
    group.add_argument("--preprocess", metavar="SPEC", help="how an image becomes the tensor")
    group.add_argument(
        "--candidate-preprocess",
        metavar="SPEC",
        help="the same for the candidate, where it differs",
    )
    group.add_argument("--postprocess", metavar="SPEC", help="what follows the model")
    group.add_argument("--candidate-postprocess", metavar="SPEC", help="the same for the candidate")


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it runs")
    group.add_argument(
        "--optimization",
        metavar="LEVEL",
        help="which ONNX Runtime graph is traced: deployed (what InferenceSession runs; the "
        "default), none, basic, extended or all",
    )
    group.add_argument(
        "--device", metavar="D", help="PyTorch device: cpu (the default), cuda:0 ..."
    )
    group.add_argument("--provider", metavar="P", help="ONNX Runtime execution provider (cpu)")
    group.add_argument("--threads", metavar="N", type=int, help="threads of each runtime")
    group.add_argument("--memory", metavar="SIZE", help="bound for values held at once: 2GiB")
    group.add_argument(
        "--thorough",
        action="store_const",
        const=True,
        help="also make the probes that need more runs: other sizes, batches, optimisations",
    )
    group.add_argument(
        "--fix", metavar="FILE", help="write the candidate with all proved changes undone"
    )


def _add_many(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(**dict.fromkeys(OF_SETS))  # `demo` shares what reads them
    group = parser.add_argument_group(
        "many inputs",
        "outputs are compared for each, and the worst is traced; run again after "
        "an interruption, what is done in --output is not done again",
    )
    group.add_argument("--labels", metavar="FILE", help="CSV of file,label with class numbers")
    group.add_argument("--executor", metavar="E", help="processes (the default) or ray")
    group.add_argument("--jobs", metavar="N", type=int, help="inputs at once (1)")


def _add_judging(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it is judged and told")
    add_tolerances(group)
    group.add_argument(
        "-o", "--output", metavar="DIR", help="where the run is written (divergence-report)"
    )
    group.add_argument(
        "--no-html", dest="html", action="store_const", const=False, help="write no page"
    )
    group.add_argument(
        "-q", "--quiet", action="store_const", const=True, help="print nothing but what is wrong"
    )


def add_tolerances(group: argparse._ActionsContainer) -> None:
    """Add what a verdict is judged by: `trace`, `check` and `report` share it."""
    group.add_argument(
        "--rtol", metavar="X", type=_figure, help="judge by tolerances instead of by the floor;"
    )
    group.add_argument("--atol", metavar="Y", type=_figure, help="both or neither")
    group.add_argument(
        "--ignore",
        metavar="PATTERN",
        action="append",
        help="leave sites out of the verdict, as in 'head.*'; may be repeated",
    )


def _figure(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number such as 1e-3") from None


def output_of(arguments: argparse.Namespace) -> Path:
    """Return the folder that the run is written to."""
    return Path(arguments.output or "divergence-report")
