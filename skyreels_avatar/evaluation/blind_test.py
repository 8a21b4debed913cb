"""A page on which people choose between two systems without knowing which is which."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation.html_report import linked

SUFFIXES = {".mp4", ".webm", ".mov"}
QUESTION = "Which of the two looks more like a person who really says this?"
_PAGE = """<!doctype html><html lang=en><meta charset=utf-8>
<meta name=viewport content="width=device-width,initial-scale=1"><title>Which is better?</title>
<style>body{font:16px/1.4 system-ui,sans-serif;margin:1rem auto;max-width:70rem;padding:0 1rem}
.pair{display:flex;gap:1rem;flex-wrap:wrap}.pair div{flex:1 1 18rem}
video{width:100%;background:#000}
h1{font-size:1.4rem}button{font:inherit;padding:.5rem 1rem;margin-top:.5rem}</style>
<h1 id=title></h1><p id=place></p><p>Play both to the end, as often as you like; then choose.</p>
<div class=pair id=pair></div><p id=end></p>
<script>
const QUESTION = __QUESTION__, PAIRS = __PAIRS__, answers = [];
const page = id => document.getElementById(id);
const rater = Math.random().toString(36).slice(2, 10);
let order = PAIRS.map((_, i) => i);
for (let i = order.length - 1; i > 0; i--) {
  const j = Math.floor(Math.random() * (i + 1)); [order[i], order[j]] = [order[j], order[i]];
}
page('title').textContent = QUESTION;
function show() {
  const at = answers.length;
  if (at === PAIRS.length) return finish();
  page('place').textContent = `${at + 1} of ${PAIRS.length}`;
  const pair = PAIRS[order[at]], swapped = Math.random() < 0.5;
  const sides = swapped ? [1, 0] : [0, 1], started = Date.now(), seen = new Set();
  page('pair').replaceChildren(...sides.map((side, place) => {
    const box = document.createElement('div'), video = document.createElement('video');
    const button = document.createElement('button');
    video.src = pair.videos[side]; video.controls = true;
    video.onended = video.onerror = () => {
      seen.add(side);
      if (seen.size === 2) page('pair').querySelectorAll('button').forEach(b => b.disabled = false);
    };
    button.disabled = true;
    button.textContent = place ? 'The right one' : 'The left one';
    button.onclick = () => {
      answers.push([rater, pair.name, 'AB'[side], place ? 'right' : 'left', Date.now() - started]);
      show();
    };
    box.append(video, button); return box;
  }));
}
function finish() {
  const lines = [['rater', 'video', 'chosen', 'side', 'milliseconds'], ...answers];
  const text = lines.map(l => l.map(c => '"' + String(c).replaceAll('"', '""') + '"').join(','));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text.join('\\n') + '\\n'], {type: 'text/csv'}));
  link.download = `answers-${rater}.csv`; link.textContent = 'Save the answers';
  page('pair').replaceChildren(); page('place').textContent = 'Thank you.';
  page('end').replaceChildren(link);
}
show();
</script>"""


@dataclass(frozen=True)
class Preference:
    """How often system A was chosen.

    Attributes:
        chosen_a: of `answers` by `raters` people.
        share: of A. low, high: its 95 % interval (Clopper and Pearson 1934, over answers).
        left: share of answers that chose the left side; far from a half, people did not look.
    """

    chosen_a: int
    answers: int
    raters: int
    share: float
    low: float
    high: float
    left: float


def write_blind_test(a: Path, b: Path, path: Path, question: str = QUESTION) -> int:
    """Write a page that shows the videos of two folders in pairs of one name; return how many.

    Order and sides are random for each rater, who chooses when both have been played to the
    end (or cannot be); the answers are saved as CSV.

    Raises:
        InputError: fewer than two names are in both folders.
    """
    names = [
        {file.stem: file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES}
        for folder in (a, b)
    ]
    common = sorted(names[0].keys() & names[1].keys())
    if len(common) < 2:
        raise InputError(
            f"{a} and {b} have {len(common)} videos of the same name; at least 2 are needed: "
            "make both systems' videos from the same inputs and give them the same names"
        )
    random.Random(0).shuffle(common)
    pairs = [
        {"name": name, "videos": [linked(some[name], path.parent) for some in names]}
        for name in common
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    page = _PAGE.replace("__QUESTION__", _script(question)).replace("__PAIRS__", _script(pairs))
    path.write_text(page, encoding="utf-8")
    return len(common)


def read_answers(files: Sequence[Path]) -> Preference:
    """Return what people chose, from the CSV files that the page saves.

    Raises:
        InputError: a file is not one of the page, or there is no answer.
    """
    rows = []
    for file in files:
        with open(file, newline="", encoding="utf-8") as lines:
            found = list(csv.DictReader(lines))
        if any(row.get("chosen") not in ("A", "B") or not row.get("rater") for row in found):
            raise InputError(f"{file} does not hold the answers of a blind test")
        rows += found
    if not rows:
        raise InputError("no answers; give the CSV files that the page of the blind test saves")
    chosen = sum(row["chosen"] == "A" for row in rows)
    low, high = binomtest(chosen, len(rows)).proportion_ci(0.95, "exact")
    return Preference(
        chosen_a=chosen,
        answers=len(rows),
        raters=len({row["rater"] for row in rows}),
        share=chosen / len(rows),
        low=float(low),
        high=float(high),
        left=sum(row["side"] == "left" for row in rows) / len(rows),
    )


def _script(value: object) -> str:
    """Return a value as JSON that may stand inside a script element."""
    return json.dumps(value).replace("<", "\\u003c")
