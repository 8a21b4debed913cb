"""What a prompt says about time: "at first she is sad, then she smiles", "he laughs at the end".

Networks are told one thing for a window; they know no sentence with two. So each part of such a
prompt is for the windows of its own share of the shot.
"""

from __future__ import annotations

import re

_THEN = re.compile(
    r"\s*[,;.]?\s*(?:\b(?:and|but)\s+)?\b(?:then|afterwards|after that)\b[,\s]*", re.I
)
_FIRST = re.compile(r"[,\s]*\b(?:at first|first|initially|in the beginning)\b[,\s]*", re.I)
_END = r"(?:at the end|in the end|at last)"
_AT_END = re.compile(
    rf"^(?:(.*?)\s*(?:,\s*(?:and\s+)?|\band\s+))?([^,]*?)\s*,?\s*\b{_END}[.\s]*$", re.I
)
_FROM_END = re.compile(rf"^(.*?)\s*[,;.]?\s*(?:\band\s+)?\b(?:{_END}|finally)\b[,\s]+(.+)$", re.I)
_DIRECTION = re.compile(r"^(?:to (?:the|her|his) )?(?:left|right|up|down)$")
_DIRECTED = re.compile(r"^(.*?)\s*\b(?:to (?:the|her|his) )?(?:left|right|up|down)$")
END_SHARE = 0.3  # of a shot: its end


def prompt_times(prompt: str) -> tuple[tuple[float, str], ...]:
    """Return from which share of a shot on which part of its prompt holds; the first from 0.

    A prompt that says nothing of time is its only part.
    """
    parts = [(0.0, prompt)]
    if at_end := _FROM_END.match(prompt) or _AT_END.match(prompt):
        before, last = (part or "" for part in at_end.groups())
        parts = [(0.0, before), (1 - END_SHARE, last)]
    share = parts[1][0] if len(parts) > 1 else 1.0
    steps = [_FIRST.sub(" ", step).strip(" ,.") for step in _THEN.split(parts[0][1])]
    if len(steps) == 1:  # "at first" alone, and nothing follows, says the same
        return tuple(parts)
    steps = [step for step in steps if step] or [""]
    for index in range(1, len(steps)):
        directed = _DIRECTED.match(steps[index - 1])
        if directed and _DIRECTION.match(steps[index]):
            steps[index] = f"{directed[1]} {steps[index]}"
    return *((index / len(steps) * share, step) for index, step in enumerate(steps)), *parts[1:]
