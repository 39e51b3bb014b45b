"""Findings as plain lines, in full: for the commands that give findings without a report."""

from __future__ import annotations

from collections.abc import Sequence

from divergence.records import Finding
from divergence.report import words
from divergence.report.document import Cause, told


def render(findings: Sequence[Finding]) -> list[str]:
    """Return each finding: cause and certainty, evidence, what was recovered, proof, remedy."""
    lines: list[str] = []
    for finding in findings:
        lines += [*_lines(told(finding)), *_spec(finding), ""]
    return lines[:-1]


def _lines(cause: Cause) -> list[str]:
    lines = [f"{cause.cause} ({cause.certainty})", f"  {cause.explanation}"]
    lines += [f"  {name}: reference {ours}, candidate {its}" for name, ours, its in cause.evidence]
    lines += [f"  {name}: {value}" for name, value in cause.parameters if name != "spec"]
    if cause.proof:
        before, after = (
            words.number(cause.proof.error_before),
            words.number(cause.proof.error_after),
        )
        change = f"{words.proved(cause.proof)} {before} -> {after}"
        lines.append(f"  proof: {change} ({words.printable(cause.proof.action)})")
    if cause.remedy:
        lines.append(f"  remedy: {cause.remedy}")
    return lines


def _spec(finding: Finding) -> list[str]:
    """Return the inferred preparation as the document that `--preprocess` reads."""
    spec = finding.parameters.get("spec")
    if not spec:
        return []
    import yaml

    from divergence.report.to_json import plain

    written = yaml.safe_dump(plain(spec), sort_keys=False, default_flow_style=None, width=88)
    return ["  spec:", *(f"    {line}" for line in written.splitlines())]
