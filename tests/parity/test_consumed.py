"""Every golden file is held against something, or stands here with the reason why it is not."""

from __future__ import annotations

import re
from pathlib import Path

NOT_CONSUMED = {
    "camera_geometry/make_case.py": "made the case; it is not run again",
    "camera_geometry/scene.json": "what the case was made of",
}


def test_every_golden_file_is_consumed(golden_dir: Path) -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(__file__).resolve().parents[1].rglob("*.py")
        if path.name != Path(__file__).name
    )
    left = []
    for path in sorted(golden_dir.rglob("*")):
        name = str(path.relative_to(golden_dir))
        if path.is_dir() or path.name == "README.md" or name in NOT_CONSUMED:
            continue
        # A file is named as it is, or with the rest of its name as a pattern.
        case = re.match(r"case\d+", path.name)
        if path.name not in sources and (case is None or f"{case[0]}*" not in sources):
            left.append(name)
    assert not left, "no test reads these golden files"
