"""Tell how two prepared inputs differ, and which preparation gave the second."""

from __future__ import annotations

import argparse

from divergence.cli import findings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    findings.add_arguments(parser)
    parser.add_argument("--image", metavar="FILE", help="the image that both were prepared from")


def run(arguments: argparse.Namespace) -> int:
    """Explain, print, and return 0 where the inputs agree, else 1."""
    from divergence.preparation.explain import explain

    found = explain(arguments.reference, arguments.candidate, arguments.image)
    return findings.show(
        found.findings, same=found.same, sentence=found.sentence, as_json=arguments.json
    )
