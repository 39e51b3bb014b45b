"""The command `divergence`: reads the line, runs one command, turns failures into exit codes."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from divergence.cli import check, demo, inputs, inspect, outputs, report, stamp, trace
from divergence.cli.codes import INTERRUPTED, WRONG
from divergence.cli.console import complain, reader_may_leave
from divergence.errors import DivergenceError, OptionError, SetInterrupted, nearest

# In the order of the help.
COMMANDS: tuple[ModuleType, ...] = (trace, check, report, inspect, inputs, outputs, stamp, demo)

EPILOG = """\
exit codes:
  0  identical, or different by rounding only
  1  divergent
  2  the input or the call is wrong
  3  inconclusive
  130  interrupted; what was measured is kept and marked partial
"""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors like all others: one sentence, exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse has to say.

        Raises:
            OptionError: always.
        """
        raise OptionError(f"{message}; `{self.prog} --help` lists what it takes.{_meant(message)}")

    def options(self) -> list[str]:
        """Return the options of this command, as they are written."""
        return [name for action in self._actions for name in action.option_strings]


def _meant(message: str) -> str:
    """Return which choice is nearest, where argparse complains of one that there is not."""
    found = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
    return nearest(found[1], re.findall(r"[\w-]+", found[2])) if found else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words or bool(os.environ.get("DIVERGENCE_DEBUG"))
    if not debug and not sys.warnoptions:
        warnings.simplefilter("ignore")  # of the libraries beneath: nothing a user can act on
    try:
        return _run(words)
    except KeyboardInterrupt as stopped:
        told = str(stopped) if isinstance(stopped, SetInterrupted) else ""
        complain(told or "interrupted before anything was measured; nothing was written.")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the boundary: no traceback reaches a user
        if debug:
            traceback.print_exc()
        complain(_sentence(error))
        return WRONG


def _run(words: Sequence[str]) -> int:
    try:
        arguments, unknown = _parser().parse_known_args(words)
    except SystemExit:
        with reader_may_leave():  # of the help or the version
            sys.stdout.flush()
        raise
    if unknown:
        prog, hint = arguments.prog, nearest(unknown[0], arguments.options)
        raise OptionError(
            f"{prog} does not take {unknown[0]!r}.{hint} `{prog} --help` lists what it takes."
        )
    code: int = arguments.run(arguments)
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="divergence",
        description="Find where a PyTorch model and its ONNX export stop agreeing, say why, "
        "and prove it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        told = (module.__doc__ or "").strip()
        command = commands.add_parser(
            name, help=told.partition("\n")[0], description=told, allow_abbrev=False
        )
        command.add_argument("--debug", action="store_true", help="show tracebacks and warnings")
        module.add_arguments(command)
        command.set_defaults(run=module.run, prog=command.prog, options=command.options())
    return parser


class _Version(argparse.Action):
    """Prints the version; reading the metadata costs time that only `--version` spends."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"divergence {version('onnx-divergence')}")
        parser.exit()


def _sentence(error: Exception) -> str:
    """Return what a user is told: the sentence of an expected error, or that this is a bug."""
    if isinstance(error, DivergenceError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory; give --memory a smaller bound, or a smaller input."
    detail = str(error).strip().partition("\n")[0]
    return (
        f"unexpected {type(error).__name__}{': ' if detail else ''}{detail:.300} "
        "(this is a fault of divergence; --debug shows where it happened)."
    )
