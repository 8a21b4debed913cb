"""Jobs are done with the package's verbs, and go on after their last whole window."""

from __future__ import annotations

import hashlib

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra serve")

from skyreels_avatar.apps.jobs.records import NewJob
from skyreels_avatar.apps.jobs.run import SCRIPT, Engine, remove_work, run_job
from skyreels_avatar.errors import Cancelled
from tests.samples import write_portrait, write_voice


@pytest.fixture
def make(queue, storage, tmp_path):
    """Return a function that does a job with a drawn portrait and a tone, and returns both."""
    image, audio = write_portrait(tmp_path), write_voice(tmp_path, 0.8)
    files = {"file_a": image.name, "file_b": audio.name}

    def run(kind, values, on_progress=lambda progress: None, script=None):
        new = NewJob("anna", kind, values, files)
        queue.submit(new)
        folder = storage.job_folder(new.id)
        folder.mkdir(parents=True)
        for source in (image, audio):
            (folder / source.name).write_bytes(source.read_bytes())
        if script is not None:
            (folder / SCRIPT).write_text(script)
        return folder, lambda: run_job(queue.claim("host:1"), folder, on_progress, Engine())

    return run


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


VALUES = {
    "image": "file_a",
    "audio": "file_b",
    "size": "96x96",
    "seed": 3,
    "face": {"x": 0.5, "y": 0.4},
}


def test_a_job_that_was_stopped_goes_on_and_ends_with_the_same_bytes(make, queue):
    calm, run = make("generate", VALUES)
    result = run()
    assert (result["width"], result["height"], result["num_frames"]) == (96, 96, 20)
    assert (calm / "picture.jpg").is_file()
    remove_work(queue.list("anna")[0], calm)
    assert not (calm / "work").exists()
    reports = []

    def stop_after_a_window(progress):
        reports.append(progress)
        return progress.stage != "finish"

    folder, run = make("generate", VALUES, stop_after_a_window)
    with pytest.raises(Cancelled):
        run()
    assert not (folder / "video.mp4").exists() and list((folder / "work").glob("*/piece_*.mp4"))
    queue.release("host:1", crashed=False)
    reports.clear()
    job = queue.claim("host:1")
    run_job(job, folder, reports.append, Engine())
    assert reports[-1].done == 20 and not any(report.stage == "decode" for report in reports)
    assert _digest(folder / "video.mp4") == _digest(calm / "video.mp4")


def test_a_film_and_a_text_are_made(make, monkeypatch):
    script = "{soundtrack: voice.wav, size: 96x96, shots: [{image: person.png}]}"
    folder, run = make("film", {"script": script}, script=script)
    assert run()["shots"] == 1 and (folder / "video.mp4").is_file()
    pytest.importorskip("espeakng_loader", reason="needs the extra voice")
    folder, run = make("speak", {"text": "Hello.", "voice": "espeak:en-us"})
    result = run()
    assert result["duration_s"] > 0.2 and (folder / result["audio"]).is_file()


def test_a_film_takes_the_shots_of_an_earlier_one_that_did_not_change(make, queue):
    script = (
        "{soundtrack: voice.wav, size: 96x96, shots: [{image: person.png, end_s: 0.4}, "
        "{image: person.png, camera: static}]}"
    )
    folder, run = make("film", {"script": script}, script=script)
    first = run()
    remove_work(queue.list("anna")[0], folder)
    assert (first["shots"], first["shots_made"]) == (2, 2)
    changed = script.replace("static", '"push_in:40"')
    values = {"script": changed, "reuse": folder.name}
    again, run = make("film", values, script=changed)
    second = run()
    assert (second["shots"], second["shots_made"]) == (2, 1)
    kept = [path.name for path in (folder / "work" / "shots").glob("*.mp4")]
    assert len(kept) == 2 and all((again / "work" / "shots" / name).is_file() for name in kept)


def test_a_text_that_looks_like_a_file_stays_a_text(make):
    from skyreels_avatar.apps.jobs.run import with_paths

    folder, _ = make("speak", {"text": "file_a"})
    values = {"image": "file_a", "prompt": "file_a", "text": "file_a"}
    found = with_paths(values, {"file_a": "person.png"}, folder)
    assert found == {"image": folder / "person.png", "prompt": "file_a", "text": "file_a"}
