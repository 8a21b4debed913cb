"""The documentation is true: commands parse, snippets run, links lead somewhere, messages exist.

A comment before a code block says how it is tested: `<!-- test: run -->` runs its commands,
`<!-- test: parse -->` does not run code: it needs a GPU or a download, or another snippet runs it.
"""

from __future__ import annotations

import ast
import inspect
import json
import pkgutil
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
import yaml
from PIL import Image

import skyreels_avatar as sa
from skyreels_avatar.apps.live.script import read_host_script
from skyreels_avatar.cli import run
from skyreels_avatar.cli.app import app
from skyreels_avatar.loading.model_hub import find_model
from skyreels_avatar.media.image import fit_size
from skyreels_avatar.request.camera_spec import parse_camera
from skyreels_avatar.request.speaker import Speaker
from train.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
PAGES = [*READMES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(ROOT.glob("docs/*.md"))]
EXAMPLES = ROOT / "assets" / "examples"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- test: (\w+) -->\s*$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Programs of others, whose arguments are their own business.
OTHERS = {"source", "ray", "docker", "curl", ".venv/bin/python"}
MAX_PICTURES_MB = 2.5


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, its language, how it is tested, and what it holds."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        mark = MARK.search(text[: found.start()])
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[1], mark[1] if mark else "", found[2])


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PYTHON = [block for block in BLOCKS if block.language == "python" and block.page != READMES[1]]
RUN_PAGES = sorted({block.page for block in BLOCKS if block.mark == "run"})


def commands_of(block: Block) -> list[list[str]]:
    lines = block.text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_every_block_is_in_a_known_language():
    known = {"bash", "python", "yaml", "text", "powershell"}
    assert {block.language for block in BLOCKS} <= known
    assert sum(block.language == "bash" for block in BLOCKS) > 30
    for page in PAGES:
        assert page.read_text(encoding="utf-8").count("\n```") % 2 == 0


# Commands


@pytest.fixture(scope="module")
def parsed():
    """Return a function that parses arguments as the command line does, and runs nothing."""
    given: dict = {}
    group = typer.main.get_command(app)
    group.callback = None

    def stub(command):
        for child in getattr(command, "commands", {}).values():
            child.callback = lambda **values: given.update(values)
            stub(child)

    def parse(arguments: list[str]) -> dict:
        given.clear()
        group.main(arguments, prog_name="skyreels-avatar", standalone_mode=False)
        return dict(given)

    stub(group)
    return parse


def check_values(values: dict) -> None:
    """Check what only a run would find wrong: moves, sizes, speakers, tiers, names of weights."""
    for name in ("camera", "move"):
        if values.get(name):
            parse_camera(values[name])
    if values.get("size"):
        fit_size(512, 512, values["size"])
    for speaker in values.get("speaker") or []:
        Speaker.parse(speaker)
    if values.get("tier"):
        assert (ROOT / "configs" / f"{values['tier']}.yaml").exists()
    for name in values.get("names") or []:
        find_model(name)


def check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in words:
        name, equals, _ = word.partition("=")
        pattern = rf"\b{name}\b" if equals else rf"^{name}:"
        assert re.search(pattern, makefile, re.MULTILINE), f"the Makefile has no {name}"


def check_pip(words: list[str]) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert words[0] in ("install", "download"), words
    for word in words:
        # The package is on no public index: where it comes from is part of the command.
        assert not word.startswith("skyreels-avatar")
        for extra in re.findall(r"[a-z]+", word.partition("[")[2]):
            assert re.search(rf"^{extra} = \[", project, re.MULTILINE), f"no extra {extra}"


