"""How raw outputs become answers: what differs between two final outputs."""
