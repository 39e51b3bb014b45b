"""Write a preparation into an ONNX file, so that the file needs no options for an image."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from divergence.errors import LoadError, OutputError
from divergence.preparation.sources.onnx_metadata import KEY
from divergence.preparation.spec import Spec, to_json

if TYPE_CHECKING:
    import onnx


def stamp(model_path: Path | str, spec: Spec, output: Path | str | None = None) -> Path:
    """Write `spec` into the metadata of an ONNX file and return the file written.

    The entry is `metadata_props['divergence.preprocess']`, the JSON form of the SPEC. Weights in
    external files are not read: those files are used as they are, and copied where `output` is
    in another folder. The file is replaced in one step, or not at all.

    output: None for the file itself.

    Raises:
        LoadError: not an ONNX file. OutputError: it cannot be written.
    """
    source = Path(model_path)
    target = Path(output) if output is not None else source
    model = _load(source)
    for entry in [entry for entry in model.metadata_props if entry.key == KEY]:
        model.metadata_props.remove(entry)
    model.metadata_props.add(key=KEY, value=to_json(spec))
    if not target.absolute().parent.is_dir():
        raise OutputError(f"'{target}' cannot be written: there is no folder '{target.parent}'.")
    try:
        if target.resolve().parent != source.resolve().parent:
            _copy_external(model, source.parent, target.parent)
        _replace(target, model.SerializeToString())
    except OSError as error:
        raise OutputError(f"'{target}' cannot be written: {error.strerror or error}.") from error
    return target


def _load(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except FileNotFoundError:
        raise LoadError(f"There is no ONNX file '{path}'.") from None
    except Exception as error:  # protobuf's own errors have no public base class
        raise LoadError(f"'{path}' is not an ONNX file: {error}.") from error
    if not model.graph.node and not model.graph.input:
        raise LoadError(f"'{path}' is not an ONNX file: it holds no graph.")
    return model


def _copy_external(model: onnx.ModelProto, source: Path, target: Path) -> None:
    """Copy the files with weights beside the new model; a different file is never overwritten."""
    for name in _external_files(model):
        held, wanted = source / name, target / name
        if wanted.exists():
            if not filecmp.cmp(held, wanted, shallow=False):
                raise OutputError(
                    f"'{wanted}' exists and differs from the weights of the model; choose "
                    "another folder."
                )
            continue
        wanted.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(held, wanted)


def _external_files(model: onnx.ModelProto) -> list[str]:
    graphs = [model.graph, *model.functions]
    found = {
        entry.value
        for graph in graphs
        for tensor in _tensors(graph)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sorted(found)


def _tensors(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor of a graph, those of attributes and of nested graphs among them."""
    yield from getattr(graph, "initializer", ())
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from _tensors(inner)


def _replace(target: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; the new one gets the rights that the user's umask gives.
        mode = target.stat().st_mode if target.exists() else 0o666 & ~_umask()
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
