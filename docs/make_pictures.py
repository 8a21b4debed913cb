"""Render the pictures of the README and the documentation: `make pictures`.

Every picture comes out of the product itself, from the drawn characters in assets/examples, so
that nobody real is shown and everybody can make them again. Takes a few minutes on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image, ImageDraw, ImageFont

import skyreels_avatar as sa

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "assets" / "examples"
WOMAN, MAN = EXAMPLES / "portrait.png", EXAMPLES / "portrait_man.png"
SPEECH, FILM = EXAMPLES / "speech.wav", EXAMPLES / "film.yaml"
MOVES = (
    "static", "push_in", "push_out", "swing", "pan_left", "pan_right", "crane_up", "crane_down",
)  # fmt: skip
LIGHTS = {
    "as in the picture": "a woman speaks",
    "warm evening light": "a woman speaks in warm evening light",
    "dramatic light from the left": "a woman speaks in dramatic light from the left",
    "black and white": "a woman speaks, black and white",
}
RENDERED = 448  # pixels; pictures are smaller
STEP = 2  # every second of 25 frames a second is shown
GAP, INK, PAPER = 4, (255, 255, 255), (24, 26, 32)


def read(video: Path) -> list[Image.Image]:
    """Return the frames of a video."""
    with av.open(str(video)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def reduced(picture: Image.Image, width: int, height: int | None = None) -> Image.Image:
    """Return a picture of another size, square if no height is given."""
    return picture.resize((width, height or width), Image.LANCZOS)


def labelled(picture: Image.Image, text: str, size: int = 13) -> Image.Image:
    """Return a copy with a line of text in its lower left corner."""
    picture = picture.copy()
    draw = ImageDraw.Draw(picture, "RGBA")
    font = ImageFont.load_default(size)
    bottom = picture.height - 5
    right = 18 + round(draw.textlength(text, font=font))
    draw.rounded_rectangle((5, bottom - size - 8, right, bottom), 4, (0, 0, 0, 150))
    draw.text((11, bottom - 7), text, font=font, fill=INK, anchor="ls")
    return picture


def tiled(pictures: list[Image.Image], columns: int) -> Image.Image:
    """Return pictures of one size in rows, with a narrow gap."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    size = (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, PAPER)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(picture, (column * (width + GAP), row * (height + GAP)))
    return sheet


def save_animation(frames: list[Image.Image], path: Path, quality: int = 45) -> None:
    """Write frames of 12.5 a second as an animated WebP that plays for ever.

    Every frame is a key frame: libwebp's differences leave blocks of earlier frames in faces.
    """
    rest = {"append_images": frames[1:], "save_all": True, "duration": 80, "loop": 0}
    frames[0].save(path, quality=quality, method=6, kmin=0, kmax=1, **rest)


