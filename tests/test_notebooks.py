"""Each notebook runs from top to bottom and shows what its text says."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
# The kernel talks over the loopback interface and says so; that is no fault of a notebook.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


# Those that build and trace real networks take minutes.
HEAVY = {"incidents"}


def notebooks():
    for path in sorted(FOLDER.glob("*.ipynb")):
        heavy = path.stem in HEAVY
        marks = [pytest.mark.real, pytest.mark.timeout(3600)] if heavy else []
        yield pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("path", list(notebooks()))
def test_runs(path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert not [output for output in shown if output["output_type"] == "error"]
