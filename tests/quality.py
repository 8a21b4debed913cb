"""How good the videos are: `make quality IMAGES=folder VOICES=folder`.

Four tables in Markdown, as in the README's model card, from portraits and voices of your own:

- talking: every portrait with a voice and one of the eight camera moves in turn;
- acting: how far mouth, brows, head and gaze of every portrait move, with a voice in turn, every
  other one under a resting camera;
- prompts: portraits asked to smile, to be angry, surprised or neutral, and whether a rule over
  `skyreels_avatar.evaluation.Performance` recognises what was asked;
- long: one minute, the last ten seconds against the first, and the borders of the windows.

Every measured video is a line of OUTPUT/results.jsonl; a run that was stopped goes on there.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from skyreels_avatar import AudioTrack, generate
from skyreels_avatar.camera import MOVES
from skyreels_avatar.errors import AvatarError
from skyreels_avatar.evaluation.report import evaluate
from skyreels_avatar.evaluation.sync import correlate, loudness_db
from skyreels_avatar.faces.alignment import align
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.opening import face_heights, mouth_opening
from skyreels_avatar.faces.select import choose_face
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.loading.parts import time_factor
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.planning.segments import plan_shot

EXPRESSIONS = {
    "neutral": "a person is talking",
    "smile": "a woman smiles",
    "angry": "he looks angry",
    "surprised": "she looks surprised",
}
MEASURES = (
    "sync_c", "sync_r0", "sync_lag", "closures", "closures_gain", "open_range", "quiet_ratio",
    "jitter", "identity", "likeness", "sharp",
)  # fmt: skip
# What `acting_of` returns: what it is, and its goal.
ACTING = {
    "opening": ("mouth opening / face height", "0.080-0.11"),
    "width": ("mouth width / eye distance", ">= 0.13"),
    "brows": ("brows / face height", ">= 0.03"),
    "yaw": ("head yaw (nose offset / distance of the outer eye corners)", ">= 0.08"),
    "roll": ("head roll, degrees", ">= 4"),
    "gaze": ("gaze / eye width", ">= 0.05"),
    "away": ("share of frames with the eyes off the camera", "0.05-0.15"),
    "quiet_ratio": ("movement in pauses / in speech", "<= 0.30"),
    "first_blink_s": ("first blink, s (the length of the video where there is none)", "0.3-6"),
    "sync_r0": ("r of opening with loudness", ">= 0.30"),
    "sync_lag": ("its best lag, frames", "-1 to 1"),
}
_AWAY = 0.06  # of the eye width: an iris so far from where the picture has it looks away
LONG_S = 60.0
NUM_LONG, NUM_PROMPTED = 3, 12


def main() -> None:
    """Make and measure the videos that the command line asks for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=files_of, required=True, help="folder of portraits")
    parser.add_argument("--voices", type=files_of, required=True, help="folder of recordings")
    parser.add_argument("--output", type=Path, default=Path("output/quality"))
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--seconds", type=float, default=6.0, help="of the videos that talk")
    tables = ["talking", "acting", "prompts", "long"]
    parser.add_argument("--tables", nargs="+", default=tables, choices=tables)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.output, options.size)
    images, voices = options.images, options.voices
    tables = {
        "talking": lambda: talking(bench, images, voices, options.seconds),
        "acting": lambda: acting(bench, images, voices, options.seconds),
        "prompts": lambda: prompts(bench, images, voices),
        "long": lambda: long(bench, images, voices),
    }
    for name in options.tables:
        print(f"\n{tables[name]()}", flush=True)


def files_of(folder: str) -> list[Path]:
    """Return the files of a folder in order.

    Raises:
        argparse.ArgumentTypeError: it is not a folder, or there are none.
    """
    if not folder or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(
            f"{folder!r} is not a folder; give both: make quality IMAGES=folder VOICES=folder"
        )
    files = sorted(p for p in Path(folder).glob("*") if p.is_file() and p.name[0] != ".")
    files = [p for p in files if p.suffix.lower() not in (".csv", ".md", ".txt", ".json")]
    if not files:
        raise argparse.ArgumentTypeError(f"{folder!r} holds no pictures or recordings")
    return files


class Bench:
    """Makes and measures videos, each once: what is in results.jsonl is not made again."""

    def __init__(self, folder: Path, size: str):
        self.folder, self.size = folder, size
        self._path = folder / "results.jsonl"
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        self._known = {row["name"]: row for row in map(json.loads, lines)}

    def measured(
        self,
        name: str,
        image: Path,
        audio: Path | str,
        prompt: str,
        camera: str,
        end_s: float,
        measure: Callable[[Path], dict] = lambda path: evaluate(path).to_dict(),
        **options,
    ) -> dict:
        """Return the measures of one video; `measure` reads them off the file."""
        if name in self._known:
            return self._known[name]
        path = self.folder / f"{name}.mp4"
        try:
            result = generate(
                image, audio, prompt, camera=camera, output=path, size=self.size, audio_end=end_s,
                **options,
            )  # fmt: skip
            row = {**measure(path), "seconds": result.seconds["total"]}
        except AvatarError as error:
            row = {"error": f"{type(error).__name__}: {error}"}
        row = json.loads(json.dumps({"name": name, **row}, default=str))
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        shown = {key: row[key] for key in MEASURES if key in row}
        print(name, row.get("error") or shown, flush=True)
        self._known[name] = row
        return row


