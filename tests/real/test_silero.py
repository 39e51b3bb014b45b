"""silero-vad as its package ships it, on several signals, at both rates, and in mid-stream."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

import divergence
from sample_models.silero_vad import vowel
from tests.real.measure import measure

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
]

CLEAN = ("identical", "rounding")
WIDE = (16_000, 512, 64)  # rate, samples of a chunk, samples before it that ONNX is given too
NARROW = (8_000, 256, 32)


def noise(samples, seed=0, loudness=0.1):
    return loudness * torch.randn(1, samples, generator=torch.manual_seed(seed))


SIGNALS = {
    "vowel": vowel,
    "noise": lambda: noise(512),
    "loud noise": lambda: noise(512, 1, 0.9),
    "silence": lambda: torch.zeros(1, 512),
}


@pytest.fixture(scope="module")
def files(sample):
    return sample("silero_vad")


def given(chunk, rate, before, state):
    return {
        "x": chunk.numpy(),
        "input": torch.cat([before, chunk], dim=1).numpy(),
        "state": state,
        "sr": np.array(rate),
    }


def outset(shape):
    rate, samples, context = shape
    return rate, torch.zeros(1, context), np.zeros((2, 1, 128), np.float32), samples


@pytest.mark.parametrize("file", ["op15", "if", "ifless"])
def test_the_files_as_shipped_are_clean(sample, row, file):
    figures = measure(sample("silero_vad"), file)
    row("silero_vad", file, figures)
    assert figures.status in CLEAN, figures.sentence
    assert figures.observer_effect == 0


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("file", ["op15", "if", "ifless"])
def test_any_signal_is_clean(files, file, signal):
    rate, before, state, _ = outset(WIDE)
    inputs = given(SIGNALS[signal](), rate, before, state)
    report = divergence.trace(files.model, files.onnx[file], inputs)
    assert report.verdict.status in CLEAN, report.verdict.sentence
    assert "<root>" in {pair.reference for pair in report.outputs}


def test_the_other_branch_runs_at_the_other_rate(files):
    rate, before, state, samples = outset(NARROW)
    report = divergence.trace(
        files.model, files.onnx["if"], given(noise(samples), rate, before, state)
    )
    assert report.verdict.status in CLEAN, report.verdict.sentence
    assert len(report.pairs) > 15
    shown = [p.candidate for p in report.pairs if "_branch/" in p.candidate]
    assert all(name.startswith("If_0/else_branch/") for name in shown)


@pytest.mark.parametrize(
    ("file", "shape"), [("op15", WIDE), ("if", WIDE), ("if", NARROW), ("ifless", WIDE)]
)
def test_in_mid_stream_both_sides_start_from_the_state_they_are_in(files, file, shape):
    rate, before, state, samples = outset(shape)
    archive = torch.jit.load(str(files.model))
    session = onnxruntime.InferenceSession(str(files.onnx[file]))
    for number in range(3):
        chunk = noise(samples, number)
        feeds = given(chunk, rate, before, state)
        report = divergence.trace(archive, files.onnx[file], feeds)
        assert report.verdict.status in CLEAN, report.verdict.sentence
        expected = archive(chunk, rate)  # the trace left the state alone; this moves it on
        fed = {entry.name: feeds[entry.name] for entry in session.get_inputs()}
        probability, state = session.run(None, fed)
        np.testing.assert_allclose(probability, expected.detach().numpy(), atol=1e-5)
        before = chunk[:, -shape[2] :]
    assert np.abs(state).max() > 0, "this model keeps no state: the test is void"
