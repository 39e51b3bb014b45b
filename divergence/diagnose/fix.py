"""Write the candidate with all proved changes undone."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from divergence.capture.onnx_file import name_nodes, whole
from divergence.capture.surgery import needed_values
from divergence.diagnose.edits import Edit
from divergence.errors import OutputError
from divergence.writable import why_not

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

# A protobuf file ends at 2 GiB; beyond it weights go to a data file beside the graph.
PROTOBUF_LIMIT = 2**31 - 2**20


def check_target(target: Path) -> None:
    """Refuse a path that cannot be written, before a long run and not after it.

    Raises:
        OutputError: its folder cannot be written, or it is a folder itself.
    """
    reason = f"{target} is a folder" if target.is_dir() else why_not(target.parent)
    if reason:
        raise OutputError(
            f"cannot write the fixed model to {target}: {reason}; choose another path with --fix."
        )


def write_fixed(source: Path | ModelProto, edits: Sequence[Edit], target: Path) -> None:
    """Apply `edits` to a copy of the file and write it to `target`, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    model = _whole(source)
    idle = _idle(model.graph)
    for edit in edits:
        edit.apply(model.graph)
    left = _idle(model.graph) - idle  # what was replaced
    kept = [node for node in model.graph.node if node.name not in left]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    try:
        _write(model, target)
    except OSError as error:
        raise OutputError(
            f"cannot write the fixed model to {target}: {error.strerror or error}; "
            "choose another path with --fix."
        ) from error


def _idle(graph: GraphProto) -> set[str]:
    """Return the names of the nodes at the top that no output needs."""
    needed = needed_values(graph)
    return {node.name for node in graph.node if not needed.intersection(node.output)}


def _whole(source: Path | ModelProto) -> ModelProto:
    """Return a copy as edits expect it: weights in memory, functions inlined, nodes named."""
    import onnx
    from onnx import inliner

    if isinstance(source, Path):
        model = whole(source)
    else:
        model = onnx.ModelProto()
        model.CopyFrom(source)
    if model.functions:
        model = inliner.inline_local_functions(model)
    name_nodes(model.graph)  # the names of nodes lead to what is in their bodies
    return model


def _write(model: ModelProto, target: Path) -> None:
    import onnx

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".divergence-", dir=target.parent) as staging:
        draft = Path(staging) / target.name
        large = model.ByteSize() > PROTOBUF_LIMIT
        onnx.save(
            model,
            draft,
            save_as_external_data=large,
            all_tensors_to_one_file=True,
            location=f"{target.name}.data" if large else None,
        )
        for path in sorted(Path(staging).iterdir(), reverse=True):  # the data file first
            path.replace(target.parent / path.name)
