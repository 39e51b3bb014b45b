"""Small programs by hand, for tests of matching that need no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divergence.records import Program, Site, SiteKind, Weight


@dataclass
class Sketch:
    """Collects sites in the order they are named; `program()` gives what they make."""

    kind: SiteKind
    sites: list[Site] = field(default_factory=list)
    weights: dict[str, Weight] = field(default_factory=dict)

    def input(self, name: str, shape: Sequence[int]) -> str:
        return self._add(Site(name, "input", "", "", 0, tuple(shape), "float32"))

    def weight(self, name: str, values: Any) -> str:
        array = np.asarray(values)
        self.weights[name] = Weight(name, array.shape, str(array.dtype), lambda: array)
        return name

    def op(
        self,
        name: str,
        op: str,
        shape: Sequence[int],
        inputs: Sequence[str],
        weights: Sequence[str] = (),
        attributes: Mapping[str, Any] | None = None,
        scope: str = "",
        alias_of: str | None = None,
    ) -> str:
        return self._add(
            Site(
                name, self.kind, op, scope, 0, tuple(shape), "float32", tuple(inputs),
                tuple(weights), attributes or {}, alias_of=alias_of,
            )
        )  # fmt: skip

    def program(self, *outputs: str) -> Program:
        return Program(tuple(self.sites), self.weights, outputs, outputs)

    def _add(self, site: Site) -> str:
        order = len(self.sites)
        fields = {name: getattr(site, name) for name in site.__dataclass_fields__}
        self.sites.append(Site(**{**fields, "order": order}))
        return site.name