def talking(bench: Bench, images: list[Path], voices: list[Path], seconds: float) -> str:
    """Return the table of all portraits: medians, 10th and 90th percentile."""
    rows = []
    for index, image in enumerate(images):
        voice = voices[(5 * index) % len(voices)]  # not all of one language side by side
        move = MOVES[index % len(MOVES)]
        camera = move if move == "static" else f"{move}:60"
        end_s = min(seconds, AudioTrack.load(voice).duration_s)
        name = f"talking-{image.stem}"
        rows.append(
            bench.measured(name, image, voice, EXPRESSIONS["neutral"], camera, end_s, seed=index)
        )
    made = [row for row in rows if "error" not in row]
    lines = [f"{len(made)} of {len(rows)} videos", "", "| measure | median | 10 to 90 % |"]
    lines.append("|---|---|---|")
    for key in MEASURES:
        values = [row[key] for row in made if row[key] is not None]
        if not values:  # closures without the extra "phonemes"
            continue
        low, middle, high = np.percentile(values, [10, 50, 90])
        lines.append(f"| {key} | {middle:.3f} | {low:.3f} to {high:.3f} |")
    return "\n".join(lines)


def acting(bench: Bench, images: list[Path], voices: list[Path], seconds: float) -> str:
    """Return the table of ranges: medians over portraits, of resting and of moving cameras."""
    cameras = {"static": [], "moving": []}
    moves = itertools.cycle(f"{move}:60" for move in MOVES if move != "static")
    for index, image in enumerate(images):
        voice = voices[index % len(voices)]
        end_s = min(seconds, AudioTrack.load(voice).duration_s)
        kind = "moving" if index % 2 else "static"
        camera = next(moves) if kind == "moving" else "static"
        prompt, name = EXPRESSIONS["neutral"], f"acting-{image.stem}"
        row = bench.measured(
            name, image, voice, prompt, camera, end_s, acting_of, seed=index
        )  # fmt: skip
        cameras[kind].append(row)
    made = {kind: [r for r in rows if "error" not in r] for kind, rows in cameras.items()}
    made = {"all": [*made["static"], *made["moving"]], **made}
    lines = [f"{len(made['all'])} of {len(images)} videos, medians of the range p5 to p95", ""]
    lines += [f"| measure | {' | '.join(made)} | goal |", "|---" * (len(made) + 2) + "|"]
    for key, (what, goal) in ACTING.items():
        values = ([row[key] for row in rows if row[key] is not None] for rows in made.values())
        cells = [f"{np.median(some):.3f}" if some else "" for some in values]
        lines.append(f"| {what} | {' | '.join(cells)} | {goal} |")
    return "\n".join(lines)


def acting_of(path: Path) -> dict:
    """Return how far the face of a video moves: see ACTING; ranges are 95th less 5th percentile."""
    reader, analyzer = VideoReader(path), FaceAnalyzer()
    first = reader.read(0, 1)[0]
    track = analyzer.track(reader, choose_face(analyzer.find(first), "auto", first, analyzer))
    points, height = track.landmarks, face_heights(track.landmarks)
    aligned, _ = align(points, points[0])
    across = points[:, 263, :2] - points[:, 33, :2]
    # A solid head that turns by 8 degrees moves its nose by 0.08 of the way between its eyes.
    offset = points[:, 1, :2] - (points[:, 33, :2] + points[:, 263, :2]) / 2
    nose = (offset * across).sum(-1) / (across**2).sum(-1)
    pupils = points[:, [473, 468], :2]
    mouth = np.linalg.norm(points[:, 291, :2] - points[:, 61, :2], axis=-1)
    gaze = np.stack([_iris(aligned, *eye) for eye in ((33, 133, 468), (362, 263, 473))]).mean(0)
    gaze = gaze - gaze[0]
    lids = (aligned[:, [145, 374], 1] - aligned[:, [159, 386], 1]).mean(1)
    shut = np.flatnonzero(lids < 0.5 * np.median(lids))
    audio = reader.audio()
    loudness = loudness_db(audio.samples, audio.sample_rate, len(points), reader.fps)
    return {
        "opening": spread(mouth_opening(points)),
        "width": spread(mouth / np.linalg.norm(pupils[:, 1] - pupils[:, 0], axis=-1)),
        "brows": spread(aligned[:, [105, 66, 334, 296], 1].mean(1) / height[0]),
        "yaw": spread(nose),
        "roll": spread(np.degrees(np.arctan2(across[:, 1], across[:, 0]))),
        "gaze": spread(gaze[:, 0]),
        "away": float((np.linalg.norm(gaze, axis=-1) > _AWAY).mean()),
        "first_blink_s": float(shut[0] if len(shut) else len(points)) / reader.fps,
        **asdict(correlate(mouth_opening(points), loudness, reader.fps)),
    }


