"""The measured suite: perturbed preparations of photographs, with a table.

Run by `make zoo-preparation`. Preparations are written with Pillow, OpenCV and PyTorch directly
(`pipelines.py`), not with the package's own steps.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import pytest

from divergence.preparation import compared
from divergence.preparation.explain import agree, explain
from tests.preparation.perturbations import BASES, every
from tests.preparation.photographs import MEASURED_ON, photograph
from tests.preparation.scoring import causes_right, parameters_right

pytestmark = pytest.mark.zoo


@pytest.mark.timeout(10800)
def test_causes_and_parameters(capsys, references):
    rows = []
    for name in MEASURED_ON:
        rows += outcomes(name)
        with capsys.disabled():
            print(f"{name}: {len(rows)} cases so far", flush=True)
    with capsys.disabled():
        print(table(rows))
    assert all(row["causes"] for row in rows if not row["changes"]), "a finding without a change"
    changed = [row for row in rows if row["changes"]]
    assert share(changed, "causes") >= 0.95
    assert share(changed, "parameters") >= 0.90


@pytest.fixture
def references(monkeypatch):
    """Search for the recipe of a reference once, not for each of its cases again."""
    known, search = {}, compared.find_recipe

    def find_recipe(tensor, picture, *prior):
        if prior:
            return search(tensor, picture, *prior)
        key = tensor.shape, tensor.tobytes()
        return known[key] if key in known else known.setdefault(key, search(tensor, picture))

    monkeypatch.setattr(compared, "find_recipe", find_recipe)


def outcomes(name):
    """One row for each case that really changes the tensor of this photograph."""
    image = photograph(name)
    tensors = {base: pipeline(image) for base, pipeline in BASES.items()}
    for base, changes in every():
        pipeline = BASES[base]
        for change in changes:
            pipeline = pipeline.but(**change.changes)
        reference, candidate = tensors[base], pipeline(image)
        alone = [BASES[base].but(**change.changes)(image) for change in changes]
        if any(agree(reference, made) for made in alone):
            continue  # a square photograph has no letterbox, an exact half no area kernel
        found = explain(reference, candidate, image)
        yield {
            "base": base,
            "photograph": name,
            "changes": changes,
            "causes": causes_right(found, changes),
            "parameters": parameters_right(found, changes),
            "found": sorted({f.cause for f in found.findings}),
        }


def share(rows, key):
    return sum(row[key] for row in rows) / len(rows)


def table(rows):
    """Cases, causes right and parameters right: by photograph and number of changes, the misses."""
    groups = defaultdict(list)
    for row in rows:
        for name in (row["photograph"], "all"):
            groups[name, len(row["changes"])].append(row)
    lines = [f"\n\n{'photograph':<18}{'changes':>8}{'cases':>7}{'cause':>8}{'recipe':>8}"]
    lines += [line(name, count, held) for (name, count), held in sorted(groups.items(), key=_place)]
    for row in rows:
        if not (row["causes"] and row["parameters"]):
            what = " + ".join(change.name for change in row["changes"])
            found = ", ".join(row["found"])
            lines.append(f"  missed: {row['photograph']} {row['base']}: {what} -> {found}")
    return "\n".join(lines)


def _place(group):
    """Put the sums of all photographs last."""
    (name, count), _ = group
    return name == "all", name, count


def line(name, count, rows):
    causes, parameters = share(rows, "causes"), share(rows, "parameters")
    return f"{name:<18}{count:>8}{len(rows):>7}{causes:>8.1%}{parameters:>8.1%}"


def test_the_suite_is_large_enough():
    cases = every()
    assert sum(len(changes) == 1 for _, changes in cases) >= 40
    assert sum(len(changes) == 2 for _, changes in cases) >= 30
    assert len(list(product(MEASURED_ON, BASES))) >= 20
