"""Settings that every test shares."""

from __future__ import annotations

import os

# Figures are drawn to files: no test needs a display. Read when matplotlib is first imported.
os.environ.setdefault("MPLBACKEND", "Agg")
# ultralytics writes settings on import and would look for updates and send statistics.
os.environ.setdefault("YOLO_OFFLINE", "true")
