"""Which matches a run can show."""

from __future__ import annotations

from dataclasses import replace

from divergence.records import Match, Pairing, Program, Unpaired


def visible(pairing: Pairing, candidate: Program) -> tuple[tuple[Match, ...], Pairing]:
    """Split off the matches whose candidate value no run shows, as unpaired with the reason."""
    hidden = {entry.site: entry.reason for entry in candidate.unobservable}
    lost = [match for match in pairing.matches if match.candidate in hidden]
    gone = {match.candidate for match in lost}
    unpaired = [
        replace(entry, reason=hidden.get(entry.site, entry.reason))
        if entry.side == "candidate"
        else entry
        for entry in pairing.unpaired
    ]
    unpaired += [Unpaired("candidate", name, hidden[name]) for name in dict.fromkeys(gone)]
    unpaired += [
        Unpaired("reference", m.reference, f"its partner {m.candidate}: {hidden[m.candidate]}")
        for m in lost
    ]
    kept = tuple(match for match in pairing.matches if match.candidate not in hidden)
    return kept, replace(pairing, matches=kept, unpaired=tuple(unpaired))
