"""Writing systems: which languages read which letters."""

from __future__ import annotations

import unicodedata
from collections import Counter

from skyreels_avatar.errors import InputError

# Writing systems, by the first word of their Unicode names, and the languages that read them;
# every voice reads Latin letters.
_READERS = {
    "CJK": "cmn yue hak",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CYRILLIC": "ru uk be bg sr mk kk ky tt ba cv nog uz bs kaa az",
    "GREEK": "el grc",
    "HEBREW": "he",
    "ARABIC": "ar fa ur sd ug ku",
    "DEVANAGARI": "hi mr ne kok",
    "BENGALI": "bn as bpy",
    "GURMUKHI": "pa",
    "GUJARATI": "gu",
    "ORIYA": "or",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "THAI": "th",
    "MYANMAR": "my shn",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy hyw",
    "ETHIOPIC": "am ti",
}
_SCRIPT_NAMES = {"CJK": "Chinese"}


def check_script(text: str, voice: str) -> None:
    """Refuse a text whose letters a voice would spell one by one, or not read at all.

    Raises:
        InputError: more than a third of the letters are of a script of other languages, or there
            are Chinese characters in Japanese, which espeak-ng reads in kana only.
    """
    language = voice.partition("+")[0].strip().lower().replace("_", "-").partition("-")[0]
    language = "cmn" if language == "zh" else language
    letters = [c for c in text if unicodedata.category(c)[0] == "L"]
    scripts = Counter(unicodedata.name(c, "").split(maxsplit=1)[0] for c in letters if ord(c) > 127)
    if language == "ja" and scripts["CJK"]:
        raise InputError(
            "the voice ja reads kana only; write the words with Chinese characters in hiragana"
        )
    for script, count in scripts.items():
        readers = _READERS.get(script, language).split()
        if language not in readers and 3 * count > len(letters):
            raise InputError(
                f"the voice {voice} cannot read {_SCRIPT_NAMES.get(script, script.title())} "
                f"letters; for this text take {' or '.join(readers[:4])}"
            )
