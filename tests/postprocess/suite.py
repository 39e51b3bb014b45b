"""Run the perturbed outputs and print the table: `python -m tests.postprocess.suite [name]`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from divergence.postprocess.explain import explain
from tests.postprocess.outputs import noisy
from tests.postprocess.perturbations import (
    DOUBLE,
    NOISE,
    NONE,
    OTHER_KINDS,
    SINGLE,
    UNKNOWN,
    Case,
)


@dataclass(frozen=True)
class Outcome:
    """What was said of one case. right: the causes; parameters: what was recovered."""

    group: str
    case: Case
    noise: float
    seed: int
    said: tuple[str, ...]
    right: bool
    parameters: bool
    seconds: float


def run(group: str, case: Case, noise: float, seed: int) -> Outcome:
    rng = np.random.default_rng(seed)
    reference, candidate = case.build(rng)
    start = time.process_time()
    found = explain(rounded(rng, reference, 0.0), rounded(rng, candidate, noise))
    seconds = time.process_time() - start
    said = tuple(finding.cause for finding in found.findings)
    right = set(said) == set(case.causes)
    right &= found.same == (group == "none") and found.explained == (group != "unknown")
    given = {k: v for finding in found.findings for k, v in finding.parameters.items()}
    recovered = all(is_near(given.get(k), v, noise) for k, v in case.expected.items())
    return Outcome(group, case, noise, seed, said, right, recovered, seconds)


def rounded(rng, value, noise):
    if isinstance(value, Mapping):
        return {name: rounded(rng, one, noise) for name, one in value.items()}
    return noisy(rng, value, noise)


def is_near(found, wanted, noise) -> bool:
    """An interval holds the wanted value; numbers agree to 1 %; None is anything that was found."""
    if found is None or wanted is None:
        return found is not None
    if isinstance(wanted, str | bool):
        return found == wanted
    if np.shape(found) == (2, 2):  # an interval on each side
        return all(is_near(f, w, noise) for f, w in zip(found, wanted, strict=True))
    if isinstance(wanted, float) and np.shape(found) == (2,):
        low, high = sorted(found)
        return low - 0.015 <= wanted <= high + 0.015
    if isinstance(wanted, list) and any(isinstance(w, str | bool) for w in wanted):
        return np.array_equal(found, wanted)
    return np.shape(found) == np.shape(wanted) and bool(
        np.allclose(found, wanted, rtol=0.01, atol=max(1e-6, 2000 * noise))
    )


def outcomes(seeds=(0, 1, 2), name=""):
    groups = {
        "none": NONE,
        "single": SINGLE,
        "other": OTHER_KINDS,
        "double": DOUBLE,
        "unknown": UNKNOWN,
    }
    return [
        run(group, case, noise, seed)
        for group, cases in groups.items()
        for case in cases
        if name in case.name
        for noise in NOISE
        for seed in seeds
    ]


def table(found) -> str:
    lines = [f"{'group':10}{'noise':>8}{'cases':>7}{'causes':>9}{'parameters':>12}{'seconds':>9}"]
    for group in dict.fromkeys(one.group for one in found):
        for noise in NOISE:
            some = [one for one in found if (one.group, one.noise) == (group, noise)]
            right, parameters = (sum(getattr(o, k) for o in some) for k in ("right", "parameters"))
            count, longest = len(some), max(one.seconds for one in some)
            lines.append(
                f"{group:10}{noise:8.0e}{count:7}{right / count:9.1%}{parameters / count:12.1%}"
                f"{longest:9.2f}"
            )
    return "\n".join([*lines, *(told(o) for o in found if not (o.right and o.parameters))])


def told(one) -> str:
    said = ", ".join(one.said) or "nothing"
    wanted = ", ".join(one.case.causes) or "nothing"
    parameters = "" if one.parameters else ", with other parameters"
    return (
        f"  {one.case.name} (noise {one.noise:.0e}, seed {one.seed}): said {said}, "
        f"wanted {wanted}{parameters}"
    )


if __name__ == "__main__":
    print(table(outcomes(name=" ".join(sys.argv[1:]))))
