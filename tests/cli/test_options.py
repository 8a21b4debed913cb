"""Options that commands share."""

from __future__ import annotations

from skyreels_avatar.camera import MOVES
from skyreels_avatar.cli import options
from skyreels_avatar.request.generation_request import GenerationRequest


def test_the_help_and_the_library_have_the_same_moves_and_tier():
    """The help is printed without loading the camera or the request."""
    assert options.MOVES.split(", ") == list(MOVES)
    assert GenerationRequest.tier == options.DEFAULT_TIER


def test_a_text_of_the_command_line_is_itself_unless_it_is_a_dash():
    assert options.text_or_stdin("hello") == "hello" and options.text_or_stdin(None) is None
