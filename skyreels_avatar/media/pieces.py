"""Join and cut videos without encoding again.

A piece is a video that `VideoWriter` makes without audio: it begins with an IDR frame, no frame
refers beyond its ends, and all pieces of one size and rate have the same headers. So the packets of
pieces can follow each other in one stream unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.audio_stream import AacStream, SpooledAudio
from skyreels_avatar.media.files import atomic_write, existing_file, open_container
from skyreels_avatar.media.video import check_output, exact_fps

_OFF_GRID = 0.02  # of a frame; MP4 counts in thousandths of a frame or finer


@dataclass(frozen=True)
class Piece:
    """The properties of a piece.

    Attributes:
        path: the file.
        num_frames: its frames.
        fps: exact frames per second.
        height, width: pixels.
        headers: parameter sets of its H.264 stream.
        delay: packets between decoding and presentation order.
    """

    path: Path
    num_frames: int
    fps: Fraction
    height: int
    width: int
    headers: bytes
    delay: int


def read_piece(path: str | Path) -> Piece:
    """Return the properties of a piece after checking that it can be joined; nothing is decoded.

    Raises:
        MediaError: it is missing or damaged, no H.264 video, or its pictures are not evenly spaced
            from 0 on with a key frame first.
    """
    path = existing_file(path, "video")
    with open_container(path, "video") as container:
        if not container.streams.video:
            raise MediaError(f"{path} cannot be joined: it holds no video")
        stream = container.streams.video[0]
        if stream.codec_context is None or stream.codec_context.name != "h264":
            raise MediaError(f"{path} cannot be joined: it is not H.264; make it with VideoWriter")
        if not stream.average_rate or not stream.frames:
            raise MediaError(f"{path} cannot be joined: it is not a complete MP4 file")
        fps = exact_fps(float(stream.average_rate))
        shown: list[int] = []
        for packet in _packets(container, stream, path):
            if not shown and not packet.is_keyframe:
                raise MediaError(f"{path} cannot be joined: it does not begin with a key frame")
            shown.append(_frame_of(packet, fps, path))
        if len(shown) != stream.frames or sorted(shown) != list(range(len(shown))):
            raise MediaError(
                f"{path} cannot be joined: it is cut off, or its pictures do not follow each other"
            )
        return Piece(
            path=path,
            num_frames=len(shown),
            fps=fps,
            height=stream.height,
            width=stream.width,
            headers=bytes(stream.codec_context.extradata or b""),
            delay=max(place - frame for place, frame in enumerate(shown)),
        )


def join_pieces(
    pieces: Sequence[Path],
    output: Path,
    audio: AudioTrack | None,
    metadata: Mapping[str, str] | None = None,
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Write one video of all pieces in order, their packets as they are, with a sound.

    The file appears under its name when everything is in it; after an error nothing is left. The
    number of frames is the sum of the pieces'; the sound is cut or filled with silence to the same
    length, to the sample. Same pieces, same sound: same bytes.

    Args:
        pieces: MP4 files that `VideoWriter` made with the same size, rate and options.
        output: ends in .mp4; may not be one of the pieces.
        audio: the sound from the first frame on, or None for a silent film.
        metadata: tags of the file, such as title, comment and description.
        finish: called with the complete file before it gets its name; may change it.

    Raises:
        MediaError: there is no piece, one cannot be read, they differ in size, rate or kind of
            encoding, or the output cannot be written.
    """
    if audio is None:
        join_with_spooled_audio(pieces, output, None, metadata, finish)
        return
    with closing(SpooledAudio(audio, check_output(output).parent)) as sound:
        join_with_spooled_audio(pieces, output, sound, metadata, finish)


