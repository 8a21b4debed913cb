"""`camera`: the reference video without a voice."""

from __future__ import annotations

import json

import skyreels_avatar as sa
from skyreels_avatar import cli


def test_the_reference_video_is_written_and_described(root, tmp_path, capsys):
    output = tmp_path / "pan.mp4"
    portrait = root / "assets" / "examples" / "portrait.png"
    line = ["camera", "--image", str(portrait), "--move", "pan_left:50", "--seconds", "0.4"]
    line += ["--size", "96x96", "--output", str(output)]
    assert cli.run([*line, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"path": str(output), "num_frames": 10, "fps": 25.0}
    assert sa.VideoReader(output).num_frames == 10
    assert cli.run(line) == 2, "it is there already"
    assert cli.run([*line, "--overwrite"]) == 0
    assert capsys.readouterr().out == f"{output}  10 frames at 25 fps\n"
