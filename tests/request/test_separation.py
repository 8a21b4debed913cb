import subprocess
import sys

import pytest

from skyreels_avatar.request.separation import names_no_file


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [("vocals", "auto", True), ("vocals", False, True), ("vocals", "off", True),
     ("vocals", "voice.wav", False), ("audio", "auto", False)],
)  # fmt: skip
def test_only_words_for_vocals_name_no_file(key, value, expected):
    assert names_no_file(key, value) is expected


def test_it_needs_no_pytorch(root):
    code = "import sys, skyreels_avatar.request.separation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
