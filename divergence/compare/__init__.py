"""Measure a pair of values: alignment, tolerance, floor, metrics."""
