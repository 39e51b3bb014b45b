"""Run a model and show each of its values to a probe, whatever the runtime."""
