"""`verify`: lines that fit a terminal."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.cli.verify import _lines
from skyreels_avatar.provenance.verification import VerificationResult


def test_lines_fit_80_columns():
    fields = VerificationResult.__dataclass_fields__
    values = {
        "path": Path("talk.mp4"), "state": "tampered", "problems": ("hash", "signature " * 12),
        "signer": "Somebody with a very long name of an organization and a place", "trusted": False,
        "generator": "SkyReels Avatar 0.2.0", "tier": "nano", "seed": 7,
        "actions": ("c2pa.created", "c2pa.edited", "c2pa.opened"), "source_types": ("algorithm",),
        "inputs": (
            {"role": "image", "sha256": "a" * 64}, {"role": "speaker 2", "sha256": "b" * 64},
        ),
    }  # fmt: skip
    lines = _lines(VerificationResult(**{k: v for k, v in values.items() if k in fields}))
    assert lines[0] == "talk.mp4: TAMPERED: changed since it was signed"
    assert max(map(len, lines)) <= 80
    assert sum("a" * 64 in line for line in lines) == sum("b" * 64 in line for line in lines) == 1
    assert any(line.split()[:2] == ["speaker", "2"] for line in lines)
