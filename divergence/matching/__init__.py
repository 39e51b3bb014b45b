"""Pair the sites of one side with the sites of the other: one strategy a file."""

from divergence.matching.matcher import match

__all__ = ["match"]
