"""Real models, built once a session, and the table of what their traces came to."""

from __future__ import annotations

import importlib

import pytest

_ROWS = pytest.StashKey[list]()
_HEADER = (
    "| model | file | verdict | output error | modules paired | pairs | observer effect | s | MiB |"
)


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """Build the sample of that name, or return it where it was built before."""
    built = {}

    def build(name):
        if name not in built:
            pytest.importorskip("timm")
            module = importlib.import_module(f"sample_models.{name}")
            built[name] = module.build(tmp_path_factory.mktemp(name))
        return built[name]

    return build


@pytest.fixture(scope="session")
def row(request):
    """Add a row to the table that ends the run."""

    def add(name, file, figures):
        request.config.stash.setdefault(_ROWS, []).append(
            f"| {name} | {file} | {figures.status} | {figures.output_error:.1e} "
            f"| {figures.modules_paired} of {figures.modules} | {figures.pairs} "
            f"| {figures.observer_effect:g} | {figures.seconds:.1f} | {figures.mebibytes} |"
        )

    return add


def pytest_terminal_summary(terminalreporter):
    rows = terminalreporter.config.stash.get(_ROWS, [])
    if rows:
        terminalreporter.section("real models")
        columns = _HEADER.count("|") - 1
        terminalreporter.write_line(_HEADER)
        terminalreporter.write_line("|---" * columns + "|")
        for line in rows:
            terminalreporter.write_line(line)
