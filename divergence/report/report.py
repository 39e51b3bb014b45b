"""The report as a user holds it: the record, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from divergence import records

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class Report(records.Report):
    """All that a trace found; in a notebook it shows itself."""

    def save(self, directory: str | Path, *, html: bool = True) -> Path:
        """Write `report.json`, `report.html` and `pairs.csv` into `directory`; return it.

        html: without it the page is not written, and one of an earlier run is removed.

        Raises:
            OutputError: the folder cannot be written; what stood there is as before.
        """
        from divergence.report import store

        return store.save(self, Path(directory), html=html)

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read a run back: its folder, or its `report.json`.

        Raises:
            LoadError: there is no report, or it is not one that this version reads.
        """
        from divergence.report import store

        return store.load(Path(directory), cls)

    def to_pandas(self) -> DataFrame:
        """Return the pairs as a table, one row each, with the columns of `pairs.csv`."""
        from divergence.report import frame

        return frame.render(self)

    def plot_growth(self) -> Figure:
        """Return a figure: error by pair and by stage on a log scale, floor and culprits marked."""
        from divergence.report import figures
        from divergence.report.document import build

        return figures.render(build(self))

    def _repr_html_(self) -> str:
        from divergence.report import notebook
        from divergence.report.document import build

        return notebook.render(build(self))
