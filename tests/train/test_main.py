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


def test_the_help_of_a_stage_says_what_it_does_and_its_values(capsys):
    assert main(["distill", "--tier", "infinitetalk", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "FSDP" in shown and "runs/distill_video" in shown
    assert main(["distill", "--help"]) == 0
    assert "runs/pretrain/export" in capsys.readouterr().out


def test_only_what_is_counted_can_be_counted(capsys):
    assert main(["pretrain", "--dry-run"]) == 2
    assert "--dry-run counts" in capsys.readouterr().err
    assert main(["distill", "--tier", "nonsense"]) == 2
    assert "unknown tier" in capsys.readouterr().err
