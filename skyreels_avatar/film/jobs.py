"""The jobs of a film: the request of each shot and the key of its video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from skyreels_avatar.camera.moves import CameraMove
from skyreels_avatar.film.assemble import RenderedShot, is_complete
from skyreels_avatar.film.sound import Film, stem_paths
from skyreels_avatar.film.timeline import PlacedShot
from skyreels_avatar.request.camera_spec import Camera
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.workers.fingerprint import ReadFiles, fingerprint_of


@dataclass(frozen=True)
class Job:
    """A shot, the request that makes it, the key of its video, and the files it is made of."""

    placed: PlacedShot
    request: GenerationRequest
    key: str
    read: ReadFiles

    @property
    def sound_paths(self) -> dict[str, Path]:
        """Where the sounds of the shot are while it is made, by their names."""
        return _sound_paths(self.request)

    @property
    def number(self) -> int:
        """The shot's number, from 1."""
        return self.placed.number

    def is_done(self) -> bool:
        """Tell whether its video is there, whole."""
        return is_complete(self.request.output, self.placed.num_frames)

    def rendered(self, is_new: bool) -> RenderedShot:
        """Return it as a shot that is made."""
        return RenderedShot(self.placed, self.key, self.request.output, is_new)


def shot_request(
    film: Film, placed: PlacedShot, sampling: SamplingParams, tier: str | None, sound: Path
) -> GenerationRequest:
    """Return the request that makes one shot of a film, to be written beside its sound."""
    script, fps = film.script, film.timeline.fps
    cuts = {placed.fade_in, placed.num_frames - placed.fade_out} - {0, placed.num_frames}
    names = stem_paths(placed.shot)
    stems = {name: sound.with_suffix(f".{name}.wav") for name in names}
    speakers = tuple(
        replace(one, audio=stems.get(f"speaker{i}")) for i, one in enumerate(placed.shot.speakers)
    )
    shot = replace(
        placed.shot,
        audio=sound,
        vocals=stems.get("vocals", placed.shot.vocals),
        speakers=speakers,
        text=None,
        voice=None,
        start_s=None,
        end_s=None,
        fade_s=0.0,
        camera=_shifted(placed.shot.camera, float(placed.lead_in / fps)),
        seed=sampling.seed if placed.shot.seed is None else placed.shot.seed,
    )
    settings = {} if tier is None else {"tier": tier}
    return GenerationRequest(
        shot,
        sound.with_suffix(".mp4"),
        size=f"{script.width}x{script.height}",
        fps=script.fps,
        sampling=replace(sampling, seed=0),
        cuts=tuple(sorted(cuts)),
        **settings,
    )


def _shifted(camera: Camera, lead_in_s: float) -> Camera:
    """Return a camera whose keyframes count from the cut, not from the cross-fade before it."""
    if isinstance(camera, CameraMove):
        return camera
    return tuple(
        replace(keyframe, time_s=keyframe.time_s + lead_in_s if keyframe.time_s else 0.0)
        for keyframe in camera
    )


def film_jobs(
    film: Film, sampling: SamplingParams, tier: str | None, work_folder: Path
) -> tuple[Job, ...]:
    """Return the jobs of all shots; nothing is written."""
    folder = work_folder / "shots"
    jobs = []
    for placed in film.timeline.shots:
        request = shot_request(film, placed, sampling, tier, folder / "sound.wav")
        read, sounds = ReadFiles(request), film.sounds(placed)
        unwritten = {path: sounds[name] for name, path in _sound_paths(request).items()}
        key = fingerprint_of(request, sounds=unwritten).key
        request = shot_request(film, placed, sampling, tier, folder / f"{key}.wav")
        jobs.append(Job(placed, request, key, read))
    return tuple(jobs)


def _sound_paths(request: GenerationRequest) -> dict[str, Path]:
    return {"": request.shot.audio, **stem_paths(request.shot)}
