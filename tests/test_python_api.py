"""The public names in use: types, values, former names, short texts, messages."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar import camera
from skyreels_avatar.deprecation import renamed_parameters
from skyreels_avatar.film.render import FilmResult
from skyreels_avatar.media.spoken_text import SpokenText
from skyreels_avatar.request.camera_spec import parse_camera

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "skyreels_avatar"
EXAMPLES = ROOT / "assets" / "examples"
VERBS = [name for name in sa.__all__ if inspect.isfunction(getattr(sa, name))]
VALUES = [name for name in sa.__all__ if inspect.isclass(getattr(sa, name))]


def test_type_checkers_and_python_find_each_name_in_the_same_module():
    """Two tables say where names are: one is read by type checkers, one when the program runs."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == sa._HOMES
    assert {*seen, "__version__"} == set(sa.__all__)


def test_generate_can_be_mocked_by_name():
    """The package refused to have its attribute `generate` replaced."""
    real = sa.generate
    with mock.patch("skyreels_avatar.generate", autospec=True) as fake:
        importlib.import_module("skyreels_avatar.api.generation")
        sa.generate("p.png", "a.wav")
    fake.assert_called_once_with("p.png", "a.wav")
    assert sa.generate is real


@pytest.mark.parametrize("name", VERBS)
def test_parameters_are_named_and_have_types(name):
    """`render` and `frames` took **settings, which neither editors nor `help` could list."""
    for parameter in inspect.signature(getattr(sa, name)).parameters.values():
        assert parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        assert parameter.annotation is not parameter.empty, parameter


@pytest.mark.parametrize("name", VERBS)
def test_every_parameter_is_documented(name):
    function = getattr(sa, name)
    listed = re.findall(r"^    (?:    )?([a-z][a-z_, \n]*):", inspect.getdoc(function), re.M)
    described = {word for words in listed for word in re.split(r",\s*", words)}
    assert set(inspect.signature(function).parameters) <= described


@pytest.mark.parametrize("name", [*VERBS, *VALUES])
def test_docstrings_point_at_public_names(name):
    """They spoke of `script.parse_camera` and `film.render.render`, which users do not import."""
    rooms = {path.stem for path in PACKAGE.iterdir()}
    for reference in re.findall(r"`([A-Za-z_.]+)`", inspect.getdoc(getattr(sa, name)) or ""):
        head = reference.removeprefix("sa.").split(".")[0]
        # A word such as `camera` may be a parameter and a folder: only paths are imported.
        assert head in sa.__all__ or head not in rooms or "." not in reference, reference


def test_former_names_of_parameters_keep_working():
    @renamed_parameters(num_inference_steps="steps")
    def make(prompt: str, *, steps: int = 1) -> tuple[str, int]:
        return prompt, steps

    assert make("a", steps=4) == ("a", 4)
    with pytest.warns(DeprecationWarning, match="num_inference_steps of make.* use steps"):
        assert make("a", num_inference_steps=4) == ("a", 4)
    with pytest.raises(TypeError, match="give steps alone"):
        make("a", steps=4, num_inference_steps=4)


@pytest.mark.parametrize(
    ("verb", "former", "value"),
    [
        ("generate", "num_inference_steps", 5000),
        ("generate", "start_s", -1.0),
        ("retalk", "num_inference_steps", 5000),
        ("retalk", "end_s", -1.0),
        ("render", "num_inference_steps", 5000),
    ],
)
def test_verbs_pass_on_what_has_a_former_name(verb, former, value, tmp_path):
    """A value that is refused has arrived."""
    given = {
        "generate": {"image": "p.png", "audio": "a.wav"},
        "retalk": {"video": "v.mp4", "audio": "a.wav"},
        "render": {"script": EXAMPLES / "film.yaml", "output": tmp_path / "film.mp4"},
    }[verb]
    with pytest.warns(DeprecationWarning), pytest.raises(sa.InputError, match=r"1000|start|end"):
        getattr(sa, verb)(**given, **{former: value})


