"""What an upload is, told by its content; files made to harm are refused and reach nothing."""

from __future__ import annotations

import http.server
import threading

import pytest

from skyreels_avatar.apps.jobs import probe
from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.probe import examine, probe_file
from skyreels_avatar.apps.jobs.records import RequestError
from skyreels_avatar.errors import InputError
from tests.apps.sending import picture_bytes, sound_bytes


@pytest.fixture(scope="module")
def listener():
    """Yield the address of a server and what asks it for anything."""
    asked = []

    class Asked(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(sound_bytes())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Asked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", asked
    server.shutdown()


HOSTILE = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://HOST/a.ts\n#EXT-X-ENDLIST\n",
    "m3u8_file": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile://SECRET\n#EXT-X-ENDLIST\n",
    "m3u8_concat": "#EXTM3U\n#EXTINF:1,\nconcat:http://HOST/h.txt|file://SECRET\n#EXT-X-ENDLIST\n",
    "m3u8_subfile": "#EXTM3U\n#EXTINF:1,\nsubfile,,start,0,end,9,,:SECRET\n#EXT-X-ENDLIST\n",
    "m3u8_data": "#EXTM3U\n#EXTINF:1,\ndata:text/plain;base64,SGVsbG8=\n#EXT-X-ENDLIST\n",
    "m3u8_crypto": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="http://HOST/k"\n#EXTINF:1,\nSECRET\n',
    "ffconcat": "ffconcat version 1.0\nfile 'SECRET'\n",
    "ffconcat_http": "ffconcat version 1.0\nfile 'http://HOST/a.wav'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 HOST\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>http://HOST'
    "/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "smil": '<?xml version="1.0"?><smil><body><video src="http://HOST/a.mp4"/></body></smil>',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://HOST/a.png"/></svg>',
    "eps": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(SECRET) (r) file run\n",
    "playlist": "[playlist]\nFile1=http://HOST/a.mp3\nNumberOfEntries=1\n",
    "avisynth": 'AVISource("SECRET")\n',
    "image_sequence": "SECRET%03d.png\n",
    "rtsptext": "rtsp://HOST/stream\n",
    "html": "<html><script>fetch('http://HOST/x')</script></html>",
    "shell": "#!/bin/sh\ncurl http://HOST/\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_files_that_name_other_files_are_refused_and_reach_none(name, listener, tmp_path):
    host, asked = listener
    secret = tmp_path / "secret.wav"
    secret.write_bytes(sound_bytes())
    path = tmp_path / "upload"
    path.write_text(HOSTILE[name].replace("HOST", host).replace("SECRET", str(secret)))
    with pytest.raises(InputError):
        examine(path)
    assert asked == []


def test_pictures_sounds_and_what_is_none_are_told_apart(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(picture_bytes(80))
    found = examine(path)
    assert (found.kind, found.suffix, found.width, found.height) == ("image", ".png", 80, 80)
    path.write_bytes(sound_bytes(0.5))
    found = examine(path)
    assert (found.kind, found.suffix, found.duration_s) == ("audio", ".wav", 0.5)
    for content in (b"\0" * 100, picture_bytes()[:60], b"", b"hello"):
        path.write_bytes(content)
        with pytest.raises(InputError):
            examine(path)


def test_the_process_tells_what_it_found_and_nothing_of_this_machine(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(picture_bytes())
    bad.write_bytes(b"nothing")
    assert probe_file(good, Limits()).content_type == "image/png"
    with pytest.raises(RequestError) as refused:
        probe_file(bad, Limits())
    assert refused.value.status == 422 and str(tmp_path) not in refused.value.message


def test_a_file_that_ends_or_stops_the_process_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(picture_bytes())
    monkeypatch.setattr(probe, "WALL_S", 0.01)
    with pytest.raises(RequestError, match="too long"):
        probe_file(path, Limits())
    monkeypatch.setattr(probe, "WALL_S", 60)
    monkeypatch.setattr(probe.sys, "executable", "/bin/false")
    with pytest.raises(RequestError, match="damaged"):
        probe_file(path, Limits())


def test_what_lasts_too_long_or_is_too_large_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(sound_bytes(1.0))
    with pytest.raises(RequestError, match="at most 0 s") as refused:
        probe_file(path, Limits(audio_s=0.4))
    assert refused.value.status == 413
    path.write_bytes(picture_bytes(100))
    with pytest.raises(RequestError, match="megapixels") as refused:
        probe_file(path, Limits(picture_px=9_000))
    assert refused.value.status == 413
