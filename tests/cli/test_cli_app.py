"""The command line itself: help, complaints, bugs, pipes."""

import os
import subprocess
import sys

import pytest

from divergence.cli import main
from tests.report import samples

COMMANDS = ("trace", "check", "report", "inspect", "inputs", "outputs", "stamp", "demo")


def leave(*words):
    """The exit code of what argparse ends by itself."""
    with pytest.raises(SystemExit) as stopped:
        main(words)
    return stopped.value.code


def test_the_help_names_every_command_and_exit_code(capsys):
    assert leave("--help") == 0
    out = capsys.readouterr().out
    assert all(f"\n    {command} " in out for command in COMMANDS)
    assert all(f"\n  {code} " in out for code in (0, 1, 2, 3, 130))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys, command):
    assert leave(command, "--help") == 0
    assert f"divergence {command}" in capsys.readouterr().out


def test_help_read_in_part_is_no_fault():
    code = "import sys; from divergence.cli import main; sys.exit(main(['--help']))"
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_version_is_said(capsys):
    assert leave("--version") == 0
    assert capsys.readouterr().out.startswith("divergence 0.")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("tarce",), "invalid choice: 'tarce'"),
        (("trace", "m", "o"), "required: INPUT"),
        (("trace", "m", "o", "i", "--optimisation", "none"), "Did you mean --optimization?"),
        (("trace", "m", "o", "i", "--rtol", "small"), "'small' is not a number such as 1e-3"),
        (("trace", "m", "o", "i", "--threads", "two"), "invalid int value: 'two'"),
        (("report", "a", "b"), "divergence report does not take 'b'"),
        (("report", "missing"), "there is no report at missing; give the folder"),
        (("report", "missing", "--trace"), "does not take '--trace'"),
    ],
)
def test_a_wrong_call_is_one_line_on_stderr_and_2(run, words, told):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert err.startswith("divergence: ")


def test_a_bug_shows_no_traceback_unless_asked(traced, run, monkeypatch):
    traced(ZeroDivisionError("in\nthe middle"))
    code, _, err = run("trace", "m", "o", "i")
    assert code == 2
    assert "unexpected ZeroDivisionError: in (this is a fault of divergence; --debug" in err
    assert "Traceback" not in err
    assert "Traceback" in run("trace", "m", "o", "i", "--debug")[2]
    monkeypatch.setenv("DIVERGENCE_DEBUG", "1")
    assert "Traceback" in run("trace", "m", "o", "i")[2]


def test_a_lack_of_memory_names_the_option(traced, run):
    traced(MemoryError())
    assert "give --memory a smaller bound" in run("trace", "m", "o", "i")[2]


def test_a_message_cannot_steer_the_terminal(traced, run):
    from divergence.errors import LoadError

    traced(LoadError("no file x\x1b[2J\nhere"))
    assert run("trace", "m", "o", "i")[2] == "divergence: no file x\\x1b[2J here\n"


@pytest.mark.parametrize(("report", "expected"), [("clean_vit", 0), ("divergent_vit", 1)])
def test_a_reader_that_leaves_changes_nothing(tmp_path, report, expected):
    """As in `divergence report RUN | head -0`: no traceback, the verdict's exit code."""
    saved = getattr(samples, report)().save(tmp_path / "run")
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from divergence.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "report", str(saved), "--no-html"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (expected, b"")
