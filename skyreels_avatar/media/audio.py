"""Sound as a value: `AudioTrack`, read from any file FFmpeg knows, checked, cut, resampled."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.alignment import aligned_to_picture
from skyreels_avatar.media.downmix import downmix, without_offset
from skyreels_avatar.media.files import describe, existing_file, open_container, replacing
from skyreels_avatar.media.resample import resample

logger = logging.getLogger(__name__)

MIN_DURATION_S = 0.1
MAX_DURATION_S = 4 * 3600.0
# Of decoded samples: 1.5 hours in stereo at 48 kHz, 9.3 hours of one channel at 16 kHz. A few
# megabytes of compressed silence would otherwise take all memory.
MAX_DECODED_BYTES = 2**31
MIN_SAMPLE_RATE = 4000
MAX_SAMPLE_RATE = 384_000
# Level of speech after `normalised`: rms of the windows in which somebody speaks.
ACTIVE_RMS = 0.08
_WINDOW_S = 0.08
_MAX_GAIN = 100.0
# Two AAC frames at double rate: no codec pads a sound by more.
_LONGEST_BLOCK = 4096
_MOST_EXPECTED = 2**26  # samples that are made room for at once: 23 minutes at 48 kHz


class LongSoundError(MediaError):
    """Report a sound that would take too much memory as a whole; a piece of it may be read."""


@dataclass(frozen=True, eq=False)
class AudioTrack:
    """A sound.

    Args:
        samples: (S,) float32, mono, in [-1, 1]; what the networks hear.
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
                f"sound holds values that are no numbers (NaN or infinity){where}; "
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
        """Return the sound as the networks hear it: one channel, without a constant offset."""
        samples = without_offset(self.samples, self.sample_rate)
        if samples is self.samples and self.stereo is None:
            return self
        return AudioTrack(samples, self.sample_rate, self.path)

    @classmethod
    def of_channels(
        cls, channels: np.ndarray, sample_rate: int, path: Path | None = None
    ) -> AudioTrack:
        """Return a sound of the channels (1 or 2, S) float32 that are played."""
        if len(channels) == 1:
            return cls(channels[0], sample_rate, path)
        return cls(downmix(channels, sample_rate)[0], sample_rate, path, channels)

    @classmethod
    def load(
        cls, path: str | Path, start_s: float | None = None, end_s: float | None = None
    ) -> AudioTrack:
        """Read the first sound of a file: WAV, MP3, FLAC, M4A, OGG, or a video's sound.

        Of a video it begins with the first frame: with silence where its sound starts later.

        Args:
            start_s, end_s: keep this piece alone, so that memory holds no more of a long sound.

        Raises:
            MediaError: the file is missing, empty, damaged, holds no sound, or an absurd one.
        """
        path = existing_file(path, "sound")
        with open_container(path, "sound") as container:
            if not container.streams.audio:
                raise MediaError(f"{path} holds no sound ({describe(path)}); give a sound file")
            piece = (start_s or 0.0, end_s)
            channels, sample_rate, began_s = _decode(container, path, *piece)
            has_picture = bool(container.streams.video)
        if has_picture and began_s is not None and piece == (0.0, None):
            channels = aligned_to_picture(channels, sample_rate, began_s, path)
        duration_s = channels.shape[1] / sample_rate
        if duration_s < MIN_DURATION_S:
            raise MediaError(
                f"{path} holds {duration_s:.3f} s of sound; at least {MIN_DURATION_S} s is needed"
            )
        stereo = channels if len(channels) == 2 else None
        # Checked here, too: arithmetic on NaN below would warn before the dataclass refuses it.
        track = cls(channels[0], sample_rate, path, stereo)
        return track._in_range()._downmixed()

    def resampled(self, sample_rate: int) -> AudioTrack:
        """Return the same sound at another sample rate (polyphase filter, no delay)."""
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
        """Return the end of a cut, with a warning the sound's own end where that comes before."""
        if end_s is None or end_s <= self.duration_s + 0.5 / self.sample_rate:
            return end_s
        logger.warning(
            "the end of the sound was to be %g s, but %s lasts %.2f s; it is used to its end",
            end_s, self.path or "it", self.duration_s,
        )  # fmt: skip
        return None

    def lasting(self, duration_s: float) -> AudioTrack:
        """Return the sound cut, or followed by silence, so that it lasts that long."""
        wanted = max(1, round(duration_s * self.sample_rate))
        have = self.samples.shape[-1]
        if wanted <= have:
            return self._mapped(lambda x: x[..., :wanted])
        return self._mapped(lambda x: np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, wanted - have)]))

    def normalised(self) -> AudioTrack:
        """Return the sound at the level of ordinary speech; only for networks, not for output.

        The loudest windows of 80 ms decide what counts as speech (within 20 dB of their 95th
        percentile); their rms becomes 0.08. Silence stays silence, the gain stays below 40 dB.
        """
        size = speech_block(self.sample_rate)
        blocks = (self.samples[i : i + size] for i in range(0, len(self.samples), size))
        gain = speech_gain(blocks, self.sample_rate)
        return self._mapped(lambda x: x * np.float32(gain))

    def save(self, path: str | Path) -> Path:
        """Write the sound (16-bit WAV, FLAC, OGG by the name's ending); never half a file."""
        import soundfile

        path = Path(path)
        try:
            with replacing(path) as partial:  # soundfile chooses the format by its ending
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
        """Scale a float recording that exceeds full scale, since every player would clip it."""
        # The extremes alone: a second array of a long sound would be the peak of all memory.
        low, high = float(self.channels.min()), float(self.channels.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise MediaError(
                f"sound holds values that are no numbers (NaN or infinity) in {self.path}; "
                "export it again as 16-bit WAV"
            )
        peak = max(-low, high)
        # Lossy formats overshoot a little on loud masters; that is their ordinary sound.
        if peak <= 1.25:
            return self
        logger.warning("%s peaks at %.3g, full scale is 1; scaled by 1/%.3g", self.path, peak, peak)
        return self._mapped(lambda x: x / np.float32(peak))


def speech_block(sample_rate: int) -> int:
    """Return how many samples `speech_gain` takes at a time: whole windows, eight seconds."""
    return 100 * max(1, round(_WINDOW_S * sample_rate))


def speech_gain(blocks: Iterable[np.ndarray], sample_rate: int) -> float:
    """Return the gain that `normalised` gives a sound.

    Args:
        blocks: the sound in pieces of `speech_block` samples; the last may be shorter.
    """
    size = max(1, round(_WINDOW_S * sample_rate))
    powers = [np.zeros(0, np.float32)]
    for block in blocks:
        windows = np.zeros(-(-len(block) // size) * size, np.float32)
        windows[: len(block)] = block
        powers.append(np.square(windows.reshape(-1, size)).mean(axis=1))
    power = np.concatenate(powers)
    active = power[power >= 0.01 * np.percentile(power, 95)]
    rms = float(np.sqrt(active.mean())) if len(active) else 0.0
    return min(ACTIVE_RMS / rms, _MAX_GAIN) if rms > 1e-6 else 1.0


def _decode(
    container: av.container.InputContainer,
    path: Path,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> tuple[np.ndarray, int, float | None]:
    """Decode the first sound stream to (1 or 2, S) float32, its sample rate in Hz, its start."""
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise MediaError(f"{path} is damaged or of an unknown kind: its sound cannot be decoded")
    sample_rate = stream.codec_context.sample_rate
    if not MIN_SAMPLE_RATE <= (sample_rate or 0) <= MAX_SAMPLE_RATE:
        raise MediaError(
            f"sample rate must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, "
            f"got {sample_rate} in {path}"
        )
    layout = "mono" if stream.codec_context.channels == 1 else "stereo"
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=sample_rate)
    num_channels = 1 if layout == "mono" else 2
    expected, is_whole = _expected_samples(stream, sample_rate), not start_s and end_s is None
    if is_whole and stream.duration and stream.time_base:
        said = min(float(stream.duration * stream.time_base), 2 * MAX_DURATION_S)
        _check_memory(round(said * sample_rate), num_channels, sample_rate, path)
    stop = None if end_s is None else round(end_s * sample_rate)
    found = _Found(num_channels, expected if is_whole else 0, round(start_s * sample_rate), stop)
    num_packets, num_damaged, began_s = 0, 0, None
    try:
        for packet in container.demux(stream):
            num_packets += 1
            try:
                frames = packet.decode()
            except FFmpegError:
                num_damaged += 1
                continue
            for frame in frames:
                if began_s is None and not found.count and frame.pts is not None:
                    began_s = float(frame.pts * frame.time_base)
                found.add(resampler.resample(frame))
            _check_length(found.count, sample_rate, path)
            _check_memory(found.count, num_channels, sample_rate, path)
            if found.is_complete:
                break
        found.add(resampler.resample(None))
    except (FFmpegError, ValueError, IndexError, MemoryError) as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"{path} is damaged: its sound cannot be decoded") from error
    if num_damaged * 10 > num_packets:
        raise MediaError(f"{path} is damaged: {num_damaged} of {num_packets} pieces unreadable")
    if num_damaged:
        logger.warning("%s: %d of %d pieces unreadable, left out", path, num_damaged, num_packets)
    if not found.count and not is_whole:
        raise MediaError(
            f"{path} ends at {found.position / sample_rate:.2f} s, before the {start_s:g} s from "
            "which it is to be used; give an earlier start"
        )
    if not found.count:
        raise MediaError(f"{path} holds 0 s of sound; at least {MIN_DURATION_S} s is needed")
    if not is_whole:
        return found.channels, sample_rate, began_s
    return _without_padding(found.channels, stream, sample_rate), sample_rate, began_s


class _Found:
    """The samples decoded so far, in one array that rarely grows: two would be twice the memory."""

    def __init__(self, num_channels: int, expected: int, first: int = 0, stop: int | None = None):
        self._all = np.empty((num_channels, expected), np.float32)
        self._first, self._stop = first, stop
        self.position = self.count = 0  # samples that came by, and that were kept

    def add(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            piece = frame.to_ndarray()
            last = None if self._stop is None else max(self._stop - self.position, 0)
            self.position, begin = self.position + piece.shape[1], self._first - self.position
            piece = piece[:, max(begin, 0) : last]
            stop = self.count + piece.shape[1]
            if stop > self._all.shape[1]:
                grown = np.empty((len(self._all), stop + stop // 2), np.float32)
                grown[:, : self.count] = self.channels
                self._all = grown
            self._all[:, self.count : stop] = piece
            self.count = stop

    @property
    def is_complete(self) -> bool:
        return self._stop is not None and self.position >= self._stop

    @property
    def channels(self) -> np.ndarray:
        return self._all[:, : self.count]


def _expected_samples(stream, sample_rate: int) -> int:
    """Return what the header says, within reason: it is not to be trusted."""
    said = 0
    if stream.duration and stream.time_base:
        said = round(stream.duration * stream.time_base * sample_rate)
    return min(max(said, 0), _MOST_EXPECTED) + 2 * _LONGEST_BLOCK


def _without_padding(channels: np.ndarray, stream, sample_rate: int) -> np.ndarray:
    """Drop the silence that fills the last coded block, where the container tells the length."""
    if not stream.duration or not stream.time_base:
        return channels
    num_samples = round(stream.duration * stream.time_base * sample_rate)
    excess = channels.shape[1] - num_samples
    return channels[:, :num_samples] if 0 < excess <= _LONGEST_BLOCK else channels


def _check_length(counted: int, rate: int, path: Path) -> None:
    """Refuse what is too long by the samples decoded so far."""
    if counted > MAX_DURATION_S * rate:
        raise MediaError(
            f"{path} is longer than {MAX_DURATION_S / 3600:g} hours; cut it into shots first"
        )


def _check_memory(num_samples: int, num_channels: int, sample_rate: int, path: Path) -> None:
    """Refuse what takes too much memory once it is decoded, by what is known of it so far."""
    if 4 * num_channels * num_samples > MAX_DECODED_BYTES:
        hours = MAX_DECODED_BYTES / (4 * num_channels * sample_rate * 3600)
        raise LongSoundError(
            f"{path} is too long to be held in memory: with {num_channels} channels at "
            f"{sample_rate} Hz at most {hours:.1f} hours are; use a piece of it (audio_start and "
            "audio_end), or make it mono at 16000 Hz first",
            parameter="audio_start",
        )
