"""Two runs side by side: every pair is shown once, memory is bounded, nothing ever hangs."""

import signal
import subprocess
import sys
import threading
import time
from functools import partial

import ml_dtypes
import numpy as np
import pytest

from divergence.capture.lockstep import lockstep
from divergence.errors import OutputError
from divergence.records import Match

pytestmark = pytest.mark.timeout(60)


class Side:
    """A run that shows given values in a given order and counts who computes at a time."""

    computing = 0

    def __init__(self, values, order=None, exact=None, delay=0.0, fail_at=None):
        self.values, self.order = values, list(values if order is None else order)
        self.exact, self.delay, self.fail_at = exact or {}, delay, fail_at
        self.shown, self.unwound_by = [], None

    def __call__(self, probe, sites):
        try:
            for site in self.order:
                self.compute(site)
                if site in sites:
                    self.show(probe, site)
        except BaseException as error:
            self.unwound_by = type(error).__name__
            raise
        return (np.array([len(self.shown)]),)

    def compute(self, site):
        Side.computing += 1
        assert Side.computing == 1, "both sides compute at once"
        time.sleep(self.delay)
        Side.computing -= 1
        if site == self.fail_at:
            raise ArithmeticError(f"{site} fails")

    def show(self, probe, site):
        """Show a value in memory that is used again at once, as runtimes do."""
        buffer = self.values[site].copy()
        buffer.flags.writeable = False
        probe(site, buffer, self.exact.get(site))
        self.shown.append(site)
        buffer.flags.writeable = True
        buffer.fill(0)


class Pairs:
    """Collects what was shown, and checks it against what should have been."""

    def __init__(self, reference, candidate, fail_at=None):
        self.reference, self.candidate, self.fail_at = reference, candidate, fail_at
        self.seen = []

    def __call__(self, match, reference, candidate, exact):
        np.testing.assert_array_equal(reference, self.reference.values[match.reference])
        np.testing.assert_array_equal(candidate, self.candidate.values[match.candidate])
        expected = self.reference.exact.get(match.reference)
        assert (exact is None) == (expected is None)
        if exact is not None:
            np.testing.assert_array_equal(exact, expected)
        if match.reference == self.fail_at:
            raise LookupError("nobody wants this pair")
        self.seen.append((match.reference, match.candidate))


@pytest.fixture(autouse=True)
def _nobody_computes():
    Side.computing = 0
    threads = threading.active_count()
    yield
    assert threading.active_count() == threads, "a thread was left behind"


def match(reference, candidate):
    return Match(reference, candidate, "test", 1.0)


def values(prefix, sizes, dtype=np.float32):
    rng = np.random.default_rng(len(sizes))
    return {f"{prefix}{i}": rng.integers(0, 9, n).astype(dtype) for i, n in enumerate(sizes)}


def sides(sizes, reference_order=None, candidate_order=None, **options):
    def names(prefix, order):
        return [f"{prefix}{i}" for i in (range(len(sizes)) if order is None else order)]

    reference = Side(values("r", sizes), names("r", reference_order), **options)
    candidate = Side(values("c", sizes), names("c", candidate_order))
    return reference, candidate, [match(f"r{i}", f"c{i}") for i in range(len(sizes))]


def run(reference, candidate, matches, fail_at=None, **options):
    pairs = Pairs(reference, candidate, fail_at)
    return pairs, lockstep(reference, candidate, matches, pairs, **options)


def test_same_order_shows_every_pair_and_returns_both_outputs():
    reference, candidate, matches = sides([10, 20, 30])
    pairs, together = run(reference, candidate, matches)
    assert sorted(pairs.seen) == [("r0", "c0"), ("r1", "c1"), ("r2", "c2")]
    assert together.unmet == ()
    assert together.reference[0] == together.candidate[0] == 3


def test_large_values_meet_without_any_copy():
    reference, candidate, matches = sides([1000] * 50)
    _, together = run(reference, candidate, matches, grain=100)
    assert together.peak_nbytes == together.spilled_nbytes == 0


def test_small_values_are_held_up_to_the_grain():
    reference, candidate, matches = sides([100] * 200)
    _, together = run(reference, candidate, matches, grain=4000)
    assert 3600 <= together.peak_nbytes <= 4000 + 2 * 400


def test_exact_values_come_along():
    sizes = [5, 6, 7]
    exact = {f"r{i}": np.full(n, i + 0.5) for i, n in enumerate(sizes)}
    for order in ([0, 1, 2], [2, 1, 0]):
        reference, candidate, matches = sides(sizes, order, exact=exact)
        pairs, _ = run(reference, candidate, matches, grain=0)
        assert len(pairs.seen) == 3


