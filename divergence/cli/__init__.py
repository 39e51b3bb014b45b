"""The command line: one command a file."""

from divergence.cli.app import main

__all__ = ["main"]
