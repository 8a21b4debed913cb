"""Small videos of every kind, whose frames say by their gray which ones they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

DARKEST, STEP = 40, 3
MS = Fraction(1, 1000)


def numbered_frames(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Return (F, H, W, 3) uint8 of flat gray: 40, 43, 46, ..."""
    levels = DARKEST + STEP * np.arange(count)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).astype(np.uint8)


def numbers_of(frames: Iterable[np.ndarray]) -> list[int]:
    """Return which of `numbered_frames` the frames are."""
    return [round((float(frame.mean()) - DARKEST) / STEP) for frame in frames]


def write_video(
    path: Path,
    frames: np.ndarray,
    stamps: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    source_format: str = "rgb24",
    options: dict[str, str] | None = None,
    adjust: Callable[[av.VideoStream], None] = lambda stream: None,
    **container_options,
) -> Path:
    """Encode frames with their presentation stamps and return the file."""
    stamps = range(len(frames)) if stamps is None else stamps
    if codec == "libx264":
        options = {"crf": "1", "preset": "ultrafast", "g": "12", "bf": "2", **(options or {})}
    with av.open(str(path), "w", **container_options) as container:
        stream = container.add_stream(codec, rate=Fraction(1 / time_base), options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixel_format
        stream.time_base = stream.codec_context.time_base = time_base
        adjust(stream)
        for pixels, stamp in zip(frames, stamps):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=source_format)
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = int(stamp), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def remux(
    source: Path, path: Path, change: Callable[[int, av.Packet], av.Packet | None], **options
) -> Path:
    """Copy the packets of a file's first video stream, changed or left out, and return the file."""
    with av.open(str(source)) as container, av.open(str(path), "w", **options) as output:
        stream = container.streams.video[0]
        copy = output.add_stream_from_template(stream)
        for index, packet in enumerate(container.demux(stream)):
            if packet.size and (changed := change(index, packet)) is not None:
                changed.stream = copy
                output.mux(changed)
    return path


def write_tone(path: Path, seconds: float, start_s: float = 0.0, video: Path | None = None) -> Path:
    """Write a film of a video's packets and a tone that starts at a time, from full level on."""
    rate = 48_000
    with av.open(str(path), "w") as output:
        copies = {}
        source = av.open(str(video)) if video else None
        if source:
            copies = output.add_stream_from_template(source.streams.video[0])
        sound = output.add_stream("pcm_s16le" if path.suffix == ".mkv" else "aac", rate=rate)
        sound.layout = "mono"
        if source:
            for packet in source.demux(source.streams.video[0]):
                if packet.size:
                    packet.stream = copies
                    output.mux(packet)
            source.close()
        time_s = np.arange(int(seconds * rate)) / rate
        samples = 0.5 * np.sign(np.sin(2 * np.pi * 440 * time_s))
        for first in range(0, len(samples), 1024):
            block = samples[first : first + 1024]
            frame = av.AudioFrame.from_ndarray(
                (block[None] * 32767).astype(np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = first + round(start_s * rate)
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return path
