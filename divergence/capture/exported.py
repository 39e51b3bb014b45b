"""Exported programs: their graph run node by node, module calls known from its metadata.

Each node says which module calls it belongs to (`nn_module_stack`). A call begins with its
first node and ends with its last; its outputs are the values that other calls use, in the
order in which they are made, those of the program in the order in which it returns them. A
module without any node (`Identity`) is not in the graph and so no site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any

from torch.fx import Interpreter, Node
from torch.utils import _pytree as pytree

from divergence.capture.ops import OpMode

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram
    from torch.fx import GraphModule

    from divergence.capture.hooks import Frame, Scopes

_CONTAINERS = "torch.nn.modules.container."


@dataclass(eq=False)
class ModuleCall:
    """One module call in an exported graph.

    nodes: those that belong to it or to a call inside. leaf: the module has no children, as
    far as the graph tells.
    """

    scope: str
    kind: str
    leaf: bool = True
    nodes: list[Node] = field(default_factory=list)

    def settings(self) -> dict[str, Any]:
        """Nothing: an exported program keeps no attributes of modules."""
        return {}

    def arguments(self) -> list[Node]:
        """Return the values from outside that its nodes read."""
        own = set(self.nodes)
        read = (source for node in self.nodes for source in node.all_input_nodes)
        return list(dict.fromkeys(s for s in read if s not in own and s.op != "get_attr"))

    def outputs(self) -> list[Node]:
        """Return the nodes whose values are read outside, those of the whole as it returns them."""
        if not self.scope:
            returned = pytree.tree_leaves(self.nodes[0].graph.output_node().args)
            return [value for value in returned if isinstance(value, Node)]
        own = set(self.nodes)
        return [node for node in self.nodes if not own.issuperset(node.users)]


class ExportedSubject:
    """An exported program, run by an interpreter of its graph."""

    kind = "torch.export"
    mode = OpMode
    notes: tuple[str, ...] = ()

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program
        self._graph = program.module()
        self.module: nn.Module = self._graph
        self.signature = signature(self._graph.forward)
        self._calls = _calls(self._graph)
        roots = (call.kind for calls in self._calls.values() for call in calls if not call.scope)
        self.name = next(roots, "") or "the exported program"

    @contextmanager
    def follow(self, scopes: Scopes, *, thorough: bool) -> Iterator[Callable[..., Any]]:
        """Interpret the graph."""
        del thorough

        def call(*args: Any, **kwargs: Any) -> Any:
            given = list(self.signature.bind(*args, **kwargs).arguments.values())
            spec = self._program.call_spec.in_spec
            interpreter = _Follower(self._graph, self._calls, scopes)
            output = interpreter.run(*_flat(given, spec), enable_io_processing=False)
            return pytree.tree_unflatten(output, self._program.call_spec.out_spec)

        yield call


class _Follower(Interpreter):
    """Tells `scopes` where each node stands while it runs the graph."""

    def __init__(
        self, module: GraphModule, calls: Mapping[Node, list[ModuleCall]], scopes: Scopes
    ) -> None:
        super().__init__(module)
        self.extra_traceback = False  # it would change the messages of a probe's errors
        self._calls = calls
        self._scopes = scopes
        self._frames: dict[ModuleCall, Frame] = {}

    def run_node(self, n: Node) -> Any:
        """Run one node inside its module calls."""
        calls = self._calls.get(n, [])
        for call in calls:
            if call not in self._frames:
                given = [self.env[node] for node in call.arguments() if node in self.env]
                self._frames[call] = self._scopes.open(call.scope, call, given)
        if calls:
            self._scopes.top = self._frames[calls[-1]]
        result = super().run_node(n)
        self.env[n] = result
        for call in reversed(calls):
            if call.nodes[-1] is n:
                outputs = [self.env[node] for node in call.outputs() if node in self.env]
                self._scopes.close(self._frames[call], outputs)
        return result


def _calls(module: GraphModule) -> dict[Node, list[ModuleCall]]:
    """Return for each node the module calls that it belongs to, the outermost first."""
    calls: dict[str, ModuleCall] = {}
    found: dict[Node, list[ModuleCall]] = {}
    for node in module.graph.nodes:
        if node.op != "call_function":
            continue
        stack = node.meta.get("nn_module_stack") or {"": ("", "")}
        found[node] = [
            calls.setdefault(key, ModuleCall(_scope(path), kind.rsplit(".", 1)[-1]))
            for key, (path, kind) in stack.items()
        ]
        for call in found[node]:
            call.nodes.append(node)
        for call in found[node][:-1]:
            call.leaf = False
    owners = {name.rpartition(".")[0] for name in module.state_dict()}
    above = {owner[:i] for owner in owners for i, c in enumerate(owner) if c == "."}
    above |= {""} if any(owners) else set()
    # A child that does nothing leaves no node: then another call of that class may show it.
    parents = {call.kind for call in calls.values() if not call.leaf}
    for call in calls.values():
        call.leaf &= call.scope not in above and call.kind not in parents
    return found


def _scope(path: str) -> str:
    """Return a module's qualified name; a later call of it has a number after an @."""
    return path.removeprefix("L['self'].").partition("@")[0]


def _flat(values: list[Any], spec: pytree.TreeSpec) -> list[Any]:
    """Return the leaves of the arguments in the order of the graph's placeholders."""
    positional, keyword = spec.children()
    count = positional.num_children
    kwargs = dict(zip(keyword.context or (), values[count:], strict=True))
    return pytree.tree_leaves((tuple(values[:count]), kwargs))
