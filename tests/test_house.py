"""The house rules that a test can hold: who imports whom, what is public, sizes, clean sources."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# The rooms from the bottom to the top: each may import those above it in this list, and no other.
ROOMS = (
    "errors", "deprecation", "folders", "flow", "documents", "checks", "shapes", "parallel",
    "progress", "camera", "media", "models", "rig", "loading", "faces", "request", "planning",
    "provenance", "references", "spaces", "evaluation", "pipeline", "live", "workers", "film",
    "api", "apps", "cli", "__main__",
)  # fmt: skip
# Rooms that stand alone: `camera` would work without the rest of the house, and so would a network.
ALONE = {
    "camera": set(),
    "models": {"errors"},
    "rig": {"errors", "models"},
    "media": {"errors", "folders", "deprecation", "checks", "shapes"},
    "evaluation": {
        "errors",
        "folders",
        "deprecation",
        "media",
        "faces",
        "camera",
        "models",
        "loading",
    },
}
# Training uses the parts, and no verb that makes a whole video.
NOT_FOR_TRAINING = {"film", "api", "apps", "cli", "workers", "__main__"}
# A reader should see a file in one sitting and a function on one screen.
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 80
# Functions with more parameters should take a dataclass. Verbs and commands are exempt, whose
# options users name, and so are sizes of networks (`register_to_config`), which files carry.
MAX_PARAMETERS = 6
NUM_WITH_MORE_PARAMETERS = 10  # this number only falls

# Sources with more lines of code than this have a test of their own: tests/ROOM/test_FILE.py.
MAX_UNTESTED_LINES = 30
TESTED_ELSEWHERE = {
    "skyreels_avatar/__init__.py": "tests/test_python_api.py and the house",
    "skyreels_avatar/faces/chooser.py": "tests/faces/test_scenes.py follows whom it chooses",
    "skyreels_avatar/faces/drawn_mesh.py": "tests/faces/test_drawing.py bends meshes",
    "skyreels_avatar/faces/drawn_parts.py": "tests/faces/test_drawing.py measures drawings",
    "skyreels_avatar/media/frame_conversion.py": "tests/media/test_video_reader.py, test_video.py",
    "skyreels_avatar/media/video_stream.py": "tests/media/test_video_reader.py, test_video.py",
    "skyreels_avatar/media/espeak.py": "tests/media/test_speech.py",
    "skyreels_avatar/media/espeak_library.py": "tests/media/test_speech.py",
    "skyreels_avatar/film/jobs.py": "tests/film/test_render.py makes and resumes them",
    "skyreels_avatar/film/progress.py": "tests/film/test_render.py reads its reports",
    "skyreels_avatar/apps/jobs/__main__.py": "tests/apps/server/test_server.py, a whole server",
    "skyreels_avatar/apps/jobs/intake.py": "tests/apps/jobs/test_storage.py",
    "skyreels_avatar/apps/jobs/prepare.py": "tests/apps/server/test_job_routes.py",
    "skyreels_avatar/apps/jobs/records.py": "tests/apps/jobs/test_queue.py, test_storage.py",
    "skyreels_avatar/apps/jobs/requests.py": "tests/apps/jobs/test_run.py, test_job_routes.py",
    "skyreels_avatar/live/drawing_program.py": "tests/live/test_drawing_process.py",
    "skyreels_avatar/apps/server/app.py": "every test in tests/apps/server",
    "skyreels_avatar/apps/live/app.py": "tests/apps/live/test_routes.py",
    "skyreels_avatar/apps/live/encoder.py": "tests/apps/live/test_fan.py",
    "skyreels_avatar/apps/server/catalog.py": "test_events.py there, jobs/test_interactive.py",
    "skyreels_avatar/apps/server/docs_page.py": "tests/apps/server/test_events.py reads the page",
    "skyreels_avatar/apps/server/fal_storage.py": "tests/apps/server/test_fal.py",
    "skyreels_avatar/apps/server/forms.py": "tests/apps/server/test_job_routes.py",
    "skyreels_avatar/apps/server/present.py": "tests/apps/server/test_job_routes.py",
    "skyreels_avatar/apps/server/sessions.py": "tests/apps/server/test_tokens.py",
    "skyreels_avatar/apps/server/settings.py": "tests/apps/server/test_run.py",
    "skyreels_avatar/apps/server/state.py": "tests/apps/server/test_guard.py, test_events.py",
    "skyreels_avatar/cli/serve.py": "tests/apps/server/test_run.py",
}


def _sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if "__pycache__" not in path.parts]


CODE = _sources("skyreels_avatar", "camera", "train")
# Programs of others that the package is a part of; each is loaded as a folder of any name.
HOSTED = _sources("apps")
ALL_PYTHON = [
    *CODE, *HOSTED, *_sources("tests", "requirements", "assets"), ROOT / "inference.py",
]  # fmt: skip


def _room(module: str) -> str | None:
    """Return the room of a module of ours: "skyreels_avatar.media.audio" is in "media"."""
    parts = module.split(".")
    if parts[0] == "skyreels_avatar":
        return parts[1] if len(parts) > 1 else "face"
    return parts[0] if parts[0] in ("camera", "train") else None


def _imported(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, wherever in the file it does."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module in ("skyreels_avatar", "train"):
                modules |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                modules.add(node.module)
    return modules


def _below(room: str) -> set[str]:
    """Return the rooms that a room may import."""
    if room == "train":
        return set(ROOMS) - NOT_FOR_TRAINING
    return ALONE.get(room, set(ROOMS[: ROOMS.index(room)]))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_module(path): path for path in CODE}


@cache
def _ours(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, files and not names in them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in inner}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return (names & MODULES.keys()) - {"skyreels_avatar"}


def every_file(paths: list[Path]):
    """Make one test of a check of one file: it names every file that breaks the rule."""

    def decorate(check):
        def test():
            broken = []
            for path in paths:
                try:
                    check(path)
                except AssertionError as error:
                    broken.append(f"{_name(path)}: {error}")
            assert not broken, "\n".join(broken)

        test.__doc__, test.__name__ = check.__doc__, check.__name__
        return test

    return decorate


@every_file(CODE)
def test_nothing_imports_upwards(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    room = _room(module.removesuffix(".__init__"))
    if room == "face":
        assert not _imported(path) & {"torch", "numpy"}
        return
    assert room in (*ROOMS, "train"), f"{_name(path)} is in no room of the house"
    for imported in _imported(path):
        other = _room(imported)
        # `from skyreels_avatar import __version__` asks the face itself.
        if other in (None, room, "__version__"):
            continue
        assert other in _below(room), f"{_name(path)} imports {imported}, which is not below it"


def test_rooms_that_stand_alone_import_what_is_below_them():
    for room, below in ALONE.items():
        assert below <= set(ROOMS[: ROOMS.index(room)])


@every_file(CODE)
def test_no_file_imports_one_that_imports_it(path):
    """Files of a room may import each other, and never in a circle."""
    module = _module(path)
    waiting, seen = list(_ours(path)), set()
    while waiting:
        imported = waiting.pop()
        assert imported != module, "imports itself through others"
        if imported not in seen:
            seen.add(imported)
            waiting += _ours(MODULES[imported])


def test_the_public_face_is_short_and_every_name_is_there():
    import skyreels_avatar

    # Every command of the command line has its verb here, so that Python needs no subprocess.
    assert len(skyreels_avatar.__all__) <= 38
    for name in skyreels_avatar.__all__:
        assert getattr(skyreels_avatar, name) is not None
    assert set(skyreels_avatar.__all__) == set(dir(skyreels_avatar))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = skyreels_avatar.nonsense


def test_no_public_name_is_the_name_of_a_module():
    """Importing a module binds it on its package, where it would hide a function of that name."""
    import skyreels_avatar

    package = ROOT / "skyreels_avatar"
    modules = {path.stem for path in package.glob("*.py")} | {p.name for p in package.iterdir()}
    assert "api" in modules and not modules & set(skyreels_avatar.__all__)


def test_importing_the_package_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, time; start = time.process_time(); import skyreels_avatar;"
        "print(time.process_time() - start);"
        "print(sorted({'torch', 'numpy', 'cv2', 'av', 'PIL'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, heavy = result.stdout.splitlines()
    assert float(seconds) < 1.0
    assert heavy == "[]"


def test_the_command_line_shows_its_help_without_torch():
    code = (
        "import sys; from skyreels_avatar.cli import run; run(['generate', '--help']);"
        "sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
    )


def test_the_camera_is_part_of_the_package_and_stands_in_a_folder_of_its_own():
    """Other packages are called camera, too: in a wheel ours lies in this one."""
    import camera as in_a_checkout
    from skyreels_avatar import camera

    assert Path(camera.__file__).resolve().parent == ROOT / "camera"
    assert in_a_checkout.CameraMove is camera.CameraMove
    named = re.compile(r"^\s*(?:from|import) camera\b", re.MULTILINE)
    for path in CODE:
        assert not named.search(path.read_text(encoding="utf-8")), _name(path)


@every_file(CODE)
def test_no_code_asks_which_tier_it_runs_in(path):
    """Tier names stand in configs/; the default of a request and of the command line is one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    extras = {  # an optional package is brought by an extra, which may be called as a tier
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MissingExtraError"
        for argument in node.args
    }
    named = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and id(node) not in extras
        and isinstance(node.value, str)
        and node.value in {file.stem for file in (ROOT / "configs").glob("*.yaml")}
    ]
    allowed = {
        "skyreels_avatar/request/generation_request.py": 1,
        "skyreels_avatar/api/generation.py": 1,
    }
    allowed |= {"skyreels_avatar/cli/options.py": 1, "train/config.py": 1}
    allowed |= {"skyreels_avatar/api/doctor.py": 1}  # an extra that is called as a tier
    allowed |= {"skyreels_avatar/loading/model_hub.py": 1}  # published weights, likewise
    assert len(named) <= allowed.get(_name(path), 0), [node.lineno for node in named]


