from train.__main__ import main
from train.stages import STAGES


def test_usage_lists_every_stage(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(stage in shown for stage in STAGES)


def test_an_unknown_stage_exits_with_2(capsys):
    assert main(["cook"]) == 2
    assert "cook" in capsys.readouterr().err


def test_an_unknown_key_exits_with_2_and_says_so(capsys):
    assert main(["pretrain", "learning_rate=1"]) == 2
    assert "learning_rate" in capsys.readouterr().err
