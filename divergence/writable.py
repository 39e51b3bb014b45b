"""Whether a folder can be written, asked before a long run and not after it."""

from __future__ import annotations

import os
from pathlib import Path


def why_not(directory: Path) -> str:
    """Return why nothing can be written into a folder that is there or would be made, else ""."""
    existing = next(p for p in (directory, *directory.absolute().parents) if p.exists())
    if not existing.is_dir():
        return f"{existing} is not a folder"
    return "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing} is not writable"
