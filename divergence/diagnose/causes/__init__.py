"""One cause a file: a detector returns a finding with evidence, or rules the cause out."""
