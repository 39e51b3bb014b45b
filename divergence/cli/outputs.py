"""Tell how two final outputs differ: link function, layout, scale, order, other survivors."""

from __future__ import annotations

import argparse

from divergence.cli import findings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    findings.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Explain, print, and return 0 where the outputs agree, else 1."""
    from divergence.postprocess.explain import explain

    found = explain(arguments.reference, arguments.candidate)
    return findings.show(
        found.findings, same=found.same, sentence=found.sentence, as_json=arguments.json
    )
