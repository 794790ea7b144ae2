"""The study as a command."""

import json

import pytest
import study

pytestmark = pytest.mark.one_backend


@pytest.mark.each_backend
def test_a_small_one_runs(tmp_path):
    study.main(
        ["--dataset", "phantom", "--arms", "none", "oversample", "--seeds", "1", "--steps", "1",
         "--out", str(tmp_path)]
    )  # fmt: skip
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert list(results["arms"]) == ["none", "oversample"]
    assert results["config"]["steps"] == 1


def test_several_fractions_are_a_sweep(tmp_path):
    study.main(
        ["--dataset", "phantom", "--arms", "none", "oversample", "--seeds", "1", "--steps", "1",
         "--train-fraction", "0.5", "1", "--out", str(tmp_path)]
    )  # fmt: skip
    assert (tmp_path / "learning_curves.png").is_file()
    for fraction in (0.5, 1):
        results = json.loads((tmp_path / f"fraction-{fraction}" / "results.json").read_text())
        assert results["config"]["train_fraction"] == fraction


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--workers", "2", "--scheduler", "tcp://localhost:1"], "expected one of them"),
        (["--threads", "2"], "got no --workers"),
    ],
)
def test_what_does_not_go_together_is_refused(capsys, more, message):
    with pytest.raises(SystemExit):
        study.main(more)
    assert message in capsys.readouterr().err


def test_all_arms_are_the_default():
    options = study.parse([])
    assert len(options.arms) == 13
    assert options.seeds == 10
