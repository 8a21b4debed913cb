"""How a server starts: what it refuses, and what it does without."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from skyreels_avatar.apps.server.run import serve
from skyreels_avatar.apps.server.settings import ServerSettings
from skyreels_avatar.cli import run
from skyreels_avatar.errors import InputError


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = ServerSettings(tmp_path / "data", port=taken.getsockname()[1])
        with pytest.raises(InputError, match="another port"):
            serve(settings, lambda url: None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "--tokens"),
        (["--port", "99999"], "port must be"),
        (["--workers", "-1"], "workers must be"),
        (["--engine", "slurm"], "engine must be"),
        (["--consent", "maybe"], "consent"),
        (["--max-seconds", "0"], "max-seconds"),
        (["--tokens", "missing.txt"], "cannot read the tokens"),
        (["--database", "nonsense"], "is an address like"),
    ],
)
def test_wrong_options_end_with_exit_code_2(arguments, said, tmp_path, capsys):
    code = run(["serve", "--data", str(tmp_path / "data"), "--port", "0", *arguments])
    assert code == 2 and said in " ".join(capsys.readouterr().err.split())


def test_a_token_is_printed_once(tmp_path, capsys):
    path = tmp_path / "tokens.txt"
    assert run(["token", "anna", "--tokens", str(path)]) == 0
    token = capsys.readouterr().out.strip()
    assert token.startswith("sa_") and token not in path.read_text()
    assert run(["token", "a b", "--tokens", str(path)]) == 2


def test_the_server_itself_needs_no_pytorch(root):
    """Its workers do; two hundred megabytes are better spent there."""
    code = "import sys, skyreels_avatar.apps.server.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
