"""English prompts for a direction, in many wordings and among words that must not matter."""

from __future__ import annotations

import numpy as np

from train.data.simulate.performance import Direction

_SUBJECTS = (
    "a woman", "a man", "a person", "the woman", "the man", "she", "he", "a young woman", "a girl",
    "an old man", "a boy", "the speaker", "a presenter", "a singer", "the character", "a teacher",
    "a news anchor", "a lady", "a guy", "the actor", "a painted portrait", "a cartoon character",
    "a business woman", "a streamer",
)  # fmt: skip
_TALKS = (
    "talks", "speaks", "is talking", "is speaking", "sings", "is singing", "speaks to the viewer",
    "talks to the camera", "explains something", "tells a story", "presents a product", "narrates",
    "reads the news", "says something", "is talking about the weather", "gives a speech", "",
)  # fmt: skip
_SCENERY = (
    "in a studio", "wearing a red dress", "with long dark hair", "in front of a window",
    "on a sunny day", "cinematic lighting", "high quality", "4k", "in an office", "wearing glasses",
    "blue background", "close-up portrait", "with a beard", "in the evening", "on a stage",
    "holding a bottle", "black and white photo", "realistic", "in a black suit",
    "blurred background",
    "medium shot", "film still", "the camera slowly pushes in", "static camera",
)  # fmt: skip

_EMOTION_WORDS: dict[str, tuple[str, ...]] = {
    "smiling": (
        "smiles", "is smiling", "smiling", "with a smile", "happily", "looks happy", "happy",
        "cheerful", "cheerfully", "in a good mood", "friendly", "with a warm smile", "joyful",
        "a friendly expression", "grins", "grinning", "pleased", "delighted", "full of joy",
        "with a big smile", "a happy face", "is glad", "warmly", "is in a happy mood",
    ),
    "laughing": (
        "laughs", "laughing", "is laughing", "bursts into laughter", "laughs out loud", "giggles",
        "chuckles", "with laughter", "hilarious", "amused", "cracks up", "laughs while talking",
    ),
    "angry": (
        "looks angry", "angry", "angrily", "is angry", "furious", "mad", "shouts angrily",
        "with anger", "annoyed", "irritated", "an angry expression", "aggressive", "frowns",
        "frowning", "outraged", "rages", "with a furious face", "gets angry", "upset and angry",
    ),
    "sad": (
        "looks sad", "sad", "sadly", "is sad", "unhappy", "depressed", "in tears", "crying",
        "with sorrow", "sorrowful", "melancholic", "a sad expression", "mournful", "heartbroken",
        "gloomy", "disappointed", "grieving", "with a sad face", "about to cry", "miserable",
    ),
    "surprised": (
        "looks surprised", "surprised", "is surprised", "astonished", "amazed", "shocked",
        "in surprise", "with surprise", "startled", "a surprised expression", "stunned",
        "in disbelief", "with wonder", "amazement", "cannot believe it",
    ),
    "afraid": (
        "afraid", "scared", "frightened", "in fear", "terrified", "anxious", "nervous", "worried",
        "fearful", "with fear", "looks worried", "nervously", "panicking", "is afraid", "horrified",
        "in panic", "looks scared", "full of fear", "anxiously",
    ),
    "disgusted": (
        "disgusted", "in disgust", "with disgust", "looks disgusted", "grossed out", "repulsed",
        "sickened", "revolted", "wrinkles the nose", "a disgusted expression", "is disgusted",
    ),
    "contempt": (
        "contempt", "with contempt", "disdainful", "disdainfully", "contemptuous", "scornful",
        "scornfully", "with scorn", "condescending", "arrogant", "sneers", "sneering",
        "looks down on us", "with disdain", "mocking", "haughty", "dismissive",
    ),
    "serious": (
        "serious", "seriously", "looks serious", "with a serious expression", "stern", "focused",
        "concentrated", "solemn", "determined", "professional", "formal", "strict", "gravely",
    ),
    "calm": (
        "calm", "calmly", "relaxed", "peaceful", "serene", "composed", "quiet and calm",
        "in a calm manner", "gentle and calm", "at ease", "softly and calmly",
    ),
    "tender": (
        "tender", "tenderly", "loving", "lovingly", "affectionate", "gentle smile", "gently",
        "caring", "romantic", "with love", "sweet", "sweetly", "kind", "kindly", "sings tenderly",
    ),
    "excited": (
        "excited", "excitedly", "enthusiastic", "with enthusiasm", "thrilled", "passionate",
        "passionately", "full of excitement", "ecstatic", "overjoyed", "hyped", "exhilarated",
    ),
    "doubtful": (
        "doubtful", "skeptical", "sceptical", "confused", "with doubt", "puzzled", "suspicious",
        "unsure", "hesitant", "smirks", "smirking",
    ),
    "proud": ("proud", "proudly", "confident", "confidently", "with confidence", "self-assured"),
    "tired": ("tired", "sleepy", "exhausted", "bored", "drowsy", "weary", "with tired eyes",
              "is tired", "looks tired", "wearily", "half asleep", "worn out"),
}  # fmt: skip
_HEAD_WORDS: dict[str, tuple[str, ...]] = {
    "nodding": (
        "nods", "nodding", "is nodding", "nods in agreement", "nodding his head",
        "nodding her head", "nods while speaking", "agrees with a nod",
        "moves the head up and down",
        "keeps nodding", "says yes", "in agreement",
    ),
    "shaking": (
        "shakes her head", "shakes his head", "shaking the head", "shaking her head",
        "shaking his head", "headshake", "shakes the head in disagreement", "disagrees", "says no",
        "moves the head from side to side",
    ),
    "tilt_left": (
        "tilts the head to the left", "tilting her head left", "head tilted left",
        "tilts his head to the left",
    ),
    "tilt_right": (
        "tilts the head to the right", "tilting his head right", "head tilted right",
        "tilts her head to the right", "tilts the head", "tilting her head", "head tilt",
    ),
    "turn_left": (
        "turns the head to the left", "turning left", "turns her head left",
        "turns his head to the left", "turns left", "faces left",
    ),
    "turn_right": (
        "turns the head to the right", "turning right", "turns her head right",
        "turns his head to the right", "turns right", "faces right",
    ),
    "shrugging": (
        "shrugs", "shrugging", "shrugs the shoulders", "shrugs her shoulders", "with a shrug",
        "shrugs his shoulders", "raises the shoulders", "shrugging it off", "gives a shrug",
    ),
}  # fmt: skip
_GAZE_WORDS: dict[str, tuple[str, ...]] = {
    "left": ("looks left", "looking left", "looks to the left", "glances left", "gazes to the left",
             "eyes to the left"),
    "right": ("looks right", "looking right", "looks to the right", "glances right",
              "gazes to the right", "eyes to the right"),
    "up": ("looks up", "looking up", "looking upwards", "gazes upward", "eyes raised to the sky",
           "looks at the ceiling", "looks up to the sky"),
    "down": ("looks down", "looking down", "looking downwards", "lowers the gaze", "eyes cast down",
             "looks at the floor", "reads from a paper"),
    "camera": ("looks at the camera", "looking at the camera", "looks into the camera",
               "eye contact", "keeps eye contact", "staring at the viewer", "looks at us",
               "facing the camera", "looking straight ahead"),
}  # fmt: skip
_EYE_WORDS: dict[str, tuple[str, ...]] = {
    "closed": ("closes the eyes", "eyes closed", "with closed eyes", "closing her eyes",
               "closes his eyes", "with her eyes shut", "eyes shut"),
    "brows_raised": ("raises the eyebrows", "raising the brows", "raised eyebrows",
                     "raises her eyebrows", "lifts his eyebrows", "with raised brows"),
    "wide": ("eyes wide open", "wide eyes", "wide-eyed", "with big eyes", "opens the eyes wide"),
}  # fmt: skip
_ENERGY_WORDS: dict[str, tuple[str, ...]] = {
    "lively": ("lively", "energetic", "energetically", "animated", "with lots of movement",
               "dynamic", "expressive", "with big gestures", "vivid", "moves a lot",
               "full of energy"),
    "still": ("still", "barely moves", "keeps the head still", "motionless", "without moving",
              "stays still", "standing still", "keeps still", "no head movement"),
    "loud": ("loudly", "speaks loudly", "shouts", "shouting", "yells", "with a loud voice",
             "screams", "at the top of the voice", "is shouting", "yelling", "screaming",
             "calls out loud", "roars"),
    "quiet": ("whispers", "whispering", "quietly", "softly", "mumbles", "in a low voice",
              "speaks softly", "murmurs", "is whispering", "in a whisper", "whispers softly",
              "under the breath", "hushed"),
}  # fmt: skip
_NEUTRAL_WORDS = (
    "neutral", "with a neutral expression", "naturally", "normal", "", "", "", "", "",
    "in a natural way", "ordinary",
)  # fmt: skip
_WEAK = ("slightly", "a little", "a bit", "mildly", "somewhat", "faintly", "subtly")
_STRONG = ("very", "extremely", "really", "intensely", "strongly", "so", "deeply", "widely")


