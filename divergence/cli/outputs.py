"""Tell how two final outputs differ: link function, layout, scale, order, other survivors."""

from __future__ import annotations

import argparse

from divergence.cli import findings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    findings.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Explain, print, and return 0 where the outputs agree, else 1."""
    from divergence.postprocess.explain import explain_outputs

    found = explain_outputs(arguments.reference, arguments.candidate)
    causes = " and ".join(dict.fromkeys(finding.cause for finding in found))
    sentence = f"The outputs differ by {causes}." if found else "The outputs agree."
    return findings.show(found, same=not found, sentence=sentence, as_json=arguments.json)
