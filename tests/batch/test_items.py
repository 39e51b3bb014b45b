"""Which inputs make a set, and which are one call."""

import pytest

from divergence.batch.items import items_of
from divergence.errors import InputError


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "deeper/c.npy"):
        (tmp_path / "in" / name).write_bytes(b"x")
    (tmp_path / "text.npy").write_bytes(b"x")
    return tmp_path


def names(*given, takes=1):
    return [item.name for item in items_of(list(given), takes) or ()]


def test_a_folder_holds_its_inputs_in_order(files):
    assert names("in") == ["in/a.JPG", "in/b.png", "in/deeper/c.npy"]


def test_a_glob_and_several_files(files):
    assert names("in/*.[pJ]*") == ["in/a.JPG", "in/b.png"]
    assert names("in/b.png", "in/a.JPG") == ["in/b.png", "in/a.JPG"]


def test_a_list_names_files_where_the_command_runs_or_beside_it(files):
    (files / "in" / "list.txt").write_text("# the set\nb.png\n\nin/a.JPG\nrandom:1x3\n")
    assert names("@in/list.txt") == ["in/b.png", "in/a.JPG", "random:1x3"]


def test_one_call_stays_one_call(files):
    assert items_of(["text.npy"], 1) is None
    assert items_of(["in/a.JPG", "in/b.png"], 2) is None
    assert items_of(["image=in/a.JPG", "text=text.npy"], 1) is None
    assert items_of(["random:1x3"], 1) is None
    assert items_of({"image": "in/a.JPG"}, 1) is None


def test_one_input_varies_and_the_others_are_the_same(files):
    items = items_of(["image=in", "text=text.npy"])
    assert items[0].inputs == ["image=in/a.JPG", "text=text.npy"]
    assert items[0].name == "in/a.JPG"


def test_a_file_that_was_named_must_be_there(files):
    (files / "list.txt").write_text("in/b.png\n" + "".join(f"gone{n}.png\n" for n in range(5)))
    with pytest.raises(
        InputError, match=r"names 6 inputs, and 5 are not there: 'gone0.png'.*2 more"
    ):
        items_of(["@list.txt"])
    with pytest.raises(InputError, match=r"2 inputs are given, and 1 is not there: 'in/gone.png'"):
        items_of(["in/b.png", "in/gone.png"], 1)


def test_what_cannot_be_a_set_is_said(files):
    with pytest.raises(InputError, match="both stand for several inputs; one may"):
        items_of(["a=in", "b=in/*.png"])
    with pytest.raises(InputError, match="another has no name"):
        items_of(["in", "text.npy"])
    with pytest.raises(InputError, match="'none/\\*' holds no input: no file"):
        items_of(["none/*"])
    (files / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no input: files that end in \.bmp"):
        items_of(["empty"])
    with pytest.raises(InputError, match=r"The list 'gone\.txt' cannot be read"):
        items_of(["@gone.txt"])
