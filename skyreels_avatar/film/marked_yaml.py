"""YAML with the file and line of every value, for error messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from skyreels_avatar.documents import (
    MAX_DEPTH,
    MAX_VALUES,
    LimitedLoader,
    describe_problem,
    read_text,
)
from skyreels_avatar.errors import InputError, ScriptError

_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Marked:
    """A value of a YAML file.

    Attributes:
        value: a scalar, a list of Marked, or a dict from text to Marked.
        path, line: where it stands, lines from 1; for the value of a key, where the key stands.
    """

    value: Any
    path: Path
    line: int

    def plain(self) -> Any:
        """Return the value without its lines."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def problem(self, message: object) -> str:
        """Return a message with the place of this value before it."""
        return f"{self.path}:{self.line}: {message}"


def read_marked(path: Path) -> Marked:
    """Return the one document of a YAML file.

    Raises:
        ScriptError: the file cannot be read, is no YAML, or has duplicate keys; all of them.
    """
    try:
        text = read_text(path, "script")
    except InputError as error:
        raise ScriptError([str(error)]) from error
    problems: list[str] = []
    try:
        loader = LimitedLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise ScriptError([f"{path}:1: the file is empty; a script has a list of shots"])
        marked = _Converter(loader, path, problems).convert(node, node.start_mark.line + 1)
    except yaml.YAMLError as error:
        line, _, said = describe_problem(error).rpartition("line ")[2].partition(": ")
        place, said = (line, said) if line.isdecimal() else (1, describe_problem(error))
        raise ScriptError([f"{path}:{place}: {said}"]) from error
    except RecursionError as error:
        raise ScriptError([f"{path}:1: this is no YAML: nested too deeply"]) from error
    if problems:
        raise ScriptError(problems)
    return marked


class _Converter:
    """Converts the nodes of a YAML file to marked values and collects problems."""

    def __init__(self, loader: LimitedLoader, path: Path, problems: list[str]):
        self._loader = loader
        self._path = path
        self._problems = problems
        self._count = 0

    def convert(self, node: yaml.Node, line: int, depth: int = 0) -> Marked:
        """Return the marked value of a node; `line` is where its key, else it stands."""
        self._count += 1
        # An alias inside an alias doubles the values with every line of the file.
        if depth > MAX_DEPTH or self._count > MAX_VALUES:
            raise ScriptError([f"{self._path}:{line}: nested too deeply, or too many aliases"])
        if isinstance(node, yaml.MappingNode):
            items = {
                key.value: self.convert(value, key.start_mark.line + 1, depth + 1)
                for key, value in self._entries(node)
            }
            return Marked(items, self._path, line)
        if isinstance(node, yaml.SequenceNode):
            items = [self.convert(n, n.start_mark.line + 1, depth + 1) for n in node.value]
            return Marked(items, self._path, line)
        try:
            return Marked(self._loader.construct_object(node), self._path, line)
        except yaml.MarkedYAMLError as error:
            self._problems.append(f"{self._path}:{line}: {error.problem}")
            return Marked(None, self._path, line)

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                continue
            if key.tag != _TEXT:
                shown = key.value if isinstance(key.value, str) else "a list or a mapping"
                self._problems.append(f"{self._path}:{line}: a key must be a word, got {shown}")
            elif key.value in seen:
                self._problems.append(
                    f"{self._path}:{line}: {key.value!r} is given twice, first in line "
                    f"{seen[key.value]}"
                )
            else:
                seen[key.value] = line
        self._loader.flatten_mapping(node)
        return ((key, value) for key, value in node.value if key.tag == _TEXT)
