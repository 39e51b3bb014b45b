"""Devices and providers: what the user asks for is there, or it is said that it is not."""

from __future__ import annotations

from divergence.errors import LoadError


def checked_device(device: str | None) -> str | None:
    """Return the PyTorch device if it can be used here.

    Raises:
        LoadError: it cannot.
    """
    if device is None:
        return None
    import torch

    try:
        torch.empty(0, device=device)
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise LoadError(f"The device '{device}' cannot be used here: {reason}") from error
    return device


def checked_provider(provider: str) -> str:
    """Return the execution provider if this build of ONNX Runtime has it.

    Raises:
        LoadError: it has not; those that it has are listed.
    """
    from onnxruntime import get_available_providers

    available = get_available_providers()
    if provider not in available:
        raise LoadError(
            f"This onnxruntime has no '{provider}'; it has {', '.join(available)}. Install the "
            "onnxruntime package that has it, or choose another by --provider."
        )
    return provider
