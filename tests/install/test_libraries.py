"""The libraries that sound, video, pictures and voices run on come with their packages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

MULTIMEDIA = re.compile(
    r"/lib(sndfile|FLAC|vorbis|ogg|opus|mp3lame|mpg123|avcodec|avdevice|avfilter|avformat|avutil"
    r"|swresample|swscale|postproc|x264|x265|espeak-ng|pcaudio|sonic|opencv)[^/]*$"
)
CORE = """
import sys
import av, cv2, numpy as np, soundfile, torch
sound, film = sys.argv[1:]
tone = np.sin(np.arange(16_000) * 0.17)
soundfile.write(sound, tone, 16_000)
assert np.abs(soundfile.read(sound)[0] - tone).max() < 1e-4
with av.open(film, "w") as container:
    stream = container.add_stream("libx264", 25)
    stream.width = stream.height = 64
    picture = cv2.resize(np.full((32, 32, 3), 200, np.uint8), (64, 64))
    for packet in stream.encode(av.VideoFrame.from_ndarray(picture)) + stream.encode():
        container.mux(packet)
with av.open(film) as container:
    assert sum(1 for _ in container.decode(video=0)) == 1
from skyreels_avatar.media.speech import speak
assert np.abs(speak("hello", "espeak:en-us").audio.samples).max() > 0.01
print(open("/proc/self/maps").read())
"""


def system_libraries(maps: str, prefix: Path) -> list[str]:
    """Return the multimedia libraries of a process that are not of its environment.

    Args:
        maps: as in /proc/PID/maps.
        prefix: the folder of the environment.
    """
    files = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "/" in line}
    return sorted(f for f in files if MULTIMEDIA.search(f) and not Path(f).is_relative_to(prefix))


def test_no_multimedia_library_of_the_system_is_loaded(tmp_path, root):
    """soundfile without its library ran wherever somebody had installed libsndfile by hand."""
    if not Path("/proc/self/maps").exists():
        pytest.skip("this system has no /proc that lists what a process has loaded")
    pytest.importorskip("espeakng_loader", reason="the extra voice is not installed")
    command = [sys.executable, "-W", "ignore", "-c", CORE, tmp_path / "a.wav", tmp_path / "a.mp4"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert system_libraries(done.stdout, Path(sys.prefix).resolve()) == []
    for library in ("libsndfile", "libavcodec", "libespeak-ng", "cv2", "libtorch"):
        assert library in done.stdout, f"{library} was not even used"


def test_a_library_of_the_system_is_told_from_one_of_the_environment():
    line = "7f0000000000-7f0000001000 r-xp 00000000 fe:00 42{:>28}{}\n"
    ours = "/home/me/my films/.venv/lib/python3.11/site-packages/av.libs/libavcodec-1a2b.so.62"
    theirs = ["/usr/lib/libsndfile.so.1.0.37", "/usr/lib/x86_64-linux-gnu/libavcodec.so.59"]
    maps = "".join(line.format("", path) for path in [ours, *theirs, "/usr/lib/libc.so.6", ""])
    assert system_libraries(maps, Path("/home/me/my films/.venv")) == theirs