def check_command(words: list[str], parse) -> None:
    program, *rest = words
    if program == "torchrun":
        program, rest = "python", rest[2:]
    if program == "python" and rest[:1] == ["inference.py"]:
        program, rest = "skyreels-avatar", ["generate", *rest[1:]]
    program = program.removeprefix(".venv/bin/").removeprefix(".venv\\Scripts\\")
    for word in rest:
        if word.startswith(("assets/", "configs/", "requirements/", "tests/")):
            assert (ROOT / word).exists(), word
    if program == "skyreels-avatar":
        check_values(parse(rest))
    elif program == "make":
        check_make(rest)
    elif program == "python" and rest[:2] == ["-m", "train"]:
        assert rest[2] in STAGES, f"no stage {rest[2]}"
    elif program == "pip":
        check_pip(rest)
    else:
        assert words[0] in OTHERS, f"nothing is known about {words[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_parses(page, parsed):
    """Options that were renamed stayed in the README."""
    for block in blocks_of(page):
        if block.language == "bash":
            for words in commands_of(block):
                check_command(words, parsed)


def test_every_option_that_is_named_exists():
    group = typer.main.get_command(app)
    known = {"--help", "--nproc-per-node", "--find-links", "--no-index", "--constraint", "--otio"}
    todo = [group]
    while todo:
        command = todo.pop()
        todo += getattr(command, "commands", {}).values()
        for option in command.params:
            known |= {*option.opts, *option.secondary_opts}
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for code in re.findall(r"`([^`\n]+)`", text):
            named = re.findall(r"(?<![\w-])--[a-z][a-z-]+", code)
            assert set(named) <= known, f"{page.name}: `{code}`"


# Snippets


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Path:
    """Return a folder with the small files that the documentation speaks of."""
    folder = tmp_path_factory.mktemp("material")
    woman, man = (
        Image.open(EXAMPLES / name).convert("RGB").resize((128, 128), Image.LANCZOS)
        for name in ("portrait.png", "portrait_man.png")
    )
    both = Image.new("RGB", (256, 128))
    both.paste(woman, (0, 0))
    both.paste(man, (128, 0))
    for name, picture in (
        ("me.jpg", man),
        ("two.jpg", both),
        ("anna.png", woman),
        ("ben.png", man),
    ):
        picture.save(folder / name)
    samples, rate = soundfile.read(EXAMPLES / "speech.wav", start=5_000, stop=18_300)
    for name in ("me", "anna", "ben", "german"):
        soundfile.write(folder / f"{name}.wav", samples, rate)
    sa.generate(folder / "anna.png", folder / "anna.wav", output=folder / "talk.mp4")
    (folder / "assets").symlink_to(ROOT / "assets")
    return folder


