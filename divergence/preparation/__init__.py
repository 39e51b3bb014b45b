"""How an image becomes a tensor: specifications, their steps, and their inference."""
