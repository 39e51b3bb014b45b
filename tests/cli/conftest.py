"""A command line whose trace is replaced: what is tested here is everything around it."""

from importlib import import_module

import pytest

from divergence.cli import main
from tests.report import samples


@pytest.fixture
def traced(monkeypatch):
    """Let `trace` return a report; the calls it got are kept."""
    calls = []

    def replace(answer):
        def trace(model, onnx, inputs, *, progress=None, **options):
            calls.append(((model, onnx, inputs), options))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        # The package shows the function under the name of its module.
        monkeypatch.setattr(import_module("divergence.trace"), "trace", trace)
        return calls

    return replace


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; give its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def go(*words):
        code = main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return go


@pytest.fixture
def saved(tmp_path):
    """A divergent run on disk."""
    return samples.divergent_vit().save(tmp_path / "run")
