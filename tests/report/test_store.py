"""A run on disk is whole or as it was before."""

import subprocess
import sys

import pytest

from divergence import writable
from divergence.errors import LoadError, OutputError
from divergence.report import Report, store
from tests.report import samples

FILES = {"report.json", "report.html", "pairs.csv"}


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_run_is_three_files_and_comes_back(tmp_path):
    report = samples.divergent_vit()
    assert report.save(tmp_path / "deep" / "run") == tmp_path / "deep" / "run"
    assert names(tmp_path / "deep" / "run") == FILES
    assert Report.load(tmp_path / "deep" / "run") == report
    assert Report.load(tmp_path / "deep" / "run" / "report.json") == report


def test_without_a_page_one_of_an_earlier_run_does_not_stay(tmp_path):
    samples.clean_vit().save(tmp_path)
    samples.divergent_vit().save(tmp_path, html=False)
    assert names(tmp_path) == FILES - {"report.html"}


def test_files_of_the_users_own_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    samples.clean_vit().save(tmp_path)
    assert names(tmp_path) == FILES | {"notes.txt"}


def test_files_get_the_rights_that_the_user_gives_files(tmp_path):
    other = tmp_path / "other"
    other.write_text("")
    samples.clean_vit().save(tmp_path / "run")
    assert (tmp_path / "run" / "report.json").stat().st_mode == other.stat().st_mode


def on_a_full_disk(folder):
    """Save in a process that may write no file beyond 20 kB, as on a disk that fills up."""
    code = (
        "import resource, signal, sys; sys.path[:0] = ['.']\n"
        "from tests.report import samples\n"
        "from divergence.errors import OutputError\n"
        "report = samples.divergent_vit()\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    report.save(sys.argv[1])\n"
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    return run.stdout


def test_a_full_disk_leaves_the_old_run_whole(tmp_path):
    samples.clean_vit().save(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    told = on_a_full_disk(tmp_path)
    assert "cannot write the report to" in told
    assert "File too large; nothing was changed there" in told
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_leaves_no_new_folder(tmp_path):
    assert "cannot write the report" in on_a_full_disk(tmp_path / "new" / "run")
    assert names(tmp_path) == set()


def test_a_file_in_the_way_is_told_before_a_run(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken is not a folder"):
        store.check_writable(tmp_path / "taken" / "run")
    with pytest.raises(OutputError, match="cannot write the report"):
        samples.clean_vit().save(tmp_path / "taken")


def test_a_read_only_folder_is_told_before_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(writable.os, "access", lambda path, mode: False)  # a superuser may all
    with pytest.raises(OutputError, match=r"is not writable; choose another folder with --output"):
        store.check_writable(tmp_path / "run")


def test_a_relative_folder_is_checked_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store.check_writable(store.Path("run"))


def test_a_missing_run_is_told_with_what_to_give(tmp_path):
    with pytest.raises(LoadError, match=r"there is no report at .*give the folder"):
        Report.load(tmp_path)


def test_a_picture_is_no_run(tmp_path):
    (tmp_path / "report.json").write_bytes(b"\x89PNG\r\n\xff")
    with pytest.raises(LoadError, match="cannot be read as a report"):
        Report.load(tmp_path)
