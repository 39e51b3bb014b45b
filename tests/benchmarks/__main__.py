"""Time and memory side by side, in one run, in turns: medians and ratios to the floor.

    python -m tests.benchmarks [--networks vit_small ...] [--rounds 5] [--peers] [--slow-peers]
    python -m tests.benchmarks --scaling     time against the number of nodes, 100 to 10,000
    python -m tests.benchmarks --start       how fast `divergence --help` answers

The floor is a forward pass of the model, an `InferenceSession(file)` and its run, all warm.
Only ratios within one run mean anything. Peak memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.cases import NETWORKS, Case, deep, prepare, reopen
from tests.benchmarks.ways import OURS, PEERS, SLOW_PEERS, free_run, full
from tests.memory import peak

WAYS = {**OURS, **PEERS, **SLOW_PEERS}
NODES = (100, 300, 1_000, 3_000, 10_000)


def main() -> None:
    """Measure what the command line asks for and print tables."""
    asked = _arguments()
    if asked.memory_of:
        _print_memory(*asked.memory_of)
        return
    if asked.start:
        _start()
    if asked.scaling:
        _scaling()
    if not asked.start and not asked.scaling:
        ways = {
            **OURS,
            **(PEERS if asked.peers else {}),
            **(SLOW_PEERS if asked.slow_peers else {}),
        }
        for name in asked.networks:
            _side_by_side(name, ways, asked.rounds)
        _scaling()
        _start()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS)[:4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--slow-peers", action="store_true", help="minutes for each network")
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--memory-of", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def _side_by_side(name: str, ways: dict[str, Callable[[Case], str]], rounds: int) -> None:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    told: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        case = prepare(name, Path(place))
        first = _timed(ways["floor"], case)[0]
        for turn in range(rounds):
            for way, run in ways.items():
                # One turn is enough for what takes minutes; a warm-up is not counted.
                if turn > 1 and seconds[way][0] > 60:
                    continue
                spent, told[way] = _timed(run, case)
                if turn > 0 or spent > 60:
                    seconds[way].append(spent)
        memory = {way: _memory(name, place, way) for way in ways}
    base = statistics.median(seconds["floor"])
    print(f"\n{name}: first floor of the process {first:.2f} s, then medians of {rounds - 1}\n")
    print("| way | s | of the floor | peak MiB | above the floor | what it did |")
    print("|---|---|---|---|---|---|")
    for way in ways:
        median = statistics.median(seconds[way])
        above = memory[way] - memory["floor"]
        figures = f"{median:.2f} | {median / base:.1f} | {memory[way]} | {above}"
        print(f"| {way} | {figures} | {told[way]} |", flush=True)


def _timed(run: Callable[[Case], str], case: Case) -> tuple[float, str]:
    start = time.perf_counter()
    try:
        told = run(case)
    except Exception as error:  # noqa: BLE001 - a peer that fails is a result
        told = f"fails: {type(error).__name__}: {str(error).splitlines()[0][:60]}"
    return time.perf_counter() - start, told


def _memory(name: str, place: str, way: str) -> int:
    command = [sys.executable, "-m", "tests.benchmarks", "--memory-of", name, place, way]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout.splitlines()[-1]) if done.returncode == 0 else -1


def _print_memory(name: str, place: str, way: str) -> None:
    WAYS[way](reopen(name, Path(place)))
    print(peak())


def _scaling() -> None:
    print("\n| nodes | free run s | ms a node | full s | ms a node | what it did |")
    print("|---|---|---|---|---|---|")
    for nodes in NODES:
        with deep(nodes) as case:
            free = min(_timed(free_run, case)[0] for _ in range(2))
            whole, told = _timed(full, case)
        print(
            f"| {nodes} | {free:.2f} | {1000 * free / nodes:.2f} "
            f"| {whole:.2f} | {1000 * whole / nodes:.2f} | {told} |",
            flush=True,
        )


def _start() -> None:
    command = [str(Path(sys.executable).with_name("divergence")), "--help"]
    spent = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        spent.append(time.perf_counter() - start)
    print(f"\n`divergence --help`: {statistics.median(spent):.2f} s (median of {len(spent)})")


if __name__ == "__main__":
    main()
