"""From a report to terminal, HTML, figures, JSON and CSV: one renderer a file."""
