"""What a stream is told is checked before anything is made."""

from __future__ import annotations

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.live.options import StreamOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"fps": 0},
        {"fps": 500},
        {"seed": -1},
        {"style": "loud"},
        {"expressiveness": 300},
        {"camera": "fly:30"},
        {"prompt": 5},
    ],
)
def test_options_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(InputError):
        StreamOptions(**wrong)
