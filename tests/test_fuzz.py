"""Files mutated at random: only errors of ours come out, nothing hangs, nothing is left behind."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
import yaml
from PIL import Image

import skyreels_avatar as sa
from skyreels_avatar.documents import read_mapping
from skyreels_avatar.errors import AvatarError
from skyreels_avatar.film.script_reader import read_script
from skyreels_avatar.film.transcript import Transcript
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.loading.checkpoints.load import load_module, save_module
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.subtitles import subtitle_path
from skyreels_avatar.media.video import VideoReader, check_output
from skyreels_avatar.models.audio_encoder import AudioEncoder

NUM_MUTANTS = 32  # of each kind
PICTURES = ("a.png", "a.jpg", "a.webp", "a.tif", "a.gif", "a.psd.bmp")
# What has once ended in a traceback, to be put in the place of a value.
NASTY = (
    '!!int ""', "!!bool foo", "!!timestamp foo", "0x" + "F" * 5000, "9" * 400, "-9" * 300,
    "~nobody/x.png", "${oc.env:HOME}", "\0", ".nan", ".inf", "1e999", "null", "true", "-1", "[]",
    "{}", "'" + "x" * 3000 + "'", "&a [*a]", "<<: *b", "[[[[[[[[[[[[[[[[[[[[[[", "2020-99-99",
    "on a lamptop", "<" * 5000, "::::", "\ud7ff", "1:99:99", "0b_", "=",
)  # fmt: skip
FILM = """soundtrack: a.wav
transcript: a.srt
size: 128x96
fps: 25
defaults: &d {image: a.png, prompt: she smiles}
shots:
  - {end_s: 0.3, camera: push_in:60}
  - {to: world, camera: {move: swing, strength: 0.5}}
  - {duration_s: 0.2, camera: [[0, static], [0.1, pan_left, 0.3]], fade_s: 0.1}
"""
SUBTITLES = """1
00:00:00,100 --> 00:00:00,500
Hello <i>world</i>

