"""A whole set of inputs: outputs of both sides compared for each, the worst one traced in full."""