def join_with_spooled_audio(
    pieces: Sequence[Path],
    output: Path,
    sound: SpooledAudio | None,
    metadata: Mapping[str, str] | None = None,
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Do the work of `join_pieces` with audio that is spooled already."""
    path = check_output(output)
    if not pieces:
        raise MediaError(f"there is nothing to join in {path}; give at least one piece")
    read = [read_piece(piece) for piece in pieces]
    for piece in read[1:]:
        _check_alike(read[0], piece)
    try:
        with atomic_write(path) as partial:
            options = {"movflags": "+faststart"}
            with av.open(str(partial), "w", format="mp4", options=options) as film:
                film.metadata.update(metadata or {})
                _write(film, read, sound)
            if finish is not None:
                finish(partial)
    except (FFmpegError, OSError) as error:
        raise MediaError(f"cannot write {path}: {error}") from error


def _write(
    film: av.container.OutputContainer, pieces: Sequence[Piece], sound: SpooledAudio | None
) -> None:
    fps = pieces[0].fps
    delay = max(piece.delay for piece in pieces)
    with open_container(pieces[0].path, "video") as container:
        video = film.add_stream_from_template(container.streams.video[0])
    video.time_base = 1 / fps
    track = None if sound is None else AacStream(film, sound)
    first = 0
    for piece in pieces:
        with open_container(piece.path, "video") as container:
            packets = _packets(container, container.streams.video[0], piece.path)
            for place, packet in enumerate(packets):
                # A short piece has other decoding times than a long one: they are counted again.
                frame = _frame_of(packet, fps, piece.path)
                packet.time_base = 1 / fps
                packet.pts, packet.dts = first + frame, first + place - delay
                packet.duration = 1
                packet.stream = video
                film.mux(packet)
        first += piece.num_frames
        if track is not None:
            track.write_until(first / fps)
    if track is not None:
        track.finish(first / fps, fps)


def _packets(container, stream, path: Path):
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise MediaError(f"{path} is damaged: it ends in the middle of a picture")
            if packet.size:
                yield packet
    except FFmpegError as error:
        raise MediaError(f"{path} is damaged: {error}") from error


def _frame_of(packet: av.Packet, fps: Fraction, path: Path) -> int:
    if packet.pts is None:
        raise MediaError(f"{path} cannot be joined: a picture in it has no time")
    place = packet.pts * packet.time_base * fps
    if abs(place - round(place)) > _OFF_GRID:
        raise MediaError(f"{path} cannot be joined: its pictures are not evenly spaced")
    return round(place)


def _check_alike(first: Piece, other: Piece) -> None:
    for noun, have, want in (
        ("size", (other.width, other.height), (first.width, first.height)),
        ("frame rate", other.fps, first.fps),
    ):
        if have != want:
            said = "x".join(map(str, have)) if noun == "size" else f"{float(have):g} fps"
            wanted = "x".join(map(str, want)) if noun == "size" else f"{float(want):g} fps"
            raise MediaError(
                f"pieces of one film have one {noun}: {first.path} has {wanted}, "
                f"{other.path} has {said}; make both again with the same settings"
            )
    if other.headers != first.headers:
        raise MediaError(
            f"{other.path} is encoded with other settings than {first.path}; make both with the "
            "same options of VideoWriter"
        )


def cut_piece(path: Path, start: int, stop: int, output: Path) -> Path:
    """Write pictures `start` to `stop` of a video as a piece of its own, packets as they are.

    Args:
        path: an MP4 file that `VideoWriter` made; a sound in it is left out.
        start, stop: each one of the `cuts` that it was made with, its beginning or its end.
        output: appears when it is complete.

    Raises:
        MediaError: the video cannot be read or cut there, or the output cannot be written.
    """
    piece = read_piece(path)
    try:
        with (
            atomic_write(output) as partial,
            open_container(piece.path, "video") as container,
            av.open(str(partial), "w", format="mp4") as film,
        ):
            stream = container.streams.video[0]
            video = film.add_stream_from_template(stream)
            video.time_base = 1 / piece.fps
            for place, packet in enumerate(_packets(container, stream, piece.path)):
                frame = _frame_of(packet, piece.fps, piece.path)
                inside = start <= place < stop
                if inside != (start <= frame < stop) or (
                    place in (start, stop) and not packet.is_keyframe
                ):
                    raise MediaError(f"{path} cannot be cut at pictures {start} and {stop}")
                if inside:
                    packet.time_base = 1 / piece.fps
                    packet.pts, packet.dts = frame - start, place - start - piece.delay
                    packet.duration = 1
                    packet.stream = video
                    film.mux(packet)
    except (FFmpegError, OSError) as error:
        raise MediaError(f"cannot write {output}: {error}") from error
    return output
