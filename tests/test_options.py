"""Options: one place that checks them, with words that say what to do."""

from pathlib import Path

import numpy as np
import pytest

from divergence.errors import OptionError
from divergence.options import Options, parse_options, parse_size


def test_defaults_are_those_of_the_interface():
    options = Options()
    assert options.output == Path("divergence-report")
    assert options.optimization == "deployed"
    assert not options.trust_pickle
    assert options.html
    assert not options.quiet


def test_strings_become_values():
    options = parse_options(
        {"output": "run", "memory": "2GiB", "rtol": "1e-3", "atol": 0, "threads": "2"}
        | {"ignore": ["head.*", "neck"], "provider": "cpu", "weights": None}
    )
    assert options.output == Path("run")
    assert options.memory == 2 * 2**30
    assert (options.rtol, options.atol, options.threads) == (1e-3, 0.0, 2)
    assert options.ignore == ("head.*", "neck")
    assert options.provider == "CPUExecutionProvider"
    assert options.weights is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rtol": 1e-3}, r"rtol is given without atol; give both"),
        ({"atol": 1e-3}, r"atol is given without rtol; give both"),
        ({"rtol": -1, "atol": 0}, r"rtol is -1.0; it is zero or a positive, finite number"),
        ({"rtol": 0, "atol": "nan"}, r"atol is nan; it is zero or a positive"),
        ({"rtol": "small", "atol": 0}, r"rtol is 'small'; it is a number such as 1e-3"),
        ({"optimization": "deploy"}, r"one of deployed, none.*Did you mean deployed\?"),
        ({"optimisation": "none"}, r"no option 'optimisation'. Did you mean optimization\?"),
        ({"memory": "lots"}, r"memory is 'lots'; it is a size such as 2GiB"),
        ({"memory": 0}, r"memory is 0 bytes; it is a positive size"),
        ({"device": "gpu"}, r"device is 'gpu'; it is one of cpu, mps, cuda"),
        ({"provider": "CUDA"}, r"provider is 'CUDA'; it is an ONNX Runtime name"),
        ({"threads": 0}, r"threads is 0; it is a positive number"),
        ({"threads": 1.5}, r"threads is 1.5; it is a whole number"),
        ({"seed": -1}, r"seed is -1; it is zero or a positive number"),
        ({"trust_pickle": "yes"}, r"trust_pickle is 'yes'; it is True or False"),
        ({"weights": 3}, r"weights is 3; it is a path"),
    ],
)
def test_a_wrong_option_is_one_clear_sentence(given, words):
    with pytest.raises(OptionError, match=words):
        parse_options(given)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("1kB", 1000), ("1KiB", 1024), ("1.5 GiB", 3 * 2**29), (7, 7), ("2T", 2 * 10**12)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


def test_the_report_shows_options_in_plain_words():
    shown = Options(
        factory=np.mean, candidate_inputs={"x": np.zeros(3)}, preprocess=[{"layout": "NCHW"}]
    ).describe()
    assert shown["factory"] == "numpy:mean"
    assert shown["candidate_inputs"] == {"x": "<ndarray>"}
    assert shown["preprocess"] == [{"layout": "NCHW"}]
    assert shown["output"] == "divergence-report"
