"""Pair the sites of one side with the sites of the other: one strategy a file."""
