"""What a video file holds, found by reading its packets: which stream, which frames, when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.files import (
    disposition_of,
    existing_file,
    has_cover_codec,
    is_marked_cover,
    is_still_image,
    media_kind,
    open_container,
)
from skyreels_avatar.media.timing import FrameTimeline, fit_timeline, unwrap_timestamps

# Of the packets; a file that lost more is refused, as in sounds.
MAX_LOST_SHARE = 0.1
# A clock that pauses for longer has jumped, in seconds. Of transport streams that is FFmpeg's own
# limit; a screen recording may show one picture for minutes.
_MAX_GAP_S = {"mpegts": 10.0, "mpeg": 10.0}
_LONGEST_GAP_S = 3600.0
_MAX_UNSTAMPED_SHARE = 0.02
# Here a packet may be one of the two fields of an interlaced frame.
_FORMATS_OF_FIELDS = ("mpegts", "mpeg", "mpegvideo", "h264")
_DEFAULT = 1  # AV_DISPOSITION_DEFAULT
UNKNOWN_COLOR = 2  # ISO/IEC 23091-2
_NO_STAMP = -(2**63)


@dataclass(frozen=True, eq=False)
class StreamScan:
    """The video stream of a file and its frames in the order in which they are shown.

    Attributes:
        index: of the stream in the file.
        stamps: (N,) int64 presentation stamps, from the first frame that can be decoded on.
        timeline: the frames at a constant rate.
        start_s: when the first frame is shown, on the clock of the file.
        num_unopened: frames before it, which cannot be decoded.
        missing_s: length of the end that the header announces and the file does not have.
        num_other_streams: further moving pictures in the file, which are not used.
        alpha_decoder: the decoder that sees transparency which the usual one drops, or None.
        transfer, primaries: colour codes of the container (ISO/IEC 23091-2), which decoders of
            some codecs overwrite.
    """

    index: int
    stamps: np.ndarray
    timeline: FrameTimeline
    start_s: float
    num_unopened: int
    missing_s: float
    num_other_streams: int
    alpha_decoder: str | None = None
    transfer: int = UNKNOWN_COLOR
    primaries: int = UNKNOWN_COLOR


@dataclass
class _Packets:
    """Stamps of one stream's packets in the order of the file."""

    pts: list[int]
    dts: list[int]
    last: tuple[int, int] = (_NO_STAMP, 0)  # stamp and duration of the packet shown last
    unstamped: int = 0

    @property
    def count(self) -> int:
        return len(self.pts) + self.unstamped

    def add(self, packet: av.Packet, reorders: bool) -> None:
        pts, dts = packet.pts, packet.dts
        if pts is None and not reorders:
            pts = dts
        if pts is None:
            self.unstamped += 1
            return
        self.pts.append(pts)
        self.dts.append(pts if dts is None else dts)
        if pts >= self.last[0]:
            self.last = pts, packet.duration or 0


def scan_video(path: str | Path) -> StreamScan:
    """Find the film in a file and the times of its frames; remembered while the file is the same.

    Raises:
        MediaError: the file is missing, empty, damaged, or holds no moving picture.
    """
    path = existing_file(path, "video").absolute()
    stat = path.stat()
    return _scan(path, stat.st_size, stat.st_mtime_ns)


def decoded_frames(
    container: InputContainer, scan: StreamScan, lost: list[int]
) -> Iterator[av.VideoFrame]:
    """Yield the frames of the film that can be decoded.

    Args:
        lost: one element, raised by one for each packet that cannot be.
    """
    container.streams[scan.index].thread_type = "AUTO"
    yield from _decoded(container, scan, lost)


def first_frame(container: InputContainer, scan: StreamScan) -> av.VideoFrame | None:
    """Return the first frame that can be decoded, without starting on those that follow."""
    return next(_decoded(container, scan, [0]), None)


def _decoded(
    container: InputContainer, scan: StreamScan, lost: list[int]
) -> Iterator[av.VideoFrame]:
    stream = container.streams[scan.index]
    decoder = stream.codec_context
    if scan.alpha_decoder:
        decoder = av.CodecContext.create(scan.alpha_decoder, "r")
    for packet in _packets(container, [stream]):
        try:
            frames = decoder.decode(packet)
        except FFmpegError:
            lost[0] += 1
            continue
        yield from frames
    try:
        yield from decoder.decode(None)
    except FFmpegError:
        lost[0] += 1


@lru_cache(maxsize=16)
def _scan(path: Path, size: int, time_ns: int) -> StreamScan:
    with open_container(path, "video") as container:
        streams = [s for s in container.streams.video if not is_marked_cover(s)]
        known = [stream for stream in streams if stream.codec_context is not None]
        if streams and not known:
            raise MediaError(
                f"{path} cannot be decoded: the codec of its video is unknown to this FFmpeg; "
                "convert it to H.264"
            )
        packets, ends_s = _read_packets(container, known)
        films = [s for s in known if not has_cover_codec(s) or packets[s.index].count > 1]
        if not known or is_still_image(container) or (container.streams.audio and not films):
            raise MediaError(f"{path} is {media_kind(path)}, not a video")
        stream, others = _best(known, packets)
        found = packets[stream.index]
        facts = StreamScan(
            stream.index, np.zeros(0, np.int64), fit_timeline(np.zeros(1)), 0.0, 0,
            _missing_s(container, stream, found, ends_s), others, _alpha_decoder(stream),
            int(stream.codec_context.color_trc), int(stream.codec_context.color_primaries),
        )  # fmt: skip
        is_stamped = found.unstamped <= _MAX_UNSTAMPED_SHARE * len(found.pts) and found.pts
        claims = _claimed_rates(stream)
        gap = _MAX_GAP_S.get(container.format.name, _LONGEST_GAP_S)
        unit = stream.time_base
        in_fields = container.format.name in _FORMATS_OF_FIELDS
    first, is_interlaced = _first_frame(path, facts)
    if not is_stamped or (in_fields and is_interlaced):
        found = _Packets(*_decoded_stamps(path, facts))
    return _planned(facts, found, first, unit, gap, claims)


