"""What a picture shows, before anybody animates it."""

from __future__ import annotations

import skyreels_avatar as sa
from tests.samples import write_pair


def test_faces_come_with_what_is_wrong_with_them(tmp_path, picture_file):
    left, right = sorted(sa.examine_picture(write_pair(tmp_path)), key=lambda face: face.box[0])
    assert left.box[0] < 300 < right.box[0]
    assert all(issue.message and not issue.fatal for issue in (*left.findings, *right.findings))
    assert sa.examine_picture(picture_file) == ()