@pytest.fixture
def workplace(material, tmp_path, monkeypatch) -> Path:
    """Return a copy of the material, which is the current folder while the test runs."""
    shutil.copytree(material, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def check_calls(tree: ast.AST) -> None:
    """Check that public functions are called with arguments that they have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("sa."):
            called = getattr(sa, ast.unparse(node.func).split(".")[1])
            if inspect.isfunction(called):
                keywords = dict.fromkeys(keyword.arg for keyword in node.keywords)
                inspect.signature(called).bind(*node.args, **keywords)


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.id)
def test_every_python_snippet_runs(block, workplace, capsys):
    """Of those that are only parsed, the names and arguments are checked."""
    check_calls(ast.parse(block.text))
    if block.mark == "parse":
        return
    exec(compile(block.text, block.id, "exec"), {"__name__": "__main__"})
    if re.search(r"sa\.(generate|render|retalk)\(", block.text) and "push_inn" not in block.text:
        for output in re.findall(r'output="([\w.]+)"', block.text):
            assert (workplace / output).exists()


@pytest.mark.parametrize("page", RUN_PAGES, ids=lambda page: page.name)
def test_marked_commands_run(page, workplace, capsys):
    for block in blocks_of(page):
        if block.mark == "run":
            for program, *arguments in commands_of(block):
                assert program == "skyreels-avatar"
                assert run(arguments) == 0, capsys.readouterr()


def test_the_notebook_runs(workplace, capsys):
    notebook = json.loads((ROOT / "docs" / "first_video.ipynb").read_text())
    names: dict = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["result"].num_frames == 15 and names["moving"].path.exists()


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda b: b.id)
def test_every_yaml_snippet_has_known_keys(block, tmp_path):
    values = yaml.safe_load(block.text)
    if "steps" in values:  # of a host, whose reader knows its keys
        for name in ("portrait.png", "portrait_man.png", "jingle.wav"):
            (tmp_path / name).write_bytes(b"not looked into")
        (tmp_path / "host.yaml").write_text(block.text)
        assert read_host_script(tmp_path / "host.yaml").steps
    elif "shots" in values:
        example = yaml.safe_load((EXAMPLES / "film.yaml").read_text())
        known = set(example) | {key for shot in example["shots"] for key in shot}
        assert set(values) <= known and {key for shot in values["shots"] for key in shot} <= known
    else:
        parse_camera(
            [{**k, "strength": float(k["strength"].rstrip("%")) / 100} for k in values["camera"]]
        )


# Claims


def literals() -> str:
    """Return every string in the source, f-strings without their values."""
    found = []
    for path in [*(ROOT / "skyreels_avatar").rglob("*.py"), *(ROOT / "camera").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_every_message_in_troubleshooting_is_one_of_the_program():
    """A message that was reworded could no longer be found by those who search for it."""
    source = literals().replace("%%", "%")
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    table = text.split("## Error messages")[1].split("\n## ")[0]
    messages = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(messages) >= 15
    for message in messages:
        for piece in message.split("..."):
            assert piece.strip() in source, f"no message says {piece.strip()!r}"


def test_the_chinese_readme_has_the_same_headings_commands_and_pictures():
    english, chinese = (page.read_text(encoding="utf-8") for page in READMES)
    for pattern in (r"^(#+) ", r"\]\((docs/images/[^)]+)\)"):
        there, here = (re.findall(pattern, text, re.MULTILINE) for text in (english, chinese))
        assert there == here
    there, here = ([(b.language, b.text) for b in blocks_of(page)] for page in READMES)
    assert there == here
    assert len(english.splitlines()) <= 150 and len(chinese.splitlines()) <= 150


def test_supported_pythons_are_the_same_everywhere():
    texts = [page.read_text(encoding="utf-8") for page in [*READMES, ROOT / "docs" / "install.md"]]
    ranges = [re.findall(r"3\.\d+ (?:to|\u5230) 3\.\d+", text) for text in texts]
    assert all(found for found in ranges)
    assert len({text.replace("\u5230", "to") for found in ranges for text in found}) == 1
    lowest = ranges[0][0].split()[0]
    assert f'requires-python = ">={lowest}' in (ROOT / "pyproject.toml").read_text()


# Links


def anchors_of(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if page.parent.name == "docs":  # the website has these pages alone
            assert target.resolve().is_relative_to(ROOT / "docs"), link
        if anchor:
            assert anchor in anchors_of(target), link


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text()
    pages = re.findall(r"[\w-]+\.md\b", text[text.index("nav:") :])
    assert sorted(pages) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs" / "api.md").read_text()
    documented = {line.split(".")[-1] for line in text.splitlines() if line.startswith(":::")}
    errors = {"AvatarError", "InputError", "Cancelled"}  # of the module `errors`
    assert set(sa.__all__) - documented - errors <= {"__version__"}


def test_every_entry_of_the_reference_is_where_it_says():
    text = (ROOT / "docs" / "api.md").read_text()
    paths = re.findall(r"^::: (\S+)", text, re.MULTILINE)
    assert paths
    for path in paths:
        assert pkgutil.resolve_name(path) is not None


def test_pictures_are_shown_and_small():
    pictures = list((ROOT / "docs" / "images").iterdir())
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert all(f"images/{picture.name}" in text for picture in pictures)
    assert sum(picture.stat().st_size for picture in pictures) < MAX_PICTURES_MB * 1e6
    pixels = [picture for picture in pictures if picture.suffix != ".svg"]
    assert all(np.prod(Image.open(picture).size) < 800 * 400 for picture in pixels)


def test_the_files_that_sites_read_are_well_formed():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == sa.__version__ and citation["license"] == "Apache-2.0"
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        values = yaml.safe_load(form.read_text())
        assert form.stem == "config" or {"name", "description", "body"} <= set(values)
    copied = re.findall(r"/src/(\S+)", (ROOT / "Dockerfile").read_text())
    assert copied and all((ROOT / path).exists() for path in copied)
