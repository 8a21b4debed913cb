"""Everything that is wrong with a script file, collected while it is read."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.checks import user_path
from skyreels_avatar.errors import InputError, ScriptError
from skyreels_avatar.film.marked_yaml import Marked
from skyreels_avatar.media.files import existing_file


class ProblemLog:
    """Problems with the file and line of each; a problem that recurs is kept once."""

    def __init__(self) -> None:
        self._problems: list[tuple[str, int, str]] = []

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, marked: Marked, message: object) -> None:
        """Note a problem of a value; a wrong default is one problem, not one in every shot."""
        found = (str(marked.path), marked.line, marked.problem(message))
        if found not in self._problems:
            self._problems.append(found)

    def add_file(self, path: Path, error: ScriptError) -> None:
        """Note the problems of an included file."""
        self._problems += [(str(path), 0, problem) for problem in error.problems]

    def raise_all(self) -> None:
        """Raise all problems in the order of their lines; do nothing where there are none."""
        if self._problems:
            in_order = sorted(self._problems, key=lambda found: found[:2])
            raise ScriptError([problem for _, _, problem in in_order])

    def file(self, marked: Marked, noun: str) -> Path | None:
        """Return the path of an existing file, relative to its script; None after a problem."""
        value = marked.plain()
        if not isinstance(value, (str, Path)) or not str(value).strip():
            self.add(marked, f"the {noun} must be the path of a file, got {value!r}")
            return None
        try:
            return existing_file(marked.path.parent / user_path(value), noun)
        except InputError as error:
            self.add(marked, error)
            return None
