"""What holds for the repository as a whole: no addresses, one version, pinned dependencies."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _tracked() -> list[Path]:
    """Return the text files of the repository; of an unpacked copy, its Python files."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else []
    files = [ROOT / name for name in names] or [*ROOT.rglob("*.py")]
    suffixes = {".py", ".md", ".txt", ".toml", ".yaml", ".yml", ".cfg", ""}
    return [path for path in files if path.suffix in suffixes and path.is_file()]


def test_no_file_names_a_registry_or_a_place_on_one_machine():
    """The sources of packages are the machine's own business, and so are its folders."""
    hosts = ["pypi" + ".org", "python" + "hosted", "download." + "pytorch", "find-links" + "="]
    places = ["/" + "work/", "/" + "tmp/team", "/" + "opt/wheels", "/" + "root/"]
    pattern = re.compile("|".join(map(re.escape, hosts + places)))
    for path in _tracked():
        found = pattern.search(path.read_text(encoding="utf-8", errors="replace"))
        assert found is None, f"{path.relative_to(ROOT)} names {found and found.group()}"


def test_the_version_is_the_same_everywhere():
    import skyreels_avatar

    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{skyreels_avatar.__version__}"' in project
    assert f"## {skyreels_avatar.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_dependency_is_pinned():
    """All but torch in constraints.txt; a torch of the user's own must not be replaced."""
    pins = (ROOT / "requirements" / "constraints.txt").read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)==", pins, re.MULTILINE))
    assert "torch" not in pinned
    installer = (ROOT / "requirements" / "install.py").read_text()
    pinned |= set(re.findall(r'^TORCH = "(torch)==[0-9.]+"$', installer, re.MULTILINE))
    project = (ROOT / "pyproject.toml").read_text()
    block = project[project.index("dependencies = [") : project.index("[project.scripts]")]
    wanted = set(re.findall(r'^\s*"([A-Za-z0-9_.-]+?)[><=]', block, re.MULTILINE))
    wanted |= set(re.findall(r'[\[,]\s*"([a-z0-9_.-]+?)[><=]', block))
    # Frameworks that somebody has already; what they pin themselves does not agree with our pins.
    wanted -= {"pipecat-ai", "livekit-agents"}
    assert wanted and {name.replace("_", "-") for name in wanted} <= pinned
