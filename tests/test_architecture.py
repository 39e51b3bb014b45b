"""The shape of the project: imports point backwards along the flow, start-up stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "divergence"

# Left to right as a trace flows; a module imports from its own step and those before it.
FLOW = (
    ("environment", "errors", "garbage", "records", "progress", "imports", "writable"),
    ("clock",),
    ("options",),
    ("preparation",),
    ("capture",),
    ("load",),
    ("matching",),
    ("compare",),
    ("diagnose",),
    ("postprocess",),
    ("report",),
    ("steps",),
    ("result",),
    ("trace",),
    ("batch",),
    ("__init__", "demo"),
    ("cli", "__main__"),
)
STEP = {name: position for position, names in enumerate(FLOW) for name in names}


def modules():
    return sorted(ROOT.rglob("*.py"))


def imported(path):
    """Dotted names below `divergence` that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "divergence":
            names = [f"divergence.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively"
            names = [node.module or ""]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "divergence")


def step_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def target_of(name):
    """The step that an imported name belongs to; a public name of the package is `__init__`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in STEP else "__init__"


def test_every_module_has_its_place_in_the_flow():
    unknown = {step_of(path) for path in modules()} - set(STEP)
    assert not unknown, f"give {sorted(unknown)} a place in FLOW"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_backwards_along_the_flow(path):
    forward = [n for n in imported(path) if STEP[target_of(n)] > STEP[step_of(path)]]
    if path.name == "__init__.py" and path.parent == ROOT:
        assert not [name for name in forward if target_of(name) == "cli"]
    else:
        assert not forward, f"{path.relative_to(ROOT)} imports from a later step: {forward}"


def test_no_module_is_longer_than_a_reader_holds():
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in modules()}
    del lengths["records.py"]  # every noun in one file, more docstring than code
    assert {name: count for name, count in lengths.items() if count > 300} == {}


def test_help_imports_no_heavy_package():
    heavy = ("torch", "onnxruntime", "onnx", "matplotlib", "pandas", "PIL", "rich")
    code = (
        "import sys\n"
        "from divergence.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "trace" in done.stdout
    assert done.stderr.strip().splitlines()[-1] == "[]"
