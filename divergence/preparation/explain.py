"""Explain how two prepared inputs differ, and which preparation gave the second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from divergence.errors import InputError
from divergence.preparation import compared
from divergence.preparation.inference.precision import epsilon
from divergence.preparation.inference.readings import is_picture
from divergence.preparation.rows import explain_rows, finding
from divergence.preparation.spec import Spec
from divergence.records import Array, Evidence, Finding, RuledOut

if TYPE_CHECKING:
    from PIL import Image

Tensor = Any  # an array, a torch tensor, or the path of a .npy file
# Steps of float32 by which the same preparation may differ, computed in another order.
_ROUNDING_STEPS = 16


@dataclass(frozen=True, slots=True)
class Explanation:
    """How two inputs differ.

    findings: what the candidate's preparation does otherwise, most certain first.
    same: the inputs are equal, up to the rounding of their libraries.
    explained: the findings reproduce the candidate.
    residual: greatest distance of the candidate from what the findings make, in its own units;
    NaN where they make nothing: none was found, or rows are told apart.
    spec, reference_spec: the preparations of both, where an image was given and recognised.
    tried: what was looked for and is not the case.
    """

    findings: tuple[Finding, ...]
    same: bool
    explained: bool
    residual: float
    spec: Spec | None = None
    reference_spec: Spec | None = None
    tried: tuple[RuledOut, ...] = ()

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        if self.same:
            return "The inputs agree."
        if self.explained:
            causes = " and ".join(dict.fromkeys(found.cause for found in self.findings))
            left = "" if np.isnan(self.residual) else f"; what is left is {self.residual:.3g}"
            return f"The inputs differ by {causes}{left}."
        looked = "; tried: " + ", ".join(ruled.cause for ruled in self.tried) if self.tried else ""
        found = "only in part" if self.findings else "not"
        return f"The inputs differ and the difference is {found} explained{looked}."


def explain_inputs(
    reference: Tensor | Mapping[str, Tensor],
    candidate: Tensor | Mapping[str, Tensor],
    image: Path | str | Image.Image | None = None,
) -> list[Finding]:
    """Return what differs between two prepared inputs, and which preparation gave the second.

    reference, candidate: arrays, torch tensors, paths of .npy files, or mappings of names to
    them. image: what both were prepared from; with it kernels, libraries, means and deviations
    are recovered and proved by preparing it that way.

    Returns:
        findings of `preprocess.*` and `inputs.other`; empty where the inputs agree, and also
        where nothing explains the difference (`explain` tells these apart).

    Raises:
        InputError: a file cannot be read, or mappings are mixed with arrays.

    >>> picture = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)
    >>> [found.cause for found in explain_inputs(picture, picture * 255)]
    ['preprocess.range']
    """
    return list(explain(reference, candidate, image).findings)


def explain(
    reference: Tensor | Mapping[str, Tensor],
    candidate: Tensor | Mapping[str, Tensor],
    image: Path | str | Image.Image | None = None,
    reference_spec: Spec | None = None,
    name: str = "",
) -> Explanation:
    """Return the whole explanation; see `explain_inputs`.

    reference_spec: the reference's preparation where it is known: its words are kept. name: what
    the reference calls this input.
    """
    ours, theirs = read_tensors(reference), read_tensors(candidate)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return _explain_several(ours, theirs, image, reference_spec)
    if isinstance(ours, Mapping) or isinstance(theirs, Mapping):
        raise InputError("One side has named inputs and the other a single array; give both alike.")
    return _explain_one(ours, theirs, image, reference_spec, name)


def read_tensors(source: Any) -> Array | dict[str, Array]:
    """Return an array, or a dict of arrays, from what a user gave.

    Raises:
        InputError: no such file, or not a .npy or .npz file.
    """
    if isinstance(source, Mapping):
        return {name: _array(value) for name, value in source.items()}
    if not isinstance(source, str | Path):
        return _array(source)
    path = Path(source).expanduser()
    if not path.is_file():
        raise InputError(f"There is no file '{source}'; give a .npy or .npz file.")
    with path.open("rb") as file:
        if not file.read(6).startswith((b"\x93NUMPY", b"PK\x03\x04")):
            raise InputError(f"'{source}' is not a .npy or .npz file.")
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(f"'{source}' holds no plain arrays, or is truncated: {error}") from error
    return loaded if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded}


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise InputError(f"An input of numbers is needed, got {array.dtype}.")
    return array


def _explain_one(
    reference: Array,
    candidate: Array,
    image: Path | str | Image.Image | None,
    reference_spec: Spec | None,
    name: str = "",
) -> Explanation:
    if agree(reference, candidate):
        return Explanation((), same=True, explained=True, residual=0.0)
    if _are_pictures(reference, candidate):
        reference, candidate = _worst_of_batch(reference, candidate)
        found = compared.explain_pictures(reference, candidate, image, reference_spec)
        # Exactly the same preparation, and no more than another library's rounding apart.
        same = found.explained and not found.findings
        return Explanation(
            found.findings,
            same=same,
            explained=found.explained,
            residual=found.residual,
            spec=found.spec,
            reference_spec=found.reference_spec,
            tried=found.tried,
        )
    rows = explain_rows(reference, candidate, name)
    findings = (rows,) if rows is not None else ()
    left = float("nan") if findings else 0.0
    return Explanation(findings, same=not findings, explained=True, residual=left)


def _are_pictures(reference: Array, candidate: Array) -> bool:
    """Say whether both can be read as prepared pictures, one against one."""
    shapes = reference.shape, candidate.shape
    if not all(is_picture(shape) for shape in shapes):
        return False
    if len(shapes[0]) == len(shapes[1]) == 4 and shapes[0][0] != shapes[1][0]:
        return False  # batches of other lengths: a matter of rows
    finite = bool(np.isfinite(reference).all() and np.isfinite(candidate).all())
    return finite and float(np.ptp(candidate)) > 0 and float(np.ptp(reference)) > 0


def _worst_of_batch(reference: Array, candidate: Array) -> tuple[Array, Array]:
    """Return the picture of a batch that differs most, as a batch of one."""
    if reference.ndim != 4 or candidate.ndim != 4 or len(reference) == 1:
        return reference, candidate
    worst = 0
    if reference.shape == candidate.shape:
        distance = np.abs(reference.astype(np.float64) - candidate).reshape(len(reference), -1)
        worst = int(distance.max(axis=1).argmax())
    return reference[worst : worst + 1], candidate[worst : worst + 1]


def agree(reference: Array, candidate: Array) -> bool:
    """Say whether two inputs are equal, up to the rounding of the coarser floating-point type."""
    if reference.shape != candidate.shape:
        return False
    if "f" not in (reference.dtype.kind, candidate.dtype.kind) or reference.size == 0:
        return bool(np.array_equal(reference, candidate))
    steps = _ROUNDING_STEPS * float(np.finfo(np.float32).eps)
    steps += 2 * max(epsilon(reference), epsilon(candidate))
    finite = reference[np.isfinite(reference)]
    bound = steps * float(np.abs(finite).max(initial=0.0))
    return bool(np.allclose(reference, candidate, rtol=0, atol=bound, equal_nan=True))


def _explain_several(
    reference: Mapping[str, Array],
    candidate: Mapping[str, Array],
    image: Path | str | Image.Image | None,
    reference_spec: Spec | None,
) -> Explanation:
    """Compare named inputs: swapped names first, missing ones, then each pair by itself."""
    findings = list(_names(reference, candidate))
    swapped = {name for found in findings for name in found.parameters.get("swapped", ())}
    each = [
        _explain_one(reference[name], candidate[name], image, reference_spec, name)
        for name in reference
        if name in candidate and name not in swapped
    ]
    findings += [found for one in each for found in one.findings]
    changed = [one for one in each if not one.same]
    nothing = float("nan") if findings else 0.0
    return Explanation(
        tuple(sorted(findings, key=lambda found: -found.confidence)),
        same=not findings and not changed,
        explained=all(one.explained for one in each),
        residual=max((r for one in changed if not np.isnan(r := one.residual)), default=nothing),
        spec=next((one.spec for one in changed if one.spec is not None), None),
        tried=tuple(dict.fromkeys(ruled for one in changed for ruled in one.tried)),
    )


def _names(reference: Mapping[str, Array], candidate: Mapping[str, Array]) -> Iterator[Finding]:
    for missing, side in (
        (set(reference) - set(candidate), "candidate"),
        (set(candidate) - set(reference), "reference"),
    ):
        for name in sorted(missing):
            yield finding(
                f"The {side} has no input '{name}'.",
                {"input": name, "missing": side == "candidate"},
                (Evidence(f"input '{name}'", name in reference, name in candidate),),
                f"Feed '{name}' to both sides.",
            )
    common = [name for name in reference if name in candidate]
    for place, first in enumerate(common):
        for second in common[place + 1 :]:
            if not agree(reference[first], candidate[first]) and (
                agree(reference[first], candidate[second])
                and agree(reference[second], candidate[first])
            ):
                yield finding(
                    f"The candidate's inputs '{first}' and '{second}' are exchanged.",
                    {"swapped": [first, second]},
                    (Evidence("fed to", f"{first}, {second}", f"{second}, {first}"),),
                    f"Feed '{first}' and '{second}' to the names that the reference uses.",
                )
