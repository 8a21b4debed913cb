"""The sound of a film: the voice of each shot and the mix of the whole."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import ScriptError
from skyreels_avatar.film.timeline import PlacedShot, Timeline, build_timeline
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.files import existing_file
from skyreels_avatar.media.speech import DEFAULT_VOICE, speak
from skyreels_avatar.pipeline.voice import read_speakers
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot

logger = logging.getLogger(__name__)

_MIXED_HZ = 48_000


def load_sound(path: Path) -> AudioTrack:
    """Return the sound of a file; the latest few are kept, as long as their files do not change.

    Raises:
        MediaError: see `AudioTrack.load`.
    """
    found = existing_file(path, "sound").stat()
    return _load_sound(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _load_sound(path: Path, mtime_ns: int, size: int) -> AudioTrack:
    return AudioTrack.load(path)


def own_sound(shot: Shot) -> AudioTrack | None:
    """Return the used part of a shot's own sound; None where it follows the soundtrack.

    Raises:
        InputError: the file cannot be read, or does not reach from `start_s` to `end_s`; the text
            cannot be said by its voice.
        MissingExtraError: there is a text, and no engine to say it.
    """
    if shot.text is not None:
        return _cached_speech(shot.text, shot.voice or DEFAULT_VOICE).cut(shot.start_s, shot.end_s)
    if shot.audio is not None:
        return load_sound(shot.audio).cut(shot.start_s, shot.end_s)
    return read_speakers(shot)[0] if shot.has_sound else None


def stem_paths(shot: Shot) -> dict[str, Path]:
    """Return the paths of a shot's vocals and speakers' voices by short names."""
    stems = {} if shot.vocals_file is None else {"vocals": shot.vocals_file}
    voices = {f"speaker{i}": one.audio for i, one in enumerate(shot.speakers) if one.audio}
    return {**stems, **voices}


@lru_cache(maxsize=256)
def _cached_speech(text: str, voice: str) -> AudioTrack:
    return speak(text, voice).audio


@dataclass(frozen=True, eq=False)
class Film:
    """A script whose sounds are read and whose shots are placed.

    Attributes:
        soundtrack: from its own beginning; None without one.
        own_sounds: of each shot, None where it follows the soundtrack.
    """

    script: Script
    timeline: Timeline
    soundtrack: AudioTrack | None
    own_sounds: tuple[AudioTrack | None, ...]

    def spoken(self, placed: PlacedShot) -> AudioTrack:
        """Return the mono voice of a shot, exactly as long as its frames.

        Cross-fades extend it into the soundtrack; beyond a shot's own sound there is silence.
        """
        return self._part_for(placed, self.own_sounds[placed.index] or self.soundtrack)

    def sounds(self, placed: PlacedShot) -> dict[str, AudioTrack]:
        """Return the voice of a shot under "", then its vocals and the voices of its speakers.

        All are as long as its frames.

        Raises:
            MediaError: one cannot be read, or has not the piece that the shot uses.
        """
        shot, is_own = placed.shot, self.own_sounds[placed.index] is not None
        found = {name: load_sound(path) for name, path in stem_paths(shot).items()}
        if is_own:
            found = {name: stem.cut(shot.start_s, shot.end_s) for name, stem in found.items()}
        stems = {name: self._part_for(placed, stem) for name, stem in found.items()}
        return {"": self.spoken(placed), **stems}

    def _part_for(self, placed: PlacedShot, track: AudioTrack) -> AudioTrack:
        """Return the part of a track, on the clock of the shot's voice, that its frames need."""
        fps, start_s = self.timeline.fps, 0.0
        if self.own_sounds[placed.index] is None:
            start_s = self.timeline.origin_s + float((placed.first_frame + placed.lead_in) / fps)
        lead_in_s = float(placed.lead_in / fps)
        return _span(track, start_s - lead_in_s, float(placed.num_frames / fps))

    def mixdown(self) -> AudioTrack:
        """Return the mix of the whole film: the soundtrack with the shots' own sounds over it."""
        duration_s, fps = self.timeline.duration_s, self.timeline.fps
        tracks: list[tuple[float, AudioTrack]] = []
        if self.soundtrack is not None:
            tracks.append((-self.timeline.origin_s, self.soundtrack))
        for placed, own in zip(self.timeline.shots, self.own_sounds):
            if own is not None:
                tracks.append((float((placed.first_frame + placed.lead_in) / fps), own))
        if len(tracks) == 1:
            start_s, track = tracks[0]
            return _span(track, -start_s, duration_s, stereo=True)
        return _mixed(tracks, duration_s)


def open_film(script: Script) -> Film:
    """Read the sounds of a script and place its shots.

    Raises:
        MediaError: a sound cannot be read.
        ScriptError: shots overlap, leave gaps, reach beyond the soundtrack or are too short.
    """
    soundtrack = None if script.soundtrack is None else load_sound(script.soundtrack)
    own_sounds = tuple(own_sound(shot) for shot in script.shots)
    timeline, problems = place_shots(script, soundtrack, own_sounds)
    if problems:
        raise ScriptError([problem.message for problem in problems])
    return Film(script, timeline, soundtrack, own_sounds)


def place_shots(script: Script, soundtrack: AudioTrack | None, own: Sequence[AudioTrack | None]):
    """Place the shots of a script whose sounds are read: see `build_timeline`."""
    own_s = [None if sound is None else sound.duration_s for sound in own]
    return build_timeline(script, None if soundtrack is None else soundtrack.duration_s, own_s)


def _span(track: AudioTrack, start_s: float, duration_s: float, stereo: bool = False) -> AudioTrack:
    """Return a part of a track, padded with silence beyond its ends."""
    rate = track.sample_rate
    start, count = round(start_s * rate), round(duration_s * rate)
    source = track.channels if stereo else track.samples[None]
    piece = np.zeros((len(source), count), np.float32)
    low, high = max(0, -start), min(count, source.shape[1] - start)
    if high > low:
        piece[:, low:high] = source[:, start + low : start + high]
    return _as_track(piece, rate, track.path)


def _mixed(tracks: Sequence[tuple[float, AudioTrack]], duration_s: float) -> AudioTrack:
    """Return the sum of tracks, each with its start in seconds of the film."""
    rate = max((track.sample_rate for _, track in tracks), default=_MIXED_HZ)
    num_channels = max(len(track.channels) for _, track in tracks)
    total = np.zeros((num_channels, round(duration_s * rate)), np.float32)
    for start_s, track in tracks:
        piece = _span(track.resampled(rate), -start_s, duration_s, stereo=True)
        total += piece.channels
    peak = float(np.abs(total).max())
    if peak > 1:
        logger.warning("the sounds of the film together peak at %.2f; scaled by 1/%.2f", peak, peak)
        total /= peak
    return _as_track(total, rate, None)


def _as_track(channels: np.ndarray, rate: int, path: Path | None) -> AudioTrack:
    return AudioTrack.of_channels(channels, rate, path)
