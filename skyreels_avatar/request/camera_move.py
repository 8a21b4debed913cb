"""`CameraMove` of the public API: errors are `InputError`s."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from skyreels_avatar.camera import moves
from skyreels_avatar.checks import MAX_SEED, check_integer, check_number
from skyreels_avatar.errors import InputError


@dataclass(frozen=True, eq=False)
class CameraMove(moves.CameraMove):
    """A camera move; equal to one of the package `camera` with the same values.

    Args:
        name: one of `MOVES`.
        strength: 0 to 1, the share of the largest good amplitude in this picture.
        ease: "trapezoid", "linear" or "smooth": how it speeds up and slows down.
        seed: which handheld sway "swing" draws.
        absolute: take the share of the move's own amplitude, without the limit of the picture, so
            that strengths compare across pictures.

    Raises:
        InputError: unknown name or ease, or a strength outside 0 to 1.
    """

    def __post_init__(self) -> None:
        for name in ("name", "ease"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"{name} of a camera move must be text")
        check_number("strength", self.strength, float("-inf"), float("inf"))
        try:
            super().__post_init__()
        except ValueError as error:
            raise InputError(str(error)) from error
        check_integer("seed of a camera move", self.seed, 0, MAX_SEED)
        if not isinstance(self.absolute, bool):
            raise InputError("absolute of a camera move must be true or false")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, moves.CameraMove):
            return NotImplemented
        return astuple(self) == astuple(other)

    __hash__ = moves.CameraMove.__hash__