def test_verbs_take_the_names_of_the_command_line():
    """Options of one name are given by that name; a repeated option becomes a list."""
    import typer

    from skyreels_avatar.cli.app import app

    verbs = [
        sa.generate, sa.retalk, sa.render, sa.plan, sa.evaluate, sa.doctor, sa.verify, sa.speak,
        sa.voices,
    ]  # fmt: skip
    commands = typer.main.get_command(app).commands
    # Of the command line alone: how it reads and prints, files beside, who makes one shot.
    console = {"as_json", "overwrite", "quiet", "verbose", "file", "otio", "animatic"}
    absent = {sa.generate: {"engine", "workers", "address"}, sa.plan: {"negative_prompt"}}
    absent[sa.doctor] = {"image"}  # in Python: sa.examine_picture
    absent[sa.evaluate] = {"html", "against"}  # of many videos
    renamed = {"speaker": "speakers", "film": "script", "videos": "video"}
    for verb in verbs:
        taken = set(inspect.signature(verb).parameters)
        options = {parameter.name for parameter in commands[verb.__name__].params}
        for option in options - console - absent.get(verb, set()):
            assert {option, renamed.get(option)} & taken, f"{verb.__name__}: {option}"


def test_results_have_short_texts(tmp_path):
    """A portrait or a sound printed all its numbers."""
    sound = sa.AudioTrack(np.zeros(48_000, np.float32), 16_000, Path("a.wav"))
    picture = sa.Portrait(np.zeros((64, 80, 3), np.uint8))
    film = FilmResult(Path("f.mp4"), (), (2,), 50, 25.0, 64, 80, 2.0, 0.0, 1.0)
    result = sa.GenerationResult(
        Path("o.mp4"), 50, 25.0, 64, 80, 2.0, {"total": 1.0}, 1.0, (0, 0, 1, 1), ("one",)
    )
    assert repr(sound) == "AudioTrack(3.00 s, 16000 Hz, mono, 'a.wav')"
    assert repr(picture) == "Portrait(80x64)"
    assert repr(film) == (
        "FilmResult('f.mp4', 80x64, 0 shots, 1 missing, 50 frames at 25 fps, 2.00 s, 0 warnings)"
    )
    assert repr(result) == (
        "GenerationResult('o.mp4', 80x64, 50 frames at 25 fps, 2.00 s, 1 warnings)"
    )
    assert repr(SpokenText(sound, (), (), "de")) == "SpokenText('de', 0 words, 3.00 s)"


def test_messages_of_the_library_name_no_flags():
    """Python errors asked for `--face`; the command line adds how a parameter is written there."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        rooms = ("cli", "apps")  # programs, whose messages are for who starts them
        if path.relative_to(PACKAGE).parts[0] in rooms or path.name == "doctor.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and re.search(r"(?<![\w-])--[a-z]", text):
                found.append(f"{path.name}:{node.lineno}: {text.strip()}")
    # How another program is started.
    others = "torchrun --nproc-per-node|ray start --head|--no-deps|--ignore-requires-python"
    assert [line for line in found if not re.search(others, line)] == []


def test_errors_say_which_parameter_they_ask_for():
    with pytest.raises(sa.InputError, match="give another size") as caught:
        sa.GenerationRequest(sa.Shot("p.png", audio="a.wav"), "o.mp4", size="20000x20000")
    assert caught.value.parameter == "size"


def test_a_wrong_camera_move_is_an_input_error_with_the_list_of_moves():
    """`CameraMove("zoom")` raised a ValueError that no `except sa.InputError` caught."""
    with pytest.raises(sa.InputError, match=r"zoom.*push_in.*swing"):
        sa.CameraMove("zoom")
    assert sa.CameraMove("swing", 0.3) == camera.CameraMove("swing", 0.3)
    assert hash(sa.CameraMove("swing", 0.3)) == hash(camera.CameraMove("swing", 0.3))
    shot = sa.Shot("p.png", audio="a.wav", camera=sa.CameraMove("swing", 0.3))
    request = sa.GenerationRequest(shot, "o.mp4")
    text = json.dumps(request.to_dict())
    assert sa.GenerationRequest.from_dict(json.loads(text)) == request
    assert isinstance(parse_camera("push_in:60"), sa.CameraMove)


def test_the_machine_is_reported_as_a_value():
    report = sa.doctor()
    assert report.ok == all(finding.ok for finding in report.findings)
    assert {"Python", "PyTorch", "networks"} <= {finding.name for finding in report.findings}
    assert {"voice", "farm"} <= {extra.name for extra in report.extras}
    assert not sa.doctor("no-such-tier").ok


def test_texts_are_spoken_and_voices_listed(tmp_path):
    pytest.importorskip("espeakng_loader")
    assert "espeak:de" in {voice.name for voice in sa.voices("de")}
    spoken = sa.speak("hello world", tmp_path / "hello.wav", subtitles="srt")
    assert [word.text for word in spoken.words] == ["hello", "world"]
    assert sa.AudioTrack.load(tmp_path / "hello.wav").duration_s == pytest.approx(
        spoken.audio.duration_s, abs=0.01
    )
    assert (tmp_path / "hello.srt").is_file()
