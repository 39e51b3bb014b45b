"""From measurements to culprits, causes and proofs."""
