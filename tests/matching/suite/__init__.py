"""Matching measured: architectures x exporters x rewrites against a truth found by value."""
