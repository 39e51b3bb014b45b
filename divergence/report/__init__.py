"""The result of a trace: one document built from it, then one renderer a file."""

from divergence.report.report import Report

__all__ = ["Report"]
