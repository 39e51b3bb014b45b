"""What may have happened to the values besides scaling, one family a file.

Each has `improve(scene, trial, first)`: the trial with its steps added where they bring the
result clearly nearer to the tensor, the trial as it was otherwise.
"""

from divergence.preparation.inference.values import curve, gamma, jpeg, mix

FAMILIES = (gamma, curve, mix, jpeg)

__all__ = ["FAMILIES"]