def _planned(
    facts: StreamScan,
    found: _Packets,
    first: int,
    unit: Fraction,
    gap_s: float,
    claims: list[Fraction],
) -> StreamScan:
    """Return the scan with its frames from the first on that can be decoded."""
    pts = np.array(found.pts, np.int64)
    max_gap = int(gap_s / unit)
    joined = pts + unwrap_timestamps(np.array(found.dts, np.int64), max_gap)
    order = np.argsort(joined, kind="stable")
    pts, joined = pts[order], joined[order]
    joined += unwrap_timestamps(joined, max_gap)  # a damaged stamp is not a pause, either
    at = np.flatnonzero(pts == first)
    start = int(at[0]) if len(at) else 0
    pts, joined = pts[start:], joined[start:]
    times_s = (joined - joined[0]) * float(unit)
    timeline = fit_timeline(times_s, found.last[1] * float(unit), claims)
    return replace(
        facts, stamps=pts, timeline=timeline, start_s=float(pts[0] * unit), num_unopened=start
    )


def _packets(container: InputContainer, streams: list) -> Iterator[av.Packet]:
    """Yield the packets with content, up to the end or to where the file breaks off."""
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return
        except IndexError:
            # PyAV does not know streams that appear on the way; the next packet may be of others.
            packets = container.demux(streams)
            continue
        if packet is None:
            return
        if packet.size:
            yield packet


def _read_packets(
    container: InputContainer, streams: list[VideoStream]
) -> tuple[dict[int, _Packets], float]:
    """Return the stamps of each video stream, and where the last packet of all streams ends."""
    found = {stream.index: _Packets([], []) for stream in streams}
    hidden = {s.index: _is_hidden for s in streams if s.codec_context.name in ("vp8", "libvpx")}
    reorders = {s.index: bool(s.codec_context.has_b_frames) for s in streams}
    end_s = 0.0
    for packet in _packets(container, list(container.streams)):
        if packet.pts is not None:
            end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        index = packet.stream_index
        if index not in found or packet.is_discard:
            continue
        if index in hidden and hidden[index](packet):
            continue
        found[index].add(packet, reorders[index])
    return found, end_s


def _is_hidden(packet: av.Packet) -> bool:
    """Tell whether a packet of VP8 holds a frame that is only referred to (RFC 6386, 9.1)."""
    return not memoryview(packet)[0] >> 4 & 1


def _best(streams: list[VideoStream], packets: dict[int, _Packets]) -> tuple[VideoStream, int]:
    """Return the stream that players show, and how many more films there are."""
    moving = [s for s in streams if packets[s.index].count > 1] or streams
    best = max(
        moving,
        key=lambda s: (
            disposition_of(s) & _DEFAULT,
            s.codec_context.width * s.codec_context.height,
            -s.index,
        ),
    )
    return best, len(moving) - 1


def _alpha_decoder(stream: VideoStream) -> str | None:
    """Return the decoder that reads the second picture in which WebM keeps transparency."""
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    marked = any(stream.metadata.get(key) == "1" for key in ("alpha_mode", "ALPHA_MODE"))
    return name if marked and name in av.codecs_available else None


def _claimed_rates(stream: VideoStream) -> list[Fraction]:
    return [rate for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate) if rate]


def _missing_s(
    container: InputContainer, stream: VideoStream, found: _Packets, end_s: float
) -> float:
    """Return how much of what the header announces is not in the file, in seconds."""
    if stream.duration and found.pts:
        start = min(found.pts)
        last = sum(found.last)
        return max(0.0, float((stream.duration - (last - start)) * stream.time_base))
    if container.duration:
        # Some formats count the duration from their first stamp, some from zero.
        start_s = min(container.start_time or 0, 0) / av.time_base
        return max(0.0, container.duration / av.time_base - (end_s - start_s))
    return 0.0


def _first_frame(path: Path, scan: StreamScan) -> tuple[int, bool]:
    """Return stamp of the first frame that can be decoded, and whether it is interlaced."""
    with open_container(path, "video") as container:
        frame = first_frame(container, scan)
        if frame is None:
            name = container.streams[scan.index].codec_context.name
            raise MediaError(f"{path} is damaged: no frame of its {name} video can be decoded")
        return _NO_STAMP if frame.pts is None else frame.pts, bool(frame.interlaced_frame)


def _decoded_stamps(path: Path, scan: StreamScan) -> tuple[list[int], list[int]]:
    """Return the stamps of all frames where packets have none: by decoding all of them."""
    with open_container(path, "video") as container:
        stamps = [frame.pts for frame in decoded_frames(container, scan, [0])]
    unknown = sum(stamp is None for stamp in stamps)
    if unknown > _MAX_UNSTAMPED_SHARE * len(stamps):
        return [0] * len(stamps), [0] * len(stamps)
    known = np.array([np.nan if stamp is None else stamp for stamp in stamps], np.float64)
    places = np.arange(len(known))
    good = np.isfinite(known)
    filled = np.interp(places, places[good], known[good]).astype(np.int64).tolist()
    stamps = [fill if stamp is None else stamp for stamp, fill in zip(stamps, filled)]
    return stamps, stamps