@pytest.mark.parametrize("grain", [0, 4000, 2**20])
def test_reversed_orders_end(grain):
    reference, candidate, matches = sides([100] * 60, candidate_order=range(59, -1, -1))
    pairs, together = run(reference, candidate, matches, grain=grain)
    assert len(pairs.seen) == 60
    assert together.peak_nbytes <= 60 * 400  # holding one whole side is what reversal takes


def test_beyond_the_memory_bound_values_go_to_disk_and_come_back():
    sizes = [100] * 60
    reference, candidate, matches = sides(sizes, candidate_order=range(59, -1, -1))
    pairs, together = run(reference, candidate, matches, memory=4000, grain=1000)
    assert len(pairs.seen) == 60
    assert together.peak_nbytes <= 4000
    assert 0 < together.spilled_nbytes <= 2 * 60 * 400


def test_bfloat16_and_empty_values_come_back_from_disk():
    kind = ml_dtypes.bfloat16
    reference, candidate = Side(values("r", [3, 0, 5, 2], kind)), Side({})
    candidate.values = values("c", [3, 0, 5, 2], kind)
    candidate.order = ["c3", "c2", "c1", "c0"]
    pairs, together = run(
        reference, candidate, [match(f"r{i}", f"c{i}") for i in range(4)], memory=0
    )
    assert len(pairs.seen) == 4
    assert together.spilled_nbytes > 0


