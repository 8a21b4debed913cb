import numpy as np
import pytest

from train.data.simulate.captions import caption
from train.data.simulate.performance import EMOTIONS, Direction, draw_direction


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_emotion_has_many_wordings(emotion):
    rng = np.random.default_rng(0)
    texts = {caption(Direction(emotion=emotion), rng) for _ in range(200)}
    assert len(texts) > 100


def test_a_smile_is_asked_for_by_name():
    rng = np.random.default_rng(0)
    texts = [caption(Direction("smiling"), rng).lower() for _ in range(300)]
    assert sum("smil" in text for text in texts) > 60


def test_weak_and_strong_words_go_with_intensity():
    rng = np.random.default_rng(0)
    weak = " ".join(caption(Direction("sad", intensity=0.4), rng) for _ in range(100)).lower()
    strong = " ".join(caption(Direction("sad", intensity=1.0), rng) for _ in range(100)).lower()
    assert "slightly" in weak and "slightly" not in strong
    assert "extremely" in strong and "extremely" not in weak


def test_captions_are_short_plain_text():
    rng = np.random.default_rng(1)
    for _ in range(500):
        text = caption(draw_direction(rng), rng)
        assert text == " ".join(text.split())
        assert len(text.split()) <= 40 and text.isascii()
