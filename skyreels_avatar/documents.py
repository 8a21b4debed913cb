"""Read YAML and JSON files written by users, within limits and without tags.

Scripts, tiers and requests all come through here, so that no file, however it was made, costs
more than a moment, opens anything else, or ends in an exception of the parser.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import yaml

from skyreels_avatar.errors import InputError

MAX_BYTES = 2_000_000
MAX_DEPTH, MAX_VALUES = 20, 50_000
_MAX_INTEGER = 2**63 - 1
_MERGE = "tag:yaml.org,2002:merge"
# YAML 1.1 takes 1e-5 for text, since it has no point.
_FLOAT = re.compile(r"[-+]?(?:\d[\d_]*)(?:\.\d*)?[eE][-+]?\d+$")


class LimitedLoader(yaml.SafeLoader):
    """A YAML loader without tags, whose values and depth are counted while the file is parsed.

    Raises:
        yaml.MarkedYAMLError: from every method, for whatever is wrong with the file.
    """

    def __init__(self, text: str):
        super().__init__(text)
        self._num_values, self._depth = 0, 0

    def compose_node(self, parent, index):
        """Return the next node; aliases count as one value here, as many when they are merged."""
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:
            raise _problem("tags are not allowed", event.start_mark)
        self._count(1, event.start_mark)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _problem("nested too deeply", event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def flatten_mapping(self, node) -> None:
        """Resolve `<<` in a mapping and count the values: nested merges grow exponentially."""
        merges = any(key.tag == _MERGE for key, _ in node.value)
        super().flatten_mapping(node)
        if merges:
            self._count(len(node.value), node.start_mark)

    def construct_object(self, node, deep: bool = False) -> Any:
        """Return the value of a node."""
        try:
            value = super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # of dates that are none, integers of thousands of digits, ...
            raise _problem("this value cannot be used", node.start_mark) from error
        if isinstance(value, int) and abs(value) > _MAX_INTEGER:
            raise _problem("this number is too large", node.start_mark)
        return value

    def _count(self, added: int, mark: yaml.Mark) -> None:
        self._num_values += added
        if self._num_values > MAX_VALUES:
            raise _problem(f"more than {MAX_VALUES} values, or too many aliases", mark)


LimitedLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))


def read_text(path: str | Path, noun: str, max_bytes: int = MAX_BYTES) -> str:
    """Return the text of a small file.

    Args:
        noun: what the file should be, for the message: "script", "tier", "transcript".
        max_bytes: a larger file is refused.

    Raises:
        InputError: it is missing, no regular file (a pipe would wait for ever), too large, may not
            be read, or is no UTF-8.
    """
    try:
        path = Path(path).expanduser()
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{path} is a folder; give the path of a {noun}")
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{path} is not a regular file; give the path of a {noun}")
        if found.st_size > max_bytes:
            raise InputError(f"{path} is larger than {max_bytes // 10**6} MB; is it a {noun}?")
        return path.read_text(encoding="utf-8-sig")
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{noun} not found: {path}; check the spelling") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; is it a {noun}?") from error
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: ~nobody has no home
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read the {noun} {str(path)[:200]!r}: {reason}") from error


def read_mapping(path: str | Path, noun: str = "file") -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file.

    Messages name places in the file and quote nothing of it: it may be somebody else's.

    Raises:
        InputError: it cannot be read, is no YAML, is beyond the limits, or holds no mapping.
    """
    return parse_mapping(read_text(path, noun), path, noun)


def parse_mapping(text: str, path: str | Path, noun: str = "file") -> dict[str, Any]:
    """Return the mapping in the text of a file: see `read_mapping`."""
    try:
        loader = LimitedLoader(text)
        values = loader.get_single_data()
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not a usable {noun}: {describe_problem(error)}") from error
    except RecursionError as error:
        raise InputError(f"{path} is not a usable {noun}: nested too deeply") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path} must hold a mapping of names to values; is it a {noun}?")
    return values


def describe_problem(error: yaml.YAMLError) -> str:
    """Return "line 3: what is wrong" without any text of the file."""
    message = "not understood"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if isinstance(error, yaml.MarkedYAMLError):
        message = error.problem or message
        if "'\\t'" in message:
            message = "a tab; indent with spaces"
        elif "single document" in (error.context or ""):
            message = "a second document begins; there may be one"
        elif message.startswith("could not determine a constructor for the tag"):
            message = "tags are not allowed"
        elif message.startswith(("found undefined alias", "found duplicate anchor")):
            message = "an alias that is not defined, or defined twice"
    elif isinstance(error, yaml.reader.ReaderError):
        message = "a character that text does not have"
    line = f"line {mark.line + 1}: " if mark else ""
    return f"{line}this is not valid YAML: {message}"


def _problem(message: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=mark)
