"""How much memory this process took at most."""

from __future__ import annotations

import re
import resource
from pathlib import Path


def peak() -> int:
    """Return the peak of resident memory in MiB.

    `ru_maxrss` would do, but a process inherits that of the one that started it.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) // 1024
