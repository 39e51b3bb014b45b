"""A quantised file without its rounding, as a level that diagnosis works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from divergence.capture.onnx_file import OnnxFile, detach_tensor
from divergence.capture.onnx_program import onnx_program
from divergence.capture.onnx_runner import OnnxRunner
from divergence.capture.surgery import prune
from divergence.compare.dtypes import dtype_named
from divergence.diagnose.blockwise import integers_read
from divergence.diagnose.causes.reduced import CUTS
from divergence.diagnose.inquiry import Inquiry
from divergence.diagnose.integers import QUANTISED, result_of
from divergence.diagnose.level import Level, told
from divergence.diagnose.restored import reference_weights, wrong_weights
from divergence.diagnose.suspects import Scene, region
from divergence.diagnose.unrounded import Cut, unround
from divergence.records import Array, Call, Weight

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass
class Bared:
    """The file without its rounding, in several ways."""

    inquiry: Inquiry
    given: Level
    call: Call

    @cached_property
    def weights(self) -> Mapping[str, Array]:
        """The reference's parameters by the names of the constants that are roundings of them."""
        places = [region(self.inquiry.scene, match) for match in self.inquiry.introduced]
        return {name: value for place in places for name, value in reference_weights(place).items()}

    @cached_property
    def unclear(self) -> frozenset[str]:
        """Values made from quantised constants that may be another rounding of the reference's."""
        places = (region(self.inquiry.scene, match) for match in self.inquiry.introduced)
        known = {name for place in places for name in wrong_weights(place)}
        scene = self.inquiry.scene
        constants, rounded, found = scene.candidate.weights, _rounded_constants(scene), set[str]()
        for node in scene.nodes:
            integers = {n for n in integers_read(node) if _is_integer(constants.get(n))}
            held = integers | rounded.intersection(node.input)
            if any(prod(constants[name].shape) > 1 for name in held - known - set(self.weights)):
                found.update(node.output)
        return frozenset(found)

    @cached_property
    def ranges(self) -> Sequence[str]:
        """The values that are quantised, and so cut off where their range ends."""
        nodes = self.given.runner.file.model.graph.node
        return [node.output[0] for node in nodes if result_of(node)[0] >= 0]

    def level(self, cuts: Mapping[str, Cut]) -> Level:
        """Return the file without rounding; cuts: what each quantised value is cut off to."""
        from onnx import ModelProto

        runner, settings = self.given.runner, self.given.runner.settings
        model = ModelProto()
        model.CopyFrom(runner.file.model)
        unround(model.graph, self.given.program.weights, self.weights, CUTS[-1], cuts)
        prune(model.graph)
        bare = OnnxRunner(
            _shared(model, runner.file),
            settings.provider,
            memory=runner.memory,
            threads=settings.threads,
            disabled_optimizers=settings.disabled,
        )
        shapes = {name: value.shape for name, value in self.call.kwargs.items()}
        known = {site.name: replace(site, dtype=None) for site in self.given.program.sites}
        made = onnx_program(bare.file, shapes)
        sites = tuple(told(site, known.get(site.name)) for site in made.sites)
        return Level(bare, replace(made, sites=sites))


def _rounded_constants(scene: Scene) -> set[str]:
    """Return the constants that came through integers."""
    found: set[str] = set()
    for site in scene.candidate.sites:
        through = site.op.rpartition("::")[2] in QUANTISED or not found.isdisjoint(site.weights)
        if site.constant and through:
            found.add(site.name)
    return found & set(scene.candidate.weights)


def _is_integer(constant: Weight | None) -> bool:
    return constant is not None and dtype_named(constant.dtype).kind in "iu"


def _shared(model: ModelProto, file: OnnxFile) -> OnnxFile:
    """Return a changed graph as a file whose large weights are given to sessions by name."""
    from onnx import TensorProto

    weights = dict(file.weights)
    held = list(model.graph.initializer)
    del model.graph.initializer[:]
    for tensor in held:
        if tensor.data_location == TensorProto.EXTERNAL:
            model.graph.initializer.append(tensor)
        else:
            detach_tensor(tensor, model.graph.initializer.add(), None, weights)
    return OnnxFile(model, weights, None, model, True)
