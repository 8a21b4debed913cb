"""Sound, pictures and video as values: read, checked, converted, written."""

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.media.video import VideoReader, VideoWriter, check_output

__all__ = ["AudioTrack", "Portrait", "VideoReader", "VideoWriter", "check_output", "fit_size"]
