"""Whether the voice is separated from a sound: what may stand where a file of vocals could.

Apart from `shot`, so that a server reads scripts without PyTorch.
"""

from __future__ import annotations

SEPARATIONS = ("auto", "on")  # of the voice from the sound, in place of a file of vocals


def names_no_file(key: str, value: object) -> bool:
    """Return whether a value of a script's key says what is done, where a file could stand.

    YAML reads on and off as true and false.
    """
    return key == "vocals" and (isinstance(value, bool) or value in (*SEPARATIONS, "off"))
