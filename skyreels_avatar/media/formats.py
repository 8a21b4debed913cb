"""The file formats that FFmpeg may open: no playlists, scripts, devices or text."""

from __future__ import annotations

_VIDEO = (
    "mov matroska webm avi asf flv live_flv mpegts mpeg mpegvideo h261 h263 h264 hevc vvc evc m4v "
    "av1 obu ivf mxf gxf nut ogg rm dv wtv nsv swf yuv4mpegpipe vc1 dirac cavsvideo avs2 avs3 "
    "mjpeg dxa lxf mlv cine smk bink dhav amv roq film_cpk dnxhd apv"
)
_SOUND = (
    "wav w64 aiff au caf flac mp3 aac latm loas ac3 eac3 ac4 dts dtshd truehd mlp amr amrnb amrwb "
    "ape wv tta tak mpc mpc8 shn dsf iff voc gsm g722 g723_1 g729 spx qcp oma ircam sln adx ast "
    "bonk osq qoa xwma sox hca lc3 iamf codec2 aptx sbc nistsphere avr"
)
_PICTURE = (
    "image2 gif apng ico webp jpegxl_anim png_pipe jpeg_pipe jpegls_pipe bmp_pipe tiff_pipe "
    "webp_pipe psd_pipe exr_pipe dpx_pipe hdr_pipe jpegxl_pipe jpegxs_pipe j2k_pipe gif_pipe "
    "pcx_pipe pam_pipe pbm_pipe pgm_pipe pgmyuv_pipe ppm_pipe pfm_pipe phm_pipe sgi_pipe "
    "sunrast_pipe qoi_pipe dds_pipe xwd_pipe pictor_pipe gem_pipe pgx_pipe qdraw_pipe cri_pipe"
)
# Checked by FFmpeg between recognizing a file and reading it: nothing that a playlist names is
# ever opened.
FORMAT_WHITELIST = ",".join(f"{_VIDEO} {_SOUND} {_PICTURE}".split())

# How files begin that only name other files.
PLAYLIST_SIGNS = (
    b"#extm3u", b"ffconcat", b"<mpd", b"# vobsub", b"v=0", b"[playlist]", b"<?xml", b"rtsp://",
    b"http://", b"https://", b"file ", b"file:", b"<asx", b"[reference]",
)  # fmt: skip
