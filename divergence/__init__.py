"""Find where a PyTorch model and its ONNX export stop agreeing, say why, and prove it."""
