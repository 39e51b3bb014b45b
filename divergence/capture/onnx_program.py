"""What an ONNX file computes, as sites: read from the graph alone, in the file's own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from divergence.capture.onnx_constants import RANDOM, folded, initializers
from divergence.capture.onnx_file import OnnxFile, bodies, operands, read_onnx
from divergence.capture.onnx_scopes import (
    CLASS_HIERARCHY,
    NAME_SCOPES,
    listed,
    metadata_scope,
    name_scope,
)
from divergence.capture.onnx_shapes import UNKNOWN, ValueType, infer
from divergence.capture.onnx_tensors import value_of
from divergence.records import Program, Site, Weight

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto

# What stands for a value that a loop changes and that starts from a constant.
_TURN = "divergence:turn"
# Keys of `Site.attributes` that are no attributes of the node.
OUTPUT_INDEX = "divergence.output"
BODY = "divergence.body"
METADATA = "pkg.torch.onnx."


def onnx_program(
    model: ModelProto | OnnxFile, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Program:
    """Return the sites of a model: its inputs, then each value in the order of the file.

    shapes: sizes of the inputs, where the file leaves them open and they are known.

    `Site.attributes` holds the node's attributes as Python values (tensors as arrays, bodies
    left out), and under keys of their own: `divergence.output`, the number of the node's output
    where it is not the first; `divergence.body`, the body that it is in (`<node>/<branch>/`);
    what the exporter wrote about the node, such as
    `pkg.torch.onnx.fx_node` (text), `pkg.torch.onnx.name_scopes` and
    `pkg.torch.onnx.class_hierarchy` (tuples of text, outermost first).

    `Site.weights` names operands that depend on no input, also those that are computed of
    others: `Program.weights` gives each of them as the node reads it, folded.
    """
    file = model if isinstance(model, OnnxFile) else read_onnx(model)
    return read_program(file, infer(file.model, shapes))


def read_program(file: OnnxFile, types: Mapping[str, ValueType]) -> Program:
    """Return the sites of a file whose values have these types, by site name."""
    reader = _Reader(
        stored=file.weights,
        types=types,
        opsets={entry.domain: entry.version for entry in file.model.opset_import},
    )
    graph = file.model.graph
    reader.inputs(graph)
    reader.graph(graph, "", {})
    outputs = tuple(value.name for value in graph.output)
    return Program(tuple(reader.sites), reader.weights, outputs, outputs)


@dataclass
class _Reader:
    """Collects sites. A name inside a body stands for a site by way of `names`."""

    stored: Mapping[str, Any]
    types: Mapping[str, ValueType]
    opsets: Mapping[str, int]
    sites: list[Site] = field(default_factory=list)
    weights: dict[str, Weight] = field(default_factory=dict)

    def inputs(self, graph: GraphProto) -> None:
        held = {tensor.name for tensor in graph.initializer}
        for value in graph.input:
            if value.name not in held:
                known = self.types.get(value.name, UNKNOWN)
                self._add(Site(value.name, "input", "", "", 0, known.shape, known.dtype))

    def graph(self, graph: GraphProto, prefix: str, outer: Mapping[str, str]) -> dict[str, str]:
        """Read a graph; return what its names stand for.

        outer: what the names of the graphs around it stand for.
        """
        names = dict(outer)
        fixed = initializers(graph, self.stored, prefix)
        self.weights.update(fixed)
        names.update({name.removeprefix(prefix): name for name in fixed})
        if not prefix:
            names.update({value.name: value.name for value in graph.input})
        for node in graph.node:
            self._node(node, prefix, names)
        return names

    def _node(self, node: NodeProto, prefix: str, names: dict[str, str]) -> None:
        inner = self._bodies(node, prefix, names)
        read = [names.get(name, name) for name in operands(node)]
        moving = list(dict.fromkeys(name for name in read if name not in self.weights))
        constant = not moving and _is_pure(node)
        sources = [name for name in moving if name != _TURN]
        produced = [prefix + name if name else "" for name in node.output]
        if constant:
            self._fold(node, names, produced)
        site = self._site(node, prefix)
        for number, name in enumerate(produced):
            if name:
                known = self.types.get(name, UNKNOWN)
                extra = {OUTPUT_INDEX: number} if number else {}
                self._add(
                    replace(
                        site,
                        name=name,
                        shape=known.shape,
                        dtype=known.dtype,
                        inputs=tuple(sources) + inner.get(number, ()),
                        weights=tuple(name for name in read if name in self.weights),
                        attributes={**site.attributes, **extra},
                        alias_of=_alias(node, number, sources),
                        constant=constant,
                    )
                )
                names[node.output[number]] = name

    def _bodies(
        self, node: NodeProto, prefix: str, names: Mapping[str, str]
    ) -> dict[int, tuple[str, ...]]:
        """Read the bodies of a node; return the inner sites that its outputs come from."""
        inner: dict[int, tuple[str, ...]] = {}
        for branch, body in bodies(node):
            formal = self._formal(node, body, names)
            known = self.graph(body, f"{prefix}{node.name}/{branch}/", {**names, **formal})
            skipped = 1 if node.op_type == "Loop" else 0
            for number, value in enumerate(list(body.output)[skipped:]):
                name = known.get(value.name, "")
                if name and name not in self.weights:
                    inner[number] = (*inner.get(number, ()), name)
        return inner

    def _formal(
        self, node: NodeProto, body: GraphProto, names: Mapping[str, str]
    ) -> dict[str, str]:
        """Return what the inputs of a body stand for: the node's own operands, at first.

        What changes from turn to turn is no constant, whatever it starts from.
        """
        given = [names.get(name, name) for name in node.input]
        formal = {
            value.name: _TURN if source in self.weights or not source else source
            for value, source in zip(body.input, given, strict=False)
        }
        if node.op_type == "Loop":  # its body counts turns where the node has their number
            formal[body.input[0].name] = _TURN
        return formal

    def _fold(self, node: NodeProto, names: Mapping[str, str], produced: Sequence[str]) -> None:
        given = [self.weights.get(names.get(name, name)) for name in node.input]
        for weight in folded(node, produced, given, self.types, self.opsets):
            self.weights[weight.name] = weight

    def _site(self, node: NodeProto, prefix: str) -> Site:
        metadata = {entry.key: entry.value for entry in node.metadata_props}
        scope = metadata_scope(metadata)
        if scope is None:
            named = (node.name, *node.output)
            scope = next((s for s in (name_scope(n, node.op_type) for n in named) if s), "")
        extra = {k: v for k, v in metadata.items() if k.startswith(METADATA)}
        lists = {k: listed(extra[k]) for k in (NAME_SCOPES, CLASS_HIERARCHY) if k in extra}
        inside = {BODY: prefix} if prefix else {}
        own = {a.name: value for a in node.attribute if (value := _plain(a)) is not None}
        domain = "" if node.domain in ("", "ai.onnx") else f"{node.domain}::"
        return Site(
            name="",
            kind="node",
            op=domain + node.op_type,
            scope=scope,
            order=0,
            attributes={**own, **extra, **lists, **inside},
            node=prefix + node.name,
        )

    def _add(self, site: Site) -> None:
        self.sites.append(replace(site, order=len(self.sites)))


def _alias(node: NodeProto, output: int, sources: Sequence[str]) -> str | None:
    """Return the value that a node passes on as it is; a Dropout does so unless it trains."""
    copies = node.op_type == "Identity" or (node.op_type == "Dropout" and len(node.input) < 3)
    if not copies or output or node.domain not in ("", "ai.onnx"):
        return None
    return sources[0] if sources else None


def _is_pure(node: NodeProto) -> bool:
    return node.op_type not in RANDOM and not any(True for _ in bodies(node))


def _plain(attribute: AttributeProto) -> Any:
    from onnx import AttributeProto as Proto
    from onnx import helper

    if attribute.type in (Proto.GRAPH, Proto.GRAPHS, Proto.SPARSE_TENSOR, Proto.SPARSE_TENSORS):
        return None
    if attribute.type == Proto.TENSOR:
        return value_of(attribute.t)
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list | tuple):
        return tuple(v.decode(errors="replace") if isinstance(v, bytes) else v for v in value)
    return value if isinstance(value, int | float) else None
