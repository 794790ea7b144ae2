"""A policy that was chosen without knowing the images is said, with how to choose another."""

import pytest

import keras_medaug as kma
from keras_medaug.study import runner

pytestmark = pytest.mark.one_backend

NOTE = "The policy of geometric-safe is rotations up to 10 degrees"
OPTIONS = {"seeds": 1, "steps": 1, "classifier": {"filters": 4}}


def renamed(name):
    ds = kma.datasets.load("phantom", size=8, train=24, val=24, test=24)
    return kma.datasets.from_arrays(*ds.train, *ds.val, *ds.test, name=name)


def test_it_is_said_before_the_start_and_in_the_report(tmp_path, capsys):
    arms = ["none", "geometric-safe"]
    kma.study.run(renamed("slides"), arms, out=tmp_path, **OPTIONS)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    for text in (capsys.readouterr().out, report):
        assert text.count(NOTE) == 1
        assert "`safe_policy=kma.layers.GeometricAugmentation(rotation=180, shift=0.1)`" in text


@pytest.mark.parametrize(
    ("name", "arms", "policy"),
    [
        ("breastmnist", ["none", "geometric-safe"], None),
        ("phantom", ["none", "geometric-safe"], None),
        ("slides", ["none", "geometric"], None),
        ("slides", ["none", "geometric-safe"], kma.layers.GeometricAugmentation(180, 0.1)),
    ],
    ids=["known", "procedural", "not used", "chosen"],
)
def test_it_is_not_said_without_need(tmp_path, capsys, monkeypatch, name, arms, policy):
    def stop(*_):
        raise InterruptedError

    monkeypatch.setattr(runner, "execute", stop)
    with pytest.raises(InterruptedError):
        kma.study.run(renamed(name), arms, safe_policy=policy, out=tmp_path, **OPTIONS)
    assert NOTE not in capsys.readouterr().out
