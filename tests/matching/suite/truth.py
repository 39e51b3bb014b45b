"""Which value is which, found by value on two inputs and held against the exporter's scopes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor, nn

from divergence.capture.onnx_runner import OnnxRunner
from divergence.capture.torch_runner import TorchRunner
from divergence.compare.alignment import AlignmentError, align
from divergence.matching.fingerprints import Fingerprint, fingerprint
from divergence.records import Alignment, Call, Program

Fingerprints = dict[str, Fingerprint]
_POSITIONS = 257  # order statistics that say whether two values hold the same content


@dataclass
class Values:
    """What one side's sites hold on both inputs, by site name.

    noise: how far the values are from what float64 gives, relative to their spread, where that
        is known.
    """

    program: Program
    arrays: dict[str, list[np.ndarray]] = field(default_factory=dict)
    noise: dict[str, float] = field(default_factory=dict)
    _contents: dict[str, np.ndarray | None] = field(default_factory=dict)

    def probe(self, site: str, value: np.ndarray, exact: np.ndarray | None = None) -> None:
        self.arrays.setdefault(site, []).append(np.array(value))
        if exact is not None:
            self.noise[site] = max(self.noise.get(site, 0.0), apart(value, exact))

    @cached_property
    def prints(self) -> Fingerprints:
        """Return the fingerprints of the values on the first input, as a trace takes them."""
        found = {name: fingerprint(self.arrays[name][0]) for name in self.arrays}
        return {name: taken for name, taken in found.items() if taken is not None}

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...] | None]:
        """Return the shapes of all sites by name."""
        return {site.name: site.shape for site in self.program.sites}

    def content(self, site: str) -> np.ndarray | None:
        """Return order statistics on both inputs, equal for equal contents in any layout."""
        if site not in self._contents:
            self._contents[site] = self._content(site)
        return self._contents[site]

    def _content(self, site: str) -> np.ndarray | None:
        pair = self.arrays.get(site)
        if pair is None or len(pair) != 2 or pair[0].size == 0 or pair[0].dtype.kind not in "fiub":
            return None
        finite = [np.sort(a[np.isfinite(a)].astype(np.float64)) for a in pair]  # a mask's are not
        if min(a.size for a in finite) == 0:
            return None
        spots = [np.linspace(0, a.size - 1, min(a.size, _POSITIONS)).astype(int) for a in finite]
        return np.concatenate([a[s] for a, s in zip(finite, spots, strict=True)])


def reference_values(model: nn.Module, inputs: tuple[Tensor, Tensor]) -> Values:
    runner = TorchRunner(model)
    calls = [Call(args=(value.numpy(),)) for value in inputs]
    values = Values(runner.program(calls[0]))
    sites = [site.name for site in values.program.sites]
    for call in calls:
        runner.run(call, values.probe, sites, exact="free")
    return values


def candidate_values(path: Any, inputs: tuple[Tensor, Tensor], turned: bool) -> Values:
    runner = OnnxRunner(path, optimization="none")
    name = runner.file.model.graph.input[0].name
    arrays = [value.numpy() for value in inputs]
    if turned:
        arrays = [np.ascontiguousarray(a.transpose(0, 3, 2, 1)) for a in arrays]
    calls = [Call(kwargs={name: array}) for array in arrays]
    values = Values(runner.program(calls[0]))
    for call in calls:
        runner.run(call, values.probe)
    return values


def alike(first: np.ndarray, second: np.ndarray, tolerance: float) -> bool:
    """Return whether two arrays differ by at most `tolerance` of their spread, on average."""
    return apart(first, second) <= tolerance


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Return by how much two arrays differ on average, relative to the first one's spread."""
    if first.shape != second.shape:
        return np.inf
    first, second = first.astype(np.float64), second.astype(np.float64)
    finite = np.isfinite(first)
    if not np.array_equal(finite, np.isfinite(second)):
        return np.inf
    first, second = first[finite], second[finite]
    if not first.size:
        return 0.0
    spread = max(float(first.std()), 1e-2 * float(np.abs(first).max(initial=0.0)), 1e-9)
    return float(np.sqrt(np.mean((first - second) ** 2))) / spread


def same(
    reference: list[np.ndarray],
    candidate: list[np.ndarray],
    alignment: Alignment | None,
    tolerance: float,
) -> bool:
    """Return whether the aligned candidate is the reference, on both inputs."""
    for first, second in zip(reference, candidate, strict=True):
        try:
            given = align(second, alignment)
        except AlignmentError:
            return False
        if first.dtype.kind not in "fiub" or not alike(first, given, tolerance):
            return False
    return True


def exists(content: np.ndarray, table: dict[int, np.ndarray], tolerance: float) -> bool:
    """Return whether a content is among those of a table by length."""
    rows = table.get(len(content))
    if rows is None:
        return False
    spread = max(float(content.std()), 1e-2 * float(np.abs(content).max()), 1e-9)
    difference = np.nan_to_num(rows - content)
    return bool((np.sqrt((difference**2).mean(axis=1)) <= tolerance * spread).any())


def contents(values: Values, names: set[str] | None = None) -> dict[int, np.ndarray]:
    """Return the contents of a side by length."""
    table: dict[int, list[np.ndarray]] = {}
    for name in values.arrays:
        if names is None or name in names:
            content = values.content(name)
            if content is not None:
                table.setdefault(len(content), []).append(content)
    return {length: np.stack(rows) for length, rows in table.items()}