def caption(direction: Direction, rng: np.random.Generator) -> str:
    """Return a prompt that asks for `direction`, and for nothing else that shows."""
    pick = lambda options: str(options[rng.integers(len(options))])  # noqa: E731
    asked = []
    if direction.emotion:
        words = pick(_EMOTION_WORDS[direction.emotion])
        if direction.intensity < 0.5:
            words = f"{pick(_WEAK)} {words}" if rng.random() < 0.6 else f"{words} {pick(_WEAK)}"
        elif direction.intensity > 0.9 and rng.random() < 0.85:
            words = (
                f"{pick(_STRONG)} {words}" if rng.random() < 0.6 else f"{words}, {pick(_STRONG)}"
            )
        asked.append(words)
    for value, table in (
        (direction.head, _HEAD_WORDS),
        (direction.gaze, _GAZE_WORDS),
        (direction.eyes, _EYE_WORDS),
        (direction.energy, _ENERGY_WORDS),
    ):
        if value:
            asked.append(pick(table[value]))
    if not asked:
        asked = [pick(_NEUTRAL_WORDS)]
    rng.shuffle(asked)
    if direction != Direction() and rng.random() < 0.3:
        parts = asked  # bare instructions: "nodding, smiles"
    else:
        talk = pick(_TALKS)
        joined = f"{talk} {pick(('and', 'while', '', 'and', ','))} {asked[0]}" if talk else asked[0]
        parts = [f"{pick(_SUBJECTS)} {joined}", *asked[1:]]
    for _ in range(rng.choice([0, 1, 2], p=[0.6, 0.28, 0.12])):
        parts.insert(int(rng.integers(len(parts) + 1)), pick(_SCENERY))
    text = pick((", ", " and ", ", ", " ", ". ")).join(part for part in parts if part)
    text = " ".join(text.replace(" ,", ",").split())
    return text if rng.random() < 0.7 else f"{text[:1].upper()}{text[1:]}."
