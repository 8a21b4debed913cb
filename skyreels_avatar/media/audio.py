"""Audio as a value: `AudioTrack`, read from any file FFmpeg knows, checked, cut, resampled."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skyreels_avatar.deprecation import renamed_attribute
from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.audio_decoding import (
    MAX_SAMPLE_RATE,
    MIN_DURATION_S,
    MIN_SAMPLE_RATE,
    decode_audio,
)
from skyreels_avatar.media.av_offset import align_to_video
from skyreels_avatar.media.downmix import downmix, remove_dc_offset
from skyreels_avatar.media.files import atomic_write, existing_file, media_kind, open_container
from skyreels_avatar.media.resample import resample
from skyreels_avatar.media.speech_level import speech_block_size, speech_gain

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class AudioTrack:
    """Audio of one or two channels.

    Args:
        samples: (S,) float32, mono, in [-1, 1]; what the networks get.
        sample_rate: Hz.
        path: the file it came from, for messages.
        stereo: (2, S) float32 when the source had two or more channels; what the video plays.
    """

    samples: np.ndarray
    sample_rate: int
    path: Path | None = None
    stereo: np.ndarray | None = None

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, dtype=np.float32)
        object.__setattr__(self, "samples", samples)
        where = f" in {self.path}" if self.path else ""
        if samples.ndim != 1:
            raise MediaError(f"a sound is one row of samples (S,), got shape {samples.shape}")
        if not MIN_SAMPLE_RATE <= self.sample_rate <= MAX_SAMPLE_RATE:
            raise MediaError(
                f"sample rate must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, "
                f"got {self.sample_rate}{where}"
            )
        if self.stereo is not None and self.stereo.shape != (2, len(samples)):
            raise MediaError(f"stereo must be (2, {len(samples)}), got {self.stereo.shape}")
        if not np.isfinite(samples).all():
            raise MediaError(
                f"the audio contains values that are not numbers (NaN or infinity){where}; "
                "export it again as 16-bit WAV"
            )

    def __repr__(self) -> str:
        kind = "mono" if self.stereo is None else "stereo"
        where = "" if self.path is None else f", {str(self.path)!r}"
        return f"AudioTrack({self.duration_s:.2f} s, {self.sample_rate} Hz, {kind}{where})"

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def channels(self) -> np.ndarray:
        """(1, S) or (2, S) float32: what a video file should play."""
        return self.samples[None] if self.stereo is None else self.stereo

    def mono(self) -> AudioTrack:
        """Return what the networks get: one channel, without a DC offset."""
        samples = remove_dc_offset(self.samples, self.sample_rate)
        if samples is self.samples and self.stereo is None:
            return self
        return AudioTrack(samples, self.sample_rate, self.path)

    @classmethod
    def of_channels(
        cls, channels: np.ndarray, sample_rate: int, path: Path | None = None
    ) -> AudioTrack:
        """Return the track of channels (1 or 2, S) float32 as they are played."""
        if len(channels) == 1:
            return cls(channels[0], sample_rate, path)
        return cls(downmix(channels, sample_rate)[0], sample_rate, path, channels)

    @classmethod
    def load(
        cls, path: str | Path, start_s: float | None = None, end_s: float | None = None
    ) -> AudioTrack:
        """Read the first audio stream of a file: WAV, MP3, FLAC, M4A, OGG, or a video.

        That of a video is aligned to the first frame: silence is put before one that starts later.

        Args:
            start_s, end_s: read this part alone; memory then holds no more of a long file.

        Raises:
            MediaError: the file is missing, empty, damaged, or holds no usable audio.
        """
        path = existing_file(path, "sound")
        with open_container(path, "sound") as container:
            if not container.streams.audio:
                raise MediaError(f"{path} holds no sound ({media_kind(path)}); give a sound file")
            piece = (start_s or 0.0, end_s)
            channels, sample_rate, began_s = decode_audio(container, path, *piece)
            has_picture = bool(container.streams.video)
        if has_picture and began_s is not None and piece == (0.0, None):
            channels = align_to_video(channels, sample_rate, began_s, path)
        duration_s = channels.shape[1] / sample_rate
        if duration_s < MIN_DURATION_S:
            raise MediaError(
                f"{path} holds {duration_s:.3f} s of sound; at least {MIN_DURATION_S} s is needed"
            )
        stereo = channels if len(channels) == 2 else None
        # The range is checked before the downmix: arithmetic on NaN would warn first.
        track = cls(channels[0], sample_rate, path, stereo)
        return track._in_range()._downmixed()

    def resampled(self, sample_rate: int) -> AudioTrack:
        """Return the track at another sample rate (polyphase filter, no delay)."""
        if sample_rate == self.sample_rate:
            return self
        return self._mapped(lambda x: resample(x, self.sample_rate, sample_rate), sample_rate)

    def cut(self, start_s: float | None = None, end_s: float | None = None) -> AudioTrack:
        """Return the piece from `start_s` to `end_s`; None means the beginning, the end."""
        start_s = 0.0 if start_s is None else float(start_s)
        end_s = self.duration_s if end_s is None else float(end_s)
        slack_s = 0.5 / self.sample_rate
        if start_s >= self.duration_s:
            raise MediaError(
                f"cannot use the sound from {start_s:g} s on: {self.path or 'it'} lasts "
                f"{self.duration_s:.2f} s; give an earlier start"
            )
        if not 0 <= start_s < end_s <= self.duration_s + slack_s:
            raise MediaError(
                f"cannot cut {start_s:g} s to {end_s:g} s out of a sound of "
                f"{self.duration_s:.2f} s; give 0 <= start < end <= {self.duration_s:.2f}"
            )
        start, end = (round(t * self.sample_rate) for t in (start_s, end_s))
        return self._mapped(lambda x: x[..., start:end])

    def reached(self, end_s: float | None) -> float | None:
        """Return the end of a cut; None, with a warning, where the track ends before it."""
        if end_s is None or end_s <= self.duration_s + 0.5 / self.sample_rate:
            return end_s
        logger.warning(
            "the end of the sound was to be %g s, but %s lasts %.2f s; it is used to its end",
            end_s, self.path or "it", self.duration_s,
        )  # fmt: skip
        return None

    def lasting(self, duration_s: float) -> AudioTrack:
        """Return the track cut or padded with silence to a duration."""
        wanted = max(1, round(duration_s * self.sample_rate))
        have = self.samples.shape[-1]
        if wanted <= have:
            return self._mapped(lambda x: x[..., :wanted])
        return self._mapped(lambda x: np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, wanted - have)]))

    def normalized(self) -> AudioTrack:
        """Return the track at the level of ordinary speech; for networks, not for output.

        Windows of 80 ms within 20 dB of their 95th percentile count as speech; their RMS becomes
        0.08. Silence stays silence, the gain stays below 40 dB.
        """
        size = speech_block_size(self.sample_rate)
        blocks = (self.samples[i : i + size] for i in range(0, len(self.samples), size))
        gain = speech_gain(blocks, self.sample_rate)
        return self._mapped(lambda x: x * np.float32(gain))

    normalised = renamed_attribute("normalised", "normalized")

    def save(self, path: str | Path) -> Path:
        """Write 16-bit WAV, FLAC or OGG by the suffix; the file appears when it is complete."""
        import soundfile

        path = Path(path)
        try:
            with atomic_write(path) as partial:  # soundfile chooses the format by its suffix
                soundfile.write(partial, self.channels.T, self.sample_rate)
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise MediaError(f"cannot write the sound {path}: {error}") from error
        return path

    def _mapped(self, change, sample_rate: int | None = None) -> AudioTrack:
        stereo = None if self.stereo is None else change(self.stereo)
        return AudioTrack(change(self.samples), sample_rate or self.sample_rate, self.path, stereo)

    def _downmixed(self) -> AudioTrack:
        if self.stereo is None:
            return self
        samples, cancelled_s = downmix(self.stereo, self.sample_rate)
        if cancelled_s:
            logger.warning(
                "%s: left and right are out of phase in %.1f of %.1f s; the louder channel moves "
                "the mouth there, and what is heard stays as it is",
                self.path, min(cancelled_s, self.duration_s), self.duration_s,
            )  # fmt: skip
        return replace(self, samples=samples)

    def _in_range(self) -> AudioTrack:
        """Scale down a float recording beyond full scale, which every player would clip."""
        # Minimum and maximum alone: abs() would copy a long track, the peak of all memory.
        low, high = float(self.channels.min()), float(self.channels.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise MediaError(
                f"the audio contains values that are not numbers (NaN or infinity) in {self.path}; "
                "export it again as 16-bit WAV"
            )
        peak = max(-low, high)
        # Lossy formats overshoot a little on loud masters.
        if peak <= 1.25:
            return self
        logger.warning("%s peaks at %.3g, full scale is 1; scaled by 1/%.3g", self.path, peak, peak)
        return self._mapped(lambda x: x / np.float32(peak))
