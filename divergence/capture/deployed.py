"""The graph that ONNX Runtime itself makes of a file, and where the file's values are in it.

The runtime saves its rewritten graph; that graph is then traced with further optimisation off,
so what is seen is what is deployed. A fused node's output keeps the name of the last value that
it computes; `blocked.py` follows the values that were put into blocked layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from divergence.capture import channels_last
from divergence.capture.blocked import WIDENED, Place, follow
from divergence.capture.blocked_file import blocked_values
from divergence.capture.onnx_file import OnnxFile, bodies, read_onnx
from divergence.capture.onnx_graph import Wiring, wire
from divergence.capture.onnx_session import Session, Settings
from divergence.capture.onnx_shapes import ValueType
from divergence.capture.onnx_tensors import Stored, held, item_bytes
from divergence.capture.ordering import reorder
from divergence.errors import CaptureError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


@dataclass(frozen=True, slots=True)
class Deployed:
    """A graph that is traced instead of the file's own.

    places: where the values of the file are in it, by site name. own: the wiring of the file's
    top.
    """

    model: ModelProto
    weights: Mapping[str, Stored] = field(repr=False)
    places: Mapping[str, Place] = field(repr=False)
    own: Wiring = field(repr=False)


def as_given(file: OnnxFile) -> Deployed:
    """Return the file's own graph, each value in its place."""
    places: dict[str, Place] = {}
    _kept(file.model.graph, file.model.graph, "", places)
    _mark_blocked(file.model.graph, places)
    return Deployed(file.model, file.weights, places, wire(file.model.graph))


@dataclass(frozen=True, slots=True)
class Saved:
    """The graph that the runtime made of a file.

    plain: the same graph without channels-last layouts, where it has such.
    """

    model: ModelProto
    weights: Mapping[str, Stored] = field(repr=False)
    plain: ModelProto | None


def save(file: OnnxFile, settings: Settings, name: str) -> tuple[Session, Saved]:
    """Make a session of the file and read back the graph that the runtime made of it.

    The session is an ordinary one: it serves as the untouched run where nothing was renamed.

    Raises:
        LoadError: the runtime refuses the file. CaptureError: there is no room for the graph.
    """
    with TemporaryDirectory(prefix="divergence-", ignore_cleanup_errors=True) as folder:
        _check_room(file, Path(folder))
        path = Path(folder) / "optimized.onnx"
        source = file.model if file.changed else file.source
        session = Session(source, settings, file.weights, name=name, save=path)
        saved = read_onnx(path)
        plain = None
        if channels_last.is_used(saved.model.graph):
            plain = _without(channels_last.OPTIMIZER, file, settings, Path(folder))
        # The mappings outlive the folder: the files' pages stay until the last one is closed.
        weights = {key: held(key, w.element, w.read()) for key, w in saved.weights.items()}
    return session, Saved(saved.model, weights, plain)


def deployed(file: OnnxFile, saved: Saved, types: Mapping[str, ValueType]) -> Deployed:
    """Return what the runtime made of a file, with the places of the file's values in it."""
    wiring = wire(file.model.graph)
    places = _located(file.model, saved.model, wiring, types, saved.plain)
    turns = {name: number for number, name in enumerate(wiring.producers)}
    made = ((place.value, name) for name, place in places.items() if not place.body)
    top = {value: turns[name] for value, name in made if name in turns}  # inputs take no turn
    reorder(saved.model.graph, top)
    return Deployed(saved.model, saved.weights, places, wiring)


def _check_room(file: OnnxFile, folder: Path) -> None:
    """Refuse before the runtime fails half-way: it writes the graph with all its weights."""
    needed = sum(prod(w.shape) * item_bytes(w.element) for w in file.weights.values())
    free = disk_usage(folder).free
    if free < needed * 1.1 + 2**20:
        raise CaptureError(
            f"The optimised graph takes {needed >> 20} MiB in {folder.parent}, where "
            f"{free >> 20} MiB are free; make room, point TMPDIR at another folder, or use "
            f"--optimization none."
        )


def _without(optimizer: str, file: OnnxFile, settings: Settings, folder: Path) -> ModelProto:
    """Return the graph that the runtime makes of a file when an optimiser is left out."""
    path = folder / "plain.onnx"
    less = replace(settings, disabled=(*settings.disabled, optimizer))
    Session(file.model if file.changed else file.source, less, file.weights, save=path)
    return read_onnx(path).model


def _located(
    own: ModelProto,
    other: ModelProto,
    wiring: Wiring,
    types: Mapping[str, ValueType],
    plain: ModelProto | None,
) -> dict[str, Place]:
    """Return where the values of a file are in the graph that was made of it.

    plain: the same without channels-last layouts, where the graph has such.
    """
    places: dict[str, Place] = {}
    _kept(own.graph, other.graph, "", places)
    _mark_blocked(own.graph, places)
    places.update(follow(wiring, other.graph, places, types))
    if plain is not None:
        turned = channels_last.follow(other.graph, plain.graph, types)
        own_values = wiring.producers.keys() - places.keys()
        places.update({name: turned[name] for name in own_values & turned.keys()})
    return places


def _kept(own: GraphProto, other: GraphProto, prefix: str, places: dict[str, Place]) -> None:
    """Collect values whose names are in both graphs, those in bodies too."""
    from onnx import TensorProto

    made = {name for node in other.node for name in node.output if name}
    for node in own.node:
        for name in node.output:
            if name in made:
                places[prefix + name] = Place(name, prefix)
            elif WIDENED + name in made:
                places[prefix + name] = Place(WIDENED + name, prefix, element=TensorProto.FLOAT)
    for node, branch, body, twin in twins(own, other):
        if twin is not None:
            _kept(body, twin, f"{prefix}{node.name}/{branch}/", places)


def _mark_blocked(own: GraphProto, places: dict[str, Place]) -> None:
    """Note the channels of values that the user's own file has in blocked layout."""
    for name, channels in blocked_values(own).items():
        if name in places:
            places[name] = replace(places[name], channels=channels)


def twins(
    own: GraphProto, other: GraphProto
) -> Iterator[tuple[NodeProto, str, GraphProto, GraphProto | None]]:
    """Yield the bodies of a graph's nodes, each with the rewritten one, None where it is gone."""
    nodes = {node.name: node for node in other.node}
    for node in own.node:
        rewritten = dict(bodies(nodes[node.name])) if node.name in nodes else {}
        for branch, body in bodies(node):
            yield node, branch, body, rewritten.get(branch)
