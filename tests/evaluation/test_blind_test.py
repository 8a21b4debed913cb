"""The page of a blind test, and what is read from its answers."""

import json
import re

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation.blind_test import read_answers, write_blind_test


@pytest.fixture
def folders(tmp_path):
    for folder, names in (("a", ("x.mp4", "y.mp4", "z.webm")), ("b", ("y.mov", "x.mp4", "w.mp4"))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    (tmp_path / "a" / "notes.txt").touch()
    return tmp_path / "a", tmp_path / "b"


def test_videos_of_one_name_are_paired(folders, tmp_path):
    path = tmp_path / "page.html"
    assert write_blind_test(*folders, path, question="</script>?") == 2
    text = path.read_text()
    pairs = json.loads(re.search(r"PAIRS = (\[.*?\]), answers", text)[1])
    assert {pair["name"]: pair["videos"] for pair in pairs} == {
        "x": ["a/x.mp4", "b/x.mp4"], "y": ["a/y.mp4", "b/y.mov"],
    }  # fmt: skip
    assert text.count("</script>") == 1
    assert "button.disabled = true" in text and "video.onended" in text  # nobody chooses unseen


def test_too_few_pairs_say_what_is_needed(folders, tmp_path):
    (folders[1] / "x.mp4").unlink()
    with pytest.raises(InputError, match="1 videos of the same name"):
        write_blind_test(*folders, tmp_path / "page.html")


def answers(path, chosen: str, rater: str):
    lines = ["rater,video,chosen,side,milliseconds"]
    lines += [f'"{rater}","x","{one}","{"left" if i % 2 else "right"}","900"'
              for i, one in enumerate(chosen)]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


def test_answers_become_a_share_with_an_interval(tmp_path):
    found = read_answers(
        [answers(tmp_path / "1.csv", "AAAB", "p"), answers(tmp_path / "2.csv", "AAAB", "q")]
    )
    assert (found.chosen_a, found.answers, found.raters) == (6, 8, 2)
    assert found.share == 0.75 and found.left == 0.5
    # Clopper and Pearson for 6 of 8, from tables.
    assert found.low == pytest.approx(0.3491, abs=1e-3)
    assert found.high == pytest.approx(0.9681, abs=1e-3)


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "rater,video,chosen,side\np,x,C,left\n"])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="answers"):
        read_answers([path])


def test_no_answers_are_an_error(tmp_path):
    with pytest.raises(InputError, match="no answers"):
        read_answers([answers(tmp_path / "1.csv", "", "p")])
