"""One metric a file: a function of two arrays and nothing else."""
