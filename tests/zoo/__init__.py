"""A zoo of faults: right models, one fault planted in the exported file, and what was said."""
