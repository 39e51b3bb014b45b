"""Random weights that behave like trained ones: activations of order one, real statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_NORMS = (*_BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d)
_LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)


def calibrate(
    model: nn.Module,
    *inputs: Any,
    seed: int = 0,
    spread: float = 0.2,
    keep: tuple[str, ...] = (),
) -> nn.Module:
    """Give `model` weights that keep values at order one on these inputs; return it in eval mode.

    One forward pass, layer by layer in the order of execution (layer-sequential unit
    variance, arXiv:1511.06422): a linear or convolutional layer is drawn anew and scaled
    until its output has standard deviation one; a batch norm takes the statistics of what
    reaches it. Layers that share their weight are scaled on their first call; those that take
    no gradient hold constants (the bins of a box head) and stay.

    spread: standard deviation of the logarithm of the norms' gains. Networks trained for long
    have channels whose values are a hundred times those of others: 1.5 gives that.
    keep: names of modules that stay as they are, with what is inside them.
    """
    generator = torch.Generator().manual_seed(seed)
    seen: set[int] = set()

    def settle(module: nn.Module, given: tuple[Any, ...], _output: Any) -> Any:
        parameter = module.weight
        if parameter is None or not parameter.requires_grad or id(parameter) in seen:
            return None
        seen.add(id(parameter))
        if isinstance(module, _NORMS):
            _settle_norm(module, given[0], spread, generator)
        else:
            _settle_linear(module, given[0], generator)
        return module.forward(*given)  # the next layers see what this one gives from now on

    model.eval()
    with torch.no_grad(), _hooked(model, settle, keep):
        model(*inputs)
    return model


def _settle_norm(
    module: nn.Module, value: Tensor, spread: float, generator: torch.Generator
) -> None:
    if isinstance(module, _BATCH_NORMS):
        axes = [axis for axis in range(value.ndim) if axis != 1]
        if value.numel() == value.shape[1]:  # one value a channel says nothing of its spread
            axes.append(1)
        variance = value.var(axes, correction=0)
        module.running_mean.copy_(value.mean(axes))
        # Channels that hardly change are not blown up, from block to block more.
        module.running_var.copy_(variance.clamp_min(max(1e-3, 0.05 * float(variance.mean()))))
    module.weight.copy_((spread * _normal(module.weight, generator)).exp())
    if module.bias is not None:
        module.bias.copy_(0.1 * _normal(module.bias, generator))


def _settle_linear(module: nn.Module, value: Tensor, generator: torch.Generator) -> None:
    module.weight.copy_(_normal(module.weight, generator))
    bias, module.bias = module.bias, None
    deviation = module.forward(value).std(correction=0)
    module.bias = bias
    # Of independent terms. Few outputs, or none that anything reaches, say nothing of the scale.
    terms = module.weight.select(int(isinstance(module, _TRANSPOSED)), 0).numel()
    expected = terms**0.5 * value.square().mean().sqrt()
    if deviation <= 0.1 * expected:
        deviation = expected if expected > 0 else expected.new_tensor(terms**0.5)
    module.weight.div_(deviation)
    if bias is not None:
        bias.copy_(0.1 * _normal(bias, generator))


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator)


@contextmanager
def _hooked(model: nn.Module, hook: Callable[..., Any], keep: tuple[str, ...]) -> Iterator[None]:
    kept = {id(module) for name in keep for module in model.get_submodule(name).modules()}
    modules = [
        module
        for module in model.modules()
        if isinstance(module, _NORMS + _LINEAR) and id(module) not in kept
    ]
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
