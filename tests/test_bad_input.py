"""Whatever a user hands in by mistake: one clear line, exit code 2, no half file."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
import soundfile
from PIL import Image

from skyreels_avatar import cli


@pytest.fixture
def kit(tmp_path, picture_file, sound_file):
    """A folder with one of every kind of broken file, and good ones beside."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    png = (tmp_path / "noise.png").read_bytes()
    Image.fromarray(noise).save(tmp_path / "noise.jpg")
    jpg = (tmp_path / "noise.jpg").read_bytes()
    wav = sound_file.read_bytes()
    for name, content in {
        "good.png": picture_file.read_bytes(),
        "good.wav": wav,
        "empty": b"",
        "text.png": b"I am a text, not a picture.\n" * 20,
        "text.wav": b"I am a text, not a sound.\n" * 20,
        "cut.png": png[: len(png) // 2],
        "cut.jpg": jpg[: len(jpg) // 2],
        "head.png": png[:20],
        "wrong_checksum.png": png[:16] + b"\0\0\0\xff" + png[20:],
        "giant_header.png": png[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + png[24:],
        "no_data.wav": wav[:40] + struct.pack("<I", 0),
        "head.wav": wav[:10],
        "no_channels.wav": wav[:22] + b"\0\0" + wav[24:],
        "no_rate.wav": wav[:24] + b"\0\0\0\0" + wav[28:],
        "mad_rate.wav": wav[:24] + b"\xff\xff\xff\xee" + wav[28:],
    }.items():
        (tmp_path / name).write_bytes(content)
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "giant.png")
    Image.new("RGB", (20_000, 100)).save(tmp_path / "ribbon.png")
    tone = np.sin(np.arange(16_000) / 10).astype(np.float32)
    soundfile.write(tmp_path / "short.wav", tone[:100], 16_000)
    tone[5] = np.nan
    soundfile.write(tmp_path / "nan.wav", tone, 16_000, subtype="FLOAT")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "broken.yaml").write_text("weights: [")
    (tmp_path / "odd.yaml").write_text("fps: 25\nwheels: 4\n")
    return tmp_path


CASES = {
    "missing picture": ("--image absent.png", "picture not found"),
    "missing sound": ("--audio absent.wav", "sound not found"),
    "picture is a folder": ("--image folder.mp4", "is a folder"),
    "empty picture": ("--image empty", "is empty"),
    "empty sound": ("--audio empty", "is empty"),
    "text named .png": ("--image text.png", "not a picture"),
    "text named .wav": ("--audio text.wav", "cannot be read as a sound"),
    "cut off PNG": ("--image cut.png", "damaged"),
    "cut off JPEG": ("--image cut.jpg", "damaged"),
    "PNG header only": ("--image head.png", "damaged"),
    "PNG with a wrong checksum": ("--image wrong_checksum.png", "pixels|damaged"),
    "header of four billion pixels": ("--image giant_header.png", "megapixels|damaged"),
    "one pixel": ("--image dot.png", "1x1"),
    "20,000 pixels a side": ("--image giant.png", "megapixels"),
    "20,000 pixels wide": ("--image ribbon.png", "20000x100"),
    "sound given as picture": ("--image good.wav", "a sound, not a picture"),
    "picture given as sound": ("--audio good.png", "a picture"),
    "sound without samples": ("--audio no_data.wav", "at least 0.1 s"),
    "six thousandths of a second": ("--audio short.wav", "at least 0.1 s"),
    "sound header only": ("--audio head.wav", "cannot be read as a sound"),
    "no channels": ("--audio no_channels.wav", "damaged|Hz"),
    "sample rate 0": ("--audio no_rate.wav", "damaged|Hz"),
    "sample rate of four billion": ("--audio mad_rate.wav", "damaged|Hz"),
    "NaN in the sound": ("--audio nan.wav", "NaN"),
    "cut beyond the sound": ("--audio-start 5", "1.00 s"),
    "cut backwards": ("--audio-start 0.5 --audio-end 0.2", "end after it starts"),
    "unknown move": ("--camera pushin:60", "did you mean push_in"),
    "strength 140": ("--camera push_in:140", "140%"),
    "strength -1": ("--camera push_in:-1", "-1%"),
    "strength fast": ("--camera push_in:fast", "fast"),
    "strength nan": ("--camera push_in:nan", "nan"),
    "size 0x0": ("--size 0x0", "0x0"),
    "odd size": ("--size 511x511", "even"),
    "size without height": ("--size 512", "WIDTHxHEIGHT"),
    "giant size": ("--size 20000x20000", "64 to 4096"),
    "output in no folder": ("--output absent/o.mp4", "does not exist"),
    "output is a folder": ("--output folder.mp4", "is a folder"),
    "output of another kind": ("--output o.gif", r"\.mp4"),
    "output below a file": ("--output good.png/o.mp4", "does not exist"),
    "unknown tier": ("--tier giga", "unknown tier 'giga'"),
    "missing tier file": ("--tier absent.yaml", "absent.yaml"),
    "broken tier file": ("--tier broken.yaml", "broken.yaml"),
    "tier file with an unknown field": ("--tier odd.yaml", "wheels"),
    "fps 0": ("--fps 0", "between 1 and 120"),
    "fps -1": ("--fps -1", "between 1 and 120"),
    "fps 1000": ("--fps 1000", "between 1 and 120"),
    "fps nan": ("--fps nan", "must be a number"),
    "no steps": ("--steps 0", "whole number from 1"),
    "negative seed": ("--seed -1", "whole number from 0"),
    "guidance nan": ("--guidance-scale nan", "must be a number"),
    "guidance below 0": ("--audio-guidance-scale -2", "between 0"),
    "face that is not a box": ("--face left", "x,y,w,h"),
    "no face in the picture": ("--image noise.png", "face x,y.*--face"),
    "face box outside": ("--face 5000,5000,50,50", "--face|box|picture"),
    "face of a number too high": ("--face 3", "--face|face"),
}


@pytest.mark.parametrize(("flags", "said"), CASES.values(), ids=CASES)
def test_bad_input_is_one_clear_line(kit, monkeypatch, capsys, flags, said):
    monkeypatch.chdir(kit)
    line = {"--image": "good.png", "--audio": "good.wav", "--output": "o.mp4", "--size": "128x128"}
    words = flags.split()
    line |= dict(zip(words[::2], words[1::2]))
    before = sorted(path.name for path in kit.rglob("*"))
    code = cli.run(["generate", *(word for pair in line.items() for word in pair)])
    printed = capsys.readouterr()
    errors = [text for text in printed.err.splitlines() if not text.startswith("warning: ")]
    assert code == 2, printed.err
    assert len(errors) == 1 and errors[0].startswith("error: ")
    assert re.search(said, errors[0])
    assert printed.out == "" and "Traceback" not in printed.err
    assert sorted(path.name for path in kit.rglob("*")) == before, "a file was left behind"
