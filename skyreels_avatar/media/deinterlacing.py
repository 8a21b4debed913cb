"""Deinterlace frames with FFmpeg's bwdif."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.error import FFmpegError
from av.filter import Graph
from av.video.stream import VideoStream

# Codecs whose decoders do not mark frames as interlaced; the file may say so.
_UNMARKED_CODECS = {"rawvideo", "v210", "v410", "ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv"}
_INTERLACED_ORDERS = (2, 3, 4, 5)  # AV_FIELD_TT, BB, TB, BT


def is_marked_interlaced(stream: VideoStream) -> bool:
    """Return whether a file states that all frames are interlaced and its decoder marks none."""
    context = stream.codec_context
    order = getattr(context, "field_order", 0)  # PyAV has it from version 18 on
    return context.name in _UNMARKED_CODECS and order in _INTERLACED_ORDERS


def deinterlace(frames: Iterator[av.VideoFrame], every: bool) -> Iterator[av.VideoFrame]:
    """Yield the frames, deinterlaced where needed; their number and time stamps stay.

    Args:
        every: deinterlace also frames that are not marked as interlaced.
    """
    for frame in frames:
        if every or frame.interlaced_frame:
            yield from _filtered(frame, frames, every)
            return
        yield frame


def _filtered(
    first: av.VideoFrame, frames: Iterator[av.VideoFrame], every: bool
) -> Iterator[av.VideoFrame]:
    graph, stamps = None, []
    frame: av.VideoFrame | None = first
    shape = None
    while frame is not None:
        if shape != (frame.width, frame.height, frame.format.name):
            if graph is not None:
                yield from _pull(graph, None, stamps)
            shape = frame.width, frame.height, frame.format.name
            graph = _graph(frame, every)
        stamps.append(frame.pts)
        yield from _pull(graph, frame, stamps)
        frame = next(frames, None)
    yield from _pull(graph, None, stamps)


def _graph(frame: av.VideoFrame, every: bool) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    deint = "all" if every else "interlaced"
    merge = graph.add("bwdif", f"mode=send_frame:parity=auto:deint={deint}")
    sink = graph.add("buffersink")
    source.link_to(merge)
    merge.link_to(sink)
    graph.configure()
    return graph


def _pull(
    graph: Graph, frame: av.VideoFrame | None, stamps: list[int | None]
) -> Iterator[av.VideoFrame]:
    """Push a frame, or the end, into a filter that keeps order and number; yield its output."""
    graph.push(frame)
    while stamps:
        try:
            found = graph.pull()
        except (FFmpegError, EOFError, BlockingIOError):
            return
        found.pts = stamps.pop(0)
        yield found