class Studio:
    """Makes clips in a folder of its own.

    Args:
        folder: where clips are kept while pictures are made of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clip(self, name: str, size: int, **settings: object) -> list[Image.Image]:
        """Return every second frame of a generated video, reduced to `size` x `size` pixels."""
        output = self.folder / f"{name}.mp4"
        settings = {"image": WOMAN, "prompt": LIGHTS["as in the picture"], **settings}
        if "text" not in settings:
            settings.setdefault("audio", SPEECH)
        sa.generate(output=output, size=f"{RENDERED}x{RENDERED}", **settings)
        return [reduced(frame, size) for frame in read(output)[::STEP]]


def make_hero(studio: Studio, path: Path) -> None:
    """Write the picture on top: what goes in, and two videos that come out."""
    smile = "a woman speaks warmly and smiles"
    still = studio.clip("still", 256, audio_end=4.4, prompt=smile)
    moving = studio.clip("moving", 256, audio_end=4.4, prompt=smile, camera="push_in:100")
    portrait = labelled(reduced(Image.open(WOMAN).convert("RGB"), 256), "a picture")
    save_animation(
        [
            tiled([portrait, labelled(one, "+ a voice"), labelled(two, "+ a camera move")], 3)
            for one, two in zip(still, moving)
        ],
        path,
    )


def make_camera(studio: Studio, path: Path) -> None:
    """Write the eight moves side by side."""
    clips = []
    for move in MOVES:
        camera = move if move == "static" else f"{move}:100"
        how = {"prompt": "a man speaks", "camera": camera, "audio_end": 3.4}
        frames = studio.clip(move, 176, image=MAN, **how)
        clips.append([labelled(frame, move, 12) for frame in frames])
    save_animation([tiled(list(frames), 4) for frames in zip(*clips)], path, 55)


def make_film(studio: Studio, path: Path) -> None:
    """Write a strip of frames of the example film."""
    output = studio.folder / "film.mp4"
    sa.render(FILM, output=output)
    frames = read(output)
    times_s = (2.0, 5.5, 6.6, 8.5, 13.5, 18.6)
    small = [reduced(frames[round(25 * time_s)], 240, 160) for time_s in times_s]
    labels = [labelled(frame, f"{time_s:.1f} s", 11) for frame, time_s in zip(small, times_s)]
    tiled(labels, 3).save(path, quality=80, method=6)


def make_retalk(studio: Studio, path: Path) -> None:
    """Write a video before and after it was given other words."""
    seconds = {"audio_end": 3.4}
    studio.clip("before", 256, camera="swing:60", seed=3, **seconds)
    before, after = studio.folder / "before.mp4", studio.folder / "after.mp4"
    sa.retalk(before, EXAMPLES / "film.flac", keep="lips", output=after, **seconds)
    face = (84, 60, 364, 340)
    pairs = zip(read(before)[::STEP], read(after)[::STEP])
    small = [[reduced(frame.crop(face), 224) for frame in pair] for pair in pairs]
    save_animation(
        [tiled([labelled(a, "the video"), labelled(b, "with new words")], 2) for a, b in small],
        path,
    )


def make_speakers(studio: Studio, path: Path) -> None:
    """Write two persons of one picture who speak in turn."""
    both = Image.new("RGB", (640, 320))
    for index, face in enumerate((WOMAN, MAN)):
        both.paste(reduced(Image.open(face).convert("RGB"), 320), (320 * index, 0))
    both.save(studio.folder / "two.png")
    first, rate = soundfile.read(SPEECH)
    second, _ = soundfile.read(EXAMPLES / "film.flac")
    first, second = first[: round(1.9 * rate)], second[round(6.5 * rate) : round(8.15 * rate)]
    voices = np.zeros((2, len(first) + len(second)))
    voices[0, : len(first)] = first
    voices[1, len(first) :] = second
    for name, voice in zip(("anna", "ben"), voices):
        soundfile.write(studio.folder / f"{name}.wav", voice, rate)
    speakers = [
        sa.Speaker("anna", "160,140", studio.folder / "anna.wav"),
        sa.Speaker("ben", "480,140", studio.folder / "ben.wav"),
    ]
    output = studio.folder / "two.mp4"
    sa.generate(
        studio.folder / "two.png", prompt="two people talk", speakers=speakers, output=output,
        size="640x320",
    )  # fmt: skip
    frames = [reduced(frame, 452, 226) for frame in read(output)[::STEP]]
    save_animation(frames, path)


def make_light(studio: Studio, path: Path) -> None:
    """Write one moment in four lights."""
    moments = []
    for index, (label, prompt) in enumerate(LIGHTS.items()):
        frames = studio.clip(f"light{index}", 180, prompt=prompt, audio_end=2.0)
        moments.append(labelled(frames[17], label, 12))
    tiled(moments, 4).save(path, quality=80, method=6)


def make_text(studio: Studio, path: Path) -> None:
    """Write frames of a video of a text, with its subtitles."""
    words = ("Guten Tag!", "Bonjour !", "Hello!")
    moments = []
    for index, (text, voice) in enumerate(zip(words, ("de+f3", "fr+f3", "en-us+f3"))):
        frames = studio.clip(f"text{index}", 240, text=text, voice=voice)
        face = frames[len(frames) // 2]
        moments.append(labelled(face, f'"{text}"  {voice}', 13))
    tiled(moments, 3).save(path, quality=80, method=6)


PICTURES: dict[str, Callable[[Studio, Path], None]] = {
    "hero.webp": make_hero,
    "camera.webp": make_camera,
    "film.webp": make_film,
    "retalk.webp": make_retalk,
    "speakers.webp": make_speakers,
    "light.webp": make_light,
    "text.webp": make_text,
}


def main() -> None:
    """Write the pictures that are named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(PICTURES)):
        parser.error(f"no picture {unknown[0]!r}; there are {', '.join(PICTURES)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names or PICTURES:
            path = arguments.output / name
            PICTURES[name](Studio(Path(folder)), path)
            print(f"{path}  {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
