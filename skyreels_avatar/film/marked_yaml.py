"""YAML whose every value knows its line, so that an error can say where it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from skyreels_avatar.errors import ScriptError

MAX_BYTES = 2_000_000
_MAX_DEPTH, _MAX_VALUES = 20, 100_000
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
    text = _read_text(path)
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise ScriptError([f"{path}:1: the file is empty; a script has a list of shots"])
        problems: list[str] = []
        marked = _Converter(loader, path, problems).convert(node, node.start_mark.line + 1)
    except yaml.MarkedYAMLError as error:
        raise ScriptError([_syntax_problem(path, error)]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ScriptError([f"{path}:1: this is no YAML: {' '.join(str(error).split())}"]) from error
    if problems:
        raise ScriptError(problems)
    return marked


def _read_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise ScriptError([f"{path} is a folder; give the path of a script"])
        if path.stat().st_size > MAX_BYTES:
            raise ScriptError([f"{path} is larger than {MAX_BYTES // 10**6} MB; is it a script?"])
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ScriptError([f"script not found: {path}; check the spelling"]) from error
    except UnicodeDecodeError as error:
        raise ScriptError([f"{path} is no text in UTF-8; is it a script?"]) from error
    except (OSError, ValueError) as error:
        raise ScriptError([f"cannot read the script {path}: {error}"]) from error


def _syntax_problem(path: Path, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    said = error.problem or "not understood"
    if "'\\t'" in said:
        said = "a tab; indent with spaces"
    elif "single document" in (error.context or ""):
        said = "a second document begins; a script is one document"
    elif said.startswith("could not determine a constructor for the tag"):
        said = "tags are not allowed"
    return f"{path}:{line}: this is no valid YAML: {said}"


class _Converter:
    """From the nodes of a YAML file to marked values, with all problems on the way."""

    def __init__(self, loader: yaml.SafeLoader, path: Path, problems: list[str]):
        self._loader = loader
        self._path = path
        self._problems = problems
        self._count = 0

    def convert(self, node: yaml.Node, line: int, depth: int = 0) -> Marked:
        """Return the marked value of a node; `line` is where its key, else it stands."""
        self._count += 1
        # An alias inside an alias doubles the values with every line of the file.
        if depth > _MAX_DEPTH or self._count > _MAX_VALUES:
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
        except ValueError:  # a date that is none, a whole number of thousands of digits
            self._problems.append(f"{self._path}:{line}: {node.value[:40]!r} is no usable value")
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