def test_one_place_opens_media_and_nothing_is_unpickled():
    """FFmpeg opens what a file names in it unless it is told not to, as `open_container` does."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called == "av.open" and path != ROOT / "skyreels_avatar" / "media" / "files.py":
                assert len(node.args) > 1 and ast.unparse(node.args[1]) == "'w'", _name(path)
            assert called not in ("cv2.VideoCapture", "pickle.load", "pickle.loads"), _name(path)
            if called == "torch.load":
                kept = {one.arg: ast.unparse(one.value) for one in node.keywords}
                assert kept.get("weights_only") == "True", _name(path)


@cache
def _network_classes() -> set[str]:
    """Return the names of the classes that parts and spaces may be of."""
    rooms = [path for path in CODE if path.parent.name in ("models", "rig", "spaces")]
    nodes = [node for path in rooms for node in ast.parse(path.read_text()).body]
    names = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    return names | {"AutoencoderKLWan", "Module"}


@every_file(CODE)
def test_a_part_is_asked_what_it_can_do_and_not_what_it_is(path):
    """Tables name the networks of parts; a tier's sizes count only where sizes are chosen."""
    chooses_sizes = {"skyreels_avatar/pipeline/read.py", "skyreels_avatar/loading/tiers.py"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            named = {getattr(one, "id", getattr(one, "attr", "")) for one in ast.walk(node.args[1])}
            assert not named & _network_classes(), f"isinstance in line {node.lineno}"
        if isinstance(node, ast.Attribute) and node.attr == "buckets":
            assert _name(path) in chooses_sizes, f"buckets in line {node.lineno}"


@every_file(ALL_PYTHON)
def test_files_and_functions_are_of_readable_size(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = node.end_lineno - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


def test_functions_with_many_parameters_get_fewer():
    found = []
    for path in CODE:
        if _room(_module(path)) in ("api", "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            if any(getattr(one, "id", "") == "register_to_config" for one in node.decorator_list):
                continue
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if len([one for one in given if one.arg not in ("self", "cls")]) > MAX_PARAMETERS:
                found.append(f"{_name(path)}: {node.name}")
    assert len(found) <= NUM_WITH_MORE_PARAMETERS, "\n".join(found)


@every_file([*CODE, *HOSTED])
def test_public_things_have_docstrings_and_nothing_prints(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name != "__init__.py" or tree.body:
        assert ast.get_docstring(tree), "the module has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            overloads = any(getattr(one, "id", "") == "overload" for one in node.decorator_list)
            inside = node in tree.body and not overloads  # the one that they describe has it
            assert not inside or ast.get_docstring(node), f"{node.name} has no docstring"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            may_print = path.is_relative_to(ROOT / "train")
            assert may_print or node.func.id != "print", f"print in line {node.lineno}"


@every_file(ALL_PYTHON)
def test_source_files_are_ascii(path):
    assert path.read_bytes().isascii()


def _is_mirrored(path: Path) -> bool:
    """Tell whether a source is short, tested elsewhere, or has its test at its place in tests/."""
    tree, documented = ast.parse(path.read_text(encoding="utf-8")), set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            documented |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = {node.lineno for node in ast.walk(tree) if isinstance(node, (ast.stmt, ast.expr))}
    if len(lines - documented) <= MAX_UNTESTED_LINES or _name(path) in TESTED_ELSEWHERE:
        return True
    place = path.relative_to(ROOT / "skyreels_avatar" if _room(_module(path)) != "camera" else ROOT)
    return (ROOT / "tests" / place.with_name(f"test_{path.name}")).is_file()


def test_every_source_with_behavior_has_its_mirrored_test():
    sources = _sources("skyreels_avatar", "camera")
    missing = [_name(path) for path in sources if not _is_mirrored(path)]
    assert not missing, "give these a test, or a reason in TESTED_ELSEWHERE"
    assert all((ROOT / name).is_file() for name in TESTED_ELSEWHERE)