def spread(values: np.ndarray) -> float:
    """Return the 95th less the 5th percentile."""
    return float(np.percentile(values, 95) - np.percentile(values, 5))


def _iris(points: np.ndarray, outer: int, inner: int, iris: int) -> np.ndarray:
    """Return (F, 2) where an iris is from the middle of its eye, in widths of it."""
    corners = points[:, [outer, inner], :2]
    width = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=-1, keepdims=True)
    return (points[:, iris, :2] - corners.mean(1)) / width


def recognised(performance: dict, neutral: dict) -> str:
    """Return the expression that a clip shows against the same person's neutral one."""
    change = {key: performance[key] - neutral[key] for key in ("corner_lift", "brow_raise")}
    if change["brow_raise"] > 0.8:
        return "surprised"
    if change["corner_lift"] > 0.8:
        return "smile"
    if change["corner_lift"] < -0.6 or change["brow_raise"] < -0.4:
        return "angry"
    return "neutral"


def prompts(bench: Bench, images: list[Path], voices: list[Path]) -> str:
    """Return the table of asked against recognised expressions.

    Neutral clips, too, are compared with a neutral clip: the same person's with another seed.
    """
    counts = {asked: dict.fromkeys(EXPRESSIONS, 0) for asked in EXPRESSIONS}
    chosen = images[:: max(1, len(images) // NUM_PROMPTED)][:NUM_PROMPTED]
    for index, image in enumerate(chosen):
        voice = voices[index % len(voices)]
        end_s = min(3.0, AudioTrack.load(voice).duration_s)
        clips = {"rest": ("a person is talking", 1000 + index)}
        clips |= {asked: (prompt, index) for asked, prompt in EXPRESSIONS.items()}
        found = {
            asked: bench.measured(
                f"prompt-{image.stem}-{asked}", image, voice, prompt, "static", end_s, seed=seed
            )
            for asked, (prompt, seed) in clips.items()
        }
        if any("error" in row for row in found.values()):
            continue
        for asked in EXPRESSIONS:
            shown = recognised(found[asked]["performance"], found["rest"]["performance"])
            counts[asked][shown] += 1
    right = sum(counts[name][name] for name in EXPRESSIONS)
    total = sum(itertools.chain.from_iterable(row.values() for row in counts.values()))
    lines = [f"{right} of {total} recognised", "", f"| asked | {' | '.join(EXPRESSIONS)} |"]
    lines.append("|---" * (len(EXPRESSIONS) + 1) + "|")
    for asked, row in counts.items():
        lines.append(f"| {asked} | {' | '.join(map(str, row.values()))} |")
    return "\n".join(lines)


def long(bench: Bench, images: list[Path], voices: list[Path]) -> str:
    """Return the table of one-minute videos: how the end differs from the beginning."""
    voice = bench.folder / "minute.wav"
    minute(voices).save(voice)
    keys = ("identity_drift", "sharp_drift", "colour_drift", "seams")
    lines = [f"| {LONG_S:g} s | {' | '.join(keys)} |", "|---" * (len(keys) + 1) + "|"]
    step = max(1, len(images) // NUM_LONG)
    for image, camera in zip(images[::step], itertools.cycle(("static", "push_in:60", "swing:40"))):
        row = bench.measured(
            f"long-{image.stem}", image, voice, EXPRESSIONS["neutral"], camera, LONG_S,
            measure=lambda path: {**evaluate(path).to_dict(), "seams": seams(path)},
        )  # fmt: skip
        values = [f"{row[key]:.3f}" if row.get(key) is not None else "failed" for key in keys]
        lines.append(f"| {image.stem}, {camera} | {' | '.join(values)} |")
        if len(lines) == 2 + NUM_LONG:
            break
    return "\n".join(lines)


def minute(voices: list[Path]) -> AudioTrack:
    """Return a minute of sound at 16 kHz: the voices end to end."""
    samples = np.zeros(0, np.float32)
    for voice in itertools.cycle(voices):
        samples = np.concatenate([samples, AudioTrack.load(voice).resampled(16_000).samples])
        if len(samples) >= LONG_S * 16_000:
            return AudioTrack(samples[: int(LONG_S * 16_000)], 16_000)
    raise AssertionError("no end")


def seams(path: Path) -> float:
    """Return the difference of neighbouring frames where windows begin, over that elsewhere.

    Both are medians.
    """
    tier = load_components("nano").tier
    reader = VideoReader(path)
    change = np.array([np.abs(b - a).mean() for a, b in itertools.pairwise(_floats(reader))])
    plan = plan_shot(LONG_S, tier.fps, tier.fps, tier.window, tier.overlap, time_factor(tier))
    borders = [plan.video_range(segment)[0] - 1 for segment in plan.segments[1:]]
    return float(np.median(change[borders]) / np.median(np.delete(change, borders)))


def _floats(frames: VideoReader) -> Iterator[np.ndarray]:
    return (np.asarray(frame, np.float32) for frame in frames)


if __name__ == "__main__":
    main()