def test_a_full_disk_is_one_clear_sentence(monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    reference, candidate, matches = sides([100, 100], [1, 0])
    with pytest.raises(OutputError, match=r"No space left on device. Raise --memory"):
        run(reference, candidate, matches, memory=0)


def test_a_site_may_serve_several_matches():
    reference, candidate = Side(values("r", [4, 4, 4])), Side(values("c", [4, 4, 4]))
    matches = [match("r0", "c0"), match("r0", "c2"), match("r1", "c1"), match("r2", "c1")]
    for grain in (0, 2**20):
        pairs, together = run(reference, candidate, matches, grain=grain)
        assert sorted(pairs.seen) == [("r0", "c0"), ("r0", "c2"), ("r1", "c1"), ("r2", "c1")]
        assert not together.unmet


@pytest.mark.parametrize("absent", ["reference", "candidate"])
def test_a_side_that_does_not_deliver_leaves_the_match_unmet(absent):
    reference, candidate, matches = sides([10] * 5)
    (reference if absent == "reference" else candidate).order.pop(2)
    pairs, together = run(reference, candidate, matches, grain=0)
    assert len(pairs.seen) == 4
    assert [(unmet.match, unmet.missing) for unmet in together.unmet] == [(matches[2], (absent,))]


def test_no_matches_still_run_both_sides():
    reference, candidate, _ = sides([10] * 5)
    pairs, together = run(reference, candidate, [])
    assert not pairs.seen
    assert together.reference[0] == together.candidate[0] == 0


@pytest.mark.parametrize("broken", ["reference", "candidate"])
@pytest.mark.parametrize("grain", [0, 2**20])
def test_an_exception_on_one_side_stops_the_other_and_is_raised(broken, grain):
    reference, candidate, matches = sides([10] * 20)
    side = reference if broken == "reference" else candidate
    side.fail_at = side.order[10]
    pairs = Pairs(reference, candidate)
    with pytest.raises(ArithmeticError, match="10 fails"):
        lockstep(reference, candidate, matches, pairs, grain=grain)
    other = candidate if broken == "reference" else reference
    assert other.unwound_by in {"Stopped", None}
    assert len(pairs.seen) <= 10


def test_a_runner_that_wraps_exceptions_does_not_hide_the_other_sides_failure():
    reference, candidate, matches = sides([10] * 5)
    candidate.fail_at = "c2"

    def wrapping(probe, sites):
        try:
            return reference(probe, sites)
        except Exception as error:
            raise ValueError("the model fails") from error

    with pytest.raises(ArithmeticError, match="c2 fails"):
        lockstep(wrapping, candidate, matches, lambda *_: None)


@pytest.mark.parametrize("grain", [0, 2**20])
def test_an_exception_of_the_callback_is_not_taken_for_the_models(grain):
    reference, candidate, matches = sides([10] * 5)

    def wrapping(side, probe, sites):
        try:
            return side(probe, sites)
        except Exception as error:
            raise ValueError("the model fails") from error

    pairs = Pairs(reference, candidate, fail_at="r3")
    with pytest.raises(LookupError, match="nobody wants this pair"):
        lockstep(
            partial(wrapping, reference), partial(wrapping, candidate), matches, pairs, grain=grain
        )
    assert len(pairs.seen) == 3
    assert reference.unwound_by == "Stopped"
    assert candidate.unwound_by in {"Stopped", None}  # None: it had come to its end before


@pytest.mark.parametrize("slow", ["reference", "candidate"])
def test_ctrl_c_stops_both_and_keeps_what_was_seen(slow):
    reference, candidate, matches = sides([10] * 400)
    (reference if slow == "reference" else candidate).delay = 0.01
    pairs = Pairs(reference, candidate)
    main = threading.main_thread().ident
    timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        lockstep(reference, candidate, matches, pairs, grain=40)
    timer.join()
    assert 0 < len(pairs.seen) < 400


def test_ctrl_c_while_the_candidate_alone_still_runs():
    reference, candidate, matches = sides([10] * 3)
    candidate.order += [f"late{i}" for i in range(500)]
    candidate.values |= {f"late{i}": np.zeros(1, np.float32) for i in range(500)}
    reference.values["never"] = np.zeros(1, np.float32)
    matches += [match("never", f"late{i}") for i in range(500)]
    candidate.delay = 0.01
    timer = threading.Timer(0.3, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(reference, candidate, matches, grain=0)
    timer.join()
    assert candidate.unwound_by == "Stopped"


def test_the_reference_runs_in_the_callers_thread():
    reference, candidate, matches = sides([1])
    seen = {}

    def noting(name, side, probe, sites):
        seen[name] = threading.current_thread()
        return side(probe, sites)

    lockstep(
        partial(noting, "reference", reference),
        partial(noting, "candidate", candidate),
        matches,
        lambda *_: None,
    )
    assert seen["reference"] is threading.current_thread()
    assert seen["candidate"] is not threading.current_thread()


@pytest.mark.parametrize("seed", range(40))
def test_random_orders_sizes_matches_and_bounds(seed):
    """Any orders, sizes, 1:n and n:1 matches, absent values and bounds: all that can meet does."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    sizes = rng.integers(0, 300, count)
    reference, candidate, matches = sides(sizes)
    for side in (reference, candidate):
        jitter = rng.choice([0, 3, count]) * rng.random(count)
        side.order = [side.order[i] for i in np.argsort(np.arange(count) + jitter)]
        side.order = side.order[: count - int(rng.integers(0, 2))]
        side.delay = float(rng.choice([0, 0, 1e-4]))
    extra = rng.integers(0, count, (count // 3, 2))
    matches += [match(f"r{a}", f"c{b}") for a, b in extra if a != b]
    matches = list(dict.fromkeys(matches))
    memory = int(rng.choice([0, 500, 5000, 10**9]))
    pairs, together = run(
        reference, candidate, matches, memory=memory, grain=int(rng.choice([0, 200, 10**6]))
    )
    meet = {(m.reference, m.candidate) for m in matches}
    meet = {(r, c) for r, c in meet if r in reference.order and c in candidate.order}
    assert len(pairs.seen) == len(set(pairs.seen))
    assert set(pairs.seen) == meet
    assert len(together.unmet) == len(matches) - len(meet)
    assert together.peak_nbytes <= memory


def test_python_ends_well_while_the_candidate_still_runs():
    """After a second Ctrl-C nobody waits for it, and it calls back into Python all the time."""
    code = """
import signal, threading
from functools import partial
import numpy as np
from divergence.capture.baton import Baton
from divergence.capture.lockstep import lockstep
from divergence.capture.onnx_runner import OnnxRunner
from divergence.records import Call
from tests.capture.onnx_graphs import graph

nodes = " ".join(f"v{n + 1} = Abs(v{n})" for n in range(500))
runner = OnnxRunner(graph(f"g (float[2] v0) => (float[2] v500) {{ {nodes} }}"), observe="observers")
call = Call(kwargs={"v0": np.zeros(2, np.float32)})
runner.run(call, lambda *seen: None)

def candidate(probe, sites):
    for _ in range(20):
        runner.run(call, lambda *seen: None)
    return ()

def impatient(self, side):
    raise KeyboardInterrupt

Baton.wait_finished = impatient
threading.Timer(0.1, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
try:
    lockstep(lambda probe, sites: (), candidate, (), print)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr[-2000:]
