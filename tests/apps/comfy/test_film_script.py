"""Scripts in workflows are read as files would be, and reach one folder alone."""

from __future__ import annotations

import os
import shutil

import pytest

import skyreels_avatar as sa
from apps.comfy import film_script

SCRIPT = """
size: 128x96
shots:
  - {image: portrait.png, audio: speech.wav, end_s: 1, camera: push_in:60}
  - {image: portrait.png, audio: speech.wav, start_s: 1, end_s: 2}
"""


@pytest.fixture
def folder(tmp_path, root):
    made = tmp_path / "input"
    made.mkdir()
    for name in ("portrait.png", "speech.wav"):
        shutil.copy(root / "assets" / "examples" / name, made)
    return made


def test_a_script_is_read_and_leaves_no_file(folder):
    before = set(folder.iterdir())
    film = film_script.read_film(SCRIPT, folder)
    assert (film.width, film.height) == (128, 96)
    assert [shot.image for shot in film.shots] == [folder / "portrait.png"] * 2
    assert set(folder.iterdir()) == before


def test_problems_name_lines_and_not_our_file(folder):
    with pytest.raises(sa.InputError, match=r"script:4: 'imagee' is unknown.*'image'") as caught:
        film_script.read_film(SCRIPT.replace("image", "imagee", 1), folder)
    assert str(folder) not in str(caught.value)
    with pytest.raises(sa.InputError, match="script:"):
        film_script.read_film("shots: [", folder)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside.png", "a/../../outside.png", "~/x.png", "link.png"]
)
@pytest.mark.parametrize("key", ["image", "soundtrack", "motion", "face"])
def test_files_outside_the_folder_are_refused(name, key, folder):
    (folder.parent / "outside.png").touch()
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    if key == "face" and not name.endswith(".png"):
        name += ".png"
    script = f"shots:\n  - {{text: hello, {key}: {name}}}\n"
    with pytest.raises(sa.InputError, match="only files in ComfyUI's input folder"):
        film_script.read_film(script, folder)


def test_includes_are_refused(folder):
    with pytest.raises(sa.InputError, match="cannot include"):
        film_script.read_film("shots: [{include: more.yaml}]", folder)


def test_a_changed_file_changes_the_fingerprint(folder):
    before = film_script.fingerprint(SCRIPT, folder)
    assert len(before) == 4 and before == film_script.fingerprint(SCRIPT, folder)
    os.utime(folder / "speech.wav", (1, 1))
    assert film_script.fingerprint(SCRIPT, folder) != before
    assert film_script.fingerprint("shots: [", folder) == ()