2
00:00:00,600 --> 00:00:00,900
Bye
"""
LYRICS = "[00:00.10]hello <00:00.30>world\n[00:00.60]bye\n"


def _write_seeds(folder: Path) -> None:
    y, x = np.mgrid[0:64, 0:72]
    pixels = np.stack([x * 3, y * 3, 128 + 0 * x], axis=-1).astype(np.uint8)
    for name in PICTURES:
        Image.fromarray(pixels).save(folder / name)
    sound = 0.1 * np.sin(np.arange(16_000) / 20)
    for name in ("a.wav", "a.flac", "a.mp3"):
        soundfile.write(folder / name, sound, 16_000)
    with av.open(str(folder / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 72, 64, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    (folder / "film.yaml").write_text(FILM)
    (folder / "a.srt").write_text(SUBTITLES)
    (folder / "a.lrc").write_text(LYRICS)
    (folder / "tier.yaml").write_text(
        "weights: {vae: a, transformer: b, controlnet: c, audio_encoder: d, text_encoder: e}\n"
        "fps: 25\nwindow: 49\nmemory: auto\nloras: {l.safetensors: 0.5}\nsizes: {vae: {dim: 3}}\n"
    )
    request = sa.GenerationRequest(
        sa.Shot(image="a.png", audio="a.wav", prompt="hi", camera="push_in:60", seed=3),
        "o.mp4", size="128x128", sampling=sa.SamplingParams(4, 2.0, 1.5, 7),
    )  # fmt: skip
    (folder / "request.json").write_text(json.dumps(request.to_dict(), indent=1))
    torch.manual_seed(0)
    save_module(AudioEncoder(dim=16, hidden_dim=16), folder / "a.safetensors")


def _read_weights(path: Path) -> None:
    load_module(AudioEncoder, path)
    public = WeightFile(path)
    for name in public:
        _ = public[name]


def _read_request(path: Path) -> None:
    sa.GenerationRequest.from_dict(read_mapping(path, "request"))


DOORS: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys(PICTURES, Portrait.load),
    **dict.fromkeys(("a.wav", "a.flac", "a.mp3"), AudioTrack.load),
    "a.mp4": lambda path: list(VideoReader(path)),
    "film.yaml": read_script,
    "a.srt": Transcript.load,
    "a.lrc": Transcript.load,
    "tier.yaml": load_tier,
    "request.json": _read_request,
    "a.safetensors": _read_weights,
}
TEXTS = (".yaml", ".srt", ".lrc", ".json")


def _mutated(data: bytes, dice: random.Random, is_text: bool) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        place, turn = dice.randrange(len(changed) + 1), dice.randrange(6)
        if is_text and turn < 4:
            text = changed.decode("utf-8", "replace")
            words = text.split(" ")
            words[dice.randrange(len(words))] = dice.choice(NASTY)
            changed = bytearray(" ".join(words).encode("utf-8", "replace"))
        elif turn == 4:
            changed = changed[:place] or changed
        elif turn == 5:
            changed[place:place] = changed[place : place + dice.randint(1, 64)]
        else:
            for _ in range(dice.randint(1, 8)):
                # The first bytes are the headers, where readers go wrong.
                at = dice.randrange(min(len(changed), dice.choice((64, 400, len(changed)))))
                changed[at] = dice.choice((0, 255, 127, dice.randrange(256)))
    return bytes(changed)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    _write_seeds(folder)
    return folder


@pytest.mark.parametrize("name", DOORS)
def test_only_errors_of_ours_come_out_of_mutated_files(seeds, name, monkeypatch):
    """5,895 mutated files once ended in 68 tracebacks of 19 kinds."""
    monkeypatch.chdir(seeds)
    DOORS[name](seeds / name)  # the seed itself is fine
    data, dice = (seeds / name).read_bytes(), random.Random(name)
    mutant = seeds / f"mutant{Path(name).suffix}"
    refused = 0
    for _ in range(NUM_MUTANTS):
        changed = _mutated(data, dice, mutant.suffix in TEXTS)
        mutant.write_bytes(changed)
        before = sorted(seeds.iterdir())
        try:
            DOORS[name](mutant)
        except AvatarError as error:
            refused += 1
            assert len(str(error)) < 3000, "a message that repeats the file"
        except BaseException as error:
            raise AssertionError(
                f"{type(error).__name__}: {error} of {changed[:3000]!r}"
            ) from error
        assert sorted(seeds.iterdir()) == before
    mutant.unlink()
    assert refused or name == "a.mp3"  # a player finds its way through any MP3


def test_there_are_enough_of_them():
    assert len(DOORS) * NUM_MUTANTS >= 500


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1}\n" + "".join(
            f"{c}: &{c} {{<<: [{', '.join(['*' + p] * 9)}], k{c}: 1}}\n"
            for p, c in zip("abcdefghijk", "bcdefghijkl")
        ),
        "x: [" + "1, " * 400_000 + "1]\n",
        "x: " + "[" * 5000,
        "x: " + "- " * 5000 + "1",
    ],
    ids=["merges of merges", "a flat list", "brackets", "dashes"],
)  # fmt: skip
def test_documents_that_grow_are_refused_before_they_do(tmp_path, text):
    """441 bytes of merges took 2.8 GB, a flat list of 2 MB 73 seconds."""
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(sa.InputError, match=r"values|aliases|nested|not valid YAML"):
        read_mapping(tmp_path / "a.yaml")
    assert yaml.safe_load("x: [1]") == {"x": [1]}


def test_a_pipe_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "film.yaml")
    for reader in (read_script, load_tier, read_mapping):
        with pytest.raises(sa.InputError, match=r"not a regular file|no tier file"):
            reader(tmp_path / "film.yaml")


def test_a_hundred_thousand_brackets_in_subtitles_take_no_time(tmp_path):
    """The pattern of tags looked for an end from every one of them: 13 seconds."""
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:00,100 --> 00:00:00,500\nHello " + "<" * 100_000 + "\n")
    assert [word.text for word in Transcript.load(path).words] == ["Hello"]


def test_a_tier_reads_no_environment_and_repeats_nothing_of_other_files(tmp_path, monkeypatch):
    """`--tier /some/secret` printed the file, `${oc.env:NAME}` the variable."""
    monkeypatch.setenv("SECRET_NAME", "hunter2")
    (tmp_path / "a.yaml").write_text("fps: ${oc.env:SECRET_NAME}\n")
    (tmp_path / "b.yaml").write_text("password: hunter2\nuser: me\n")
    (tmp_path / "c.yaml").write_text("root:x:0:0:hunter2:/root:/bin/sh\n")
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        with pytest.raises(sa.InputError) as caught:
            load_tier(tmp_path / name)
        assert "hunter2" not in str(caught.value)
    film = "shots:\n  - {include: b.yaml}\n  - {include: c.yaml}\n"
    (tmp_path / "film.yaml").write_text(film)
    with pytest.raises(sa.InputError) as caught:
        read_script(tmp_path / "film.yaml")
    assert "hunter2" not in str(caught.value) and "password" not in str(caught.value)


@pytest.mark.parametrize("name", ["~nobody-of-that-name/a", "x" * 5000, "a\0b"], ids=len)
def test_paths_that_cannot_be_are_errors_at_every_door(tmp_path, name):
    """`~nobody/x.png` ended in a RuntimeError of pathlib, 5,000 letters in an OSError."""
    shot = {"image": "p.png", "audio": "a.wav"}
    doors = [
        lambda: Portrait.load(f"{name}.png"),
        lambda: AudioTrack.load(f"{name}.wav"),
        lambda: check_output(f"{name}.mp4"),
        lambda: read_script(f"{name}.yaml"),
        lambda: load_tier(f"{name}.yaml"),
    ]
    if len(name) < 1000:  # a request may be made before its files are
        doors += [partial(sa.Shot, **{**shot, key: name}) for key in shot]
        doors += [lambda: subtitle_path(f"{name}.srt", tmp_path / "o.mp4")]
    for door in doors:
        with pytest.raises(sa.InputError):
            door()


@pytest.mark.parametrize("line", ["sizes: []", "loras: [[]]", f"weights: {{vae: {'x' * 5000}}}"])
def test_tiers_of_other_shapes_are_errors(tmp_path, line):
    """OmegaConf answered with a TypeError, the file system with an OSError."""
    weights = "{vae: a, transformer: b, controlnet: c, audio_encoder: d, text_encoder: e}"
    more = "" if "weights" in line else f"weights: {weights}\n"
    (tmp_path / "t.yaml").write_text(f"{more}{line}\n")
    with pytest.raises(sa.InputError):
        load_tier(tmp_path / "t.yaml")


@pytest.mark.parametrize(
    "values",
    [
        {"name": "zoom"}, {"name": ["push_in"]}, {"strength": 10**400}, {"strength": True},
        {"strength": float("nan")}, {"strength": 1.2}, {"seed": 2**64}, {"ease": None},
        {"absolute": "yes"},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_camera_move_is_an_input_error(values):
    """`sa.CameraMove("zoom")` raised a plain ValueError, a strength of 400 digits OverflowError."""
    with pytest.raises(sa.InputError) as caught:
        sa.CameraMove(**{"name": "push_in", **values})
    assert len(str(caught.value)) < 300
    camera = {"move": "push_in", **values}
    camera["move"] = camera.pop("name", "push_in")
    with pytest.raises(sa.InputError):
        sa.Shot(image="p.png", audio="a.wav", camera=camera)


def test_camera_moves_of_both_classes_are_equal():
    from skyreels_avatar.camera.moves import CameraMove

    ours, plain = sa.CameraMove("swing", 0.3), CameraMove("swing", 0.3)
    assert ours == plain and plain == ours and hash(ours) == hash(plain)
    assert ours != CameraMove("swing", 0.4)
    shot = sa.Shot(image="p.png", audio="a.wav", camera=plain)
    assert sa.Shot(image="p.png", audio="a.wav", camera="swing:30") == shot
