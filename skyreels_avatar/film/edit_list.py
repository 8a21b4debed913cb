"""Export a film as an OpenTimelineIO edit list for editing programs."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.errors import InputError, MissingExtraError
from skyreels_avatar.film.assemble import RenderedShot
from skyreels_avatar.film.render import FilmResult
from skyreels_avatar.film.sound import load_sound
from skyreels_avatar.media.files import atomic_write
from skyreels_avatar.media.outputs import check_regular
from skyreels_avatar.request.script import Script


def check_edit_list(path: Path) -> None:
    """Refuse an edit list that could not be written.

    Raises:
        InputError: the name does not end in .otio, or its folder is not there.
        MissingExtraError: OpenTimelineIO is not installed.
    """
    _otio()
    if path.suffix.lower() != ".otio":
        raise InputError(f"an edit list ends in .otio, got {path}")
    check_regular(path, "edit list")
    if not path.parent.is_dir():
        raise InputError(f"the folder of the edit list {path} does not exist; create it first")


def write_edit_list(result: FilmResult, script: Script, path: Path) -> None:
    """Write a film as a timeline of its shots' own videos, its cross-fades and its soundtrack.

    The clips' media are longer than the clips where there are cross-fades: an editor can move
    those. Only shots that are made are in it; the others are gaps.

    Raises:
        InputError, MissingExtraError: see `check_edit_list`.
    """
    check_edit_list(path)
    otio = _otio()
    timeline = otio.schema.Timeline(path.stem)
    timeline.global_start_time = otio.opentime.RationalTime(0, result.fps)
    timeline.tracks.append(_video_track(otio, result, script))
    if script.soundtrack is not None:
        timeline.tracks.append(_sound_track(otio, result, script))
    try:
        with atomic_write(path) as partial:
            otio.adapters.write_to_file(timeline, str(partial))
    except OSError as error:
        raise InputError(f"cannot write the edit list {path}: {error}") from error


def _otio():
    try:
        import opentimelineio
    except ImportError as error:
        raise MissingExtraError("OpenTimelineIO", "edit") from error
    return opentimelineio


def _range(otio, start: float, duration: float, rate: float):
    time = otio.opentime.RationalTime
    return otio.opentime.TimeRange(time(start, rate), time(duration, rate))


def _video_track(otio, result: FilmResult, script: Script):
    track = otio.schema.Track("video", kind=otio.schema.TrackKind.Video)
    made = {shot.number: shot for shot in result.shots}
    at = 0
    for number, shot in sorted(made.items()):
        placed = shot.placed
        start = placed.first_frame + placed.lead_in
        if start > at:
            track.append(otio.schema.Gap(source_range=_range(otio, 0, start - at, result.fps)))
        if placed.fade_in and number - 1 in made:
            time = otio.opentime.RationalTime
            track.append(
                otio.schema.Transition(
                    transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
                    in_offset=time(placed.lead_in, result.fps),
                    out_offset=time(placed.fade_in - placed.lead_in, result.fps),
                )
            )
        track.append(_clip(otio, shot, result.fps))
        at = _out_frame(shot)
    return track


def _out_frame(shot: RenderedShot) -> int:
    """Return the film's frame after the cut at the end of a shot."""
    placed = shot.placed
    return placed.stop_frame - (placed.fade_out - placed.fade_out // 2)


def _clip(otio, shot: RenderedShot, fps: float):
    placed = shot.placed
    start = placed.first_frame + placed.lead_in
    return otio.schema.Clip(
        name=f"shot {shot.number}",
        media_reference=otio.schema.ExternalReference(
            target_url=shot.path.resolve().as_uri(),
            available_range=_range(otio, 0, placed.num_frames, fps),
        ),
        source_range=_range(otio, placed.lead_in, _out_frame(shot) - start, fps),
        metadata={"skyreels_avatar": {"prompt": placed.shot.prompt, "key": shot.key}},
    )


def _sound_track(otio, result: FilmResult, script: Script):
    track = otio.schema.Track("sound", kind=otio.schema.TrackKind.Audio)
    sound = load_sound(script.soundtrack)
    rate = float(sound.sample_rate)
    origin_s = result.origin_s
    media = otio.schema.ExternalReference(
        target_url=script.soundtrack.resolve().as_uri(),
        available_range=_range(otio, 0, len(sound.samples), rate),
    )
    span = _range(otio, round(origin_s * rate), round(result.duration_s * rate), rate)
    track.append(otio.schema.Clip(name="soundtrack", media_reference=media, source_range=span))
    return track
