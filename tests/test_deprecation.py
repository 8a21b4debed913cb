"""Former names still work, and say which name to use."""

from __future__ import annotations

import pytest

from skyreels_avatar.deprecation import renamed_attribute, renamed_parameters


@renamed_parameters(colour="color")
def paint(color: str = "red") -> str:
    """Return the color."""
    return color


class Track:
    """An object with a method and an attribute that were renamed."""

    length = 3
    size = renamed_attribute("size", "length")
    normalised = renamed_attribute("normalised", "normalized")

    def normalized(self) -> str:
        """Return a word."""
        return "done"


def test_a_former_parameter_works_and_warns():
    with pytest.warns(DeprecationWarning, match=r"colour of paint\(\) is deprecated; use color"):
        assert paint(colour="blue") == "blue"
    assert paint(color="green") == "green"


def test_both_names_at_once_are_refused():
    with pytest.raises(TypeError, match="got color and its former name colour"):
        paint(color="a", colour="b")


def test_a_former_attribute_and_a_former_method_work_and_warn():
    with pytest.warns(DeprecationWarning, match=r"Track\.size is deprecated; use length"):
        assert Track().size == 3
    with pytest.warns(DeprecationWarning, match="use normalized"):
        assert Track().normalised() == "done"
