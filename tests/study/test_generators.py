"""Generators of users in a study: found by their name, told from one another, known to workers."""

import json
import types

import own_generators
import pytest

import keras_medaug as kma
from keras_medaug.models import registry
from keras_medaug.study import arm
from keras_medaug.study.arm import ARMS, resolve_arms
from keras_medaug.study.settings import Settings
from keras_medaug.study.tasks import plan

OPTIONS = {
    "arms": ["none", "toy"], "seeds": 1, "steps": 2, "generator_steps": 2, "batch_size": 32,
    "classifier": {"filters": 4}, "verbose": False,
    "generators": {"toy": {"latent_dim": 4, "encoder_filters": 4, "decoder_filters": 4}},
}  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return kma.datasets.load("phantom", size=8, train=80, val=40, test=40)


@pytest.fixture
def register(monkeypatch):
    """Return a function that registers a class under the name `toy` until the test ends."""
    return lambda kind: monkeypatch.setitem(registry._GENERATORS, "toy", kind)


def planned(data, folder, name):
    _, tasks = plan(data, resolve_arms(["none", name]), 1, Settings(), {}, folder)
    return tasks[name, 0].needs["images"]


@pytest.mark.one_backend
def test_a_registered_generator_has_three_arms_and_adds_no_comparison(register):
    with pytest.raises(ValueError, match=r"`arms`: got .toy.; expected .* only-vaegan"):
        resolve_arms(["none", "toy"])
    register(own_generators.Toy)
    names = ["none", "toy", "geometric-safe+toy", "only-toy"]
    _, alone, safe, only = resolve_arms(names)
    assert {alone.generator, safe.generator, only.generator} == {"toy"}
    assert (safe.policy, only.only) == ("geometric-safe", True)
    assert not [name for name in ARMS if "toy" in name]
    with pytest.raises(ValueError, match=r"names among .* only-toy"):
        resolve_arms(["none", "no-such-arm"])


@pytest.mark.one_backend
def test_the_source_of_a_users_class_is_part_of_its_tasks_and_of_ours_it_is_not(
    data, tmp_path, register, monkeypatch
):
    assert "class" not in planned(data, tmp_path, "cvae").config
    keys = set()
    for text in ("class Toy: pass", "class Toy: latent = 2"):
        register(own_generators.Toy)
        monkeypatch.setattr("inspect.getsource", lambda _, text=text: text)
        arm._class_digest.cache_clear()
        task = planned(data, tmp_path, "toy")
        assert task.config["class"]["class"] == "own_generators.Toy"
        keys.add(task.key)
    assert len(keys) == 2
    arm._class_digest.cache_clear()


@pytest.mark.one_backend
def test_a_class_whose_source_cannot_be_read_has_an_address_of_its_own(data, tmp_path, register):
    keys = set()
    for _ in range(2):
        register(types.new_class("Toy", (kma.models.CVAE,)))
        keys.add(planned(data, tmp_path, "toy").key)
        assert planned(data, tmp_path, "toy").key in keys
    assert len(keys) == 2


def test_a_class_defined_anywhere_works_in_this_process_and_is_refused_for_others(
    data, tmp_path, register
):
    class Local(kma.models.CVAE):
        """Defined in a function."""

    register(Local)
    results = kma.study.run(data, out=tmp_path / "here", **OPTIONS)
    assert list(results["arms"]) == ["none", "toy"]
    (config,) = (tmp_path / "here/tasks").glob("generator-toy-0-*/config.json")
    assert json.loads(config.read_text())["class"]["class"].endswith("<locals>.Local")
    with (
        kma.study.Workers(1, threads=1) as pool,
        pytest.raises(ValueError, match=r"`executor`: got processes, which cannot import .*Local"),
    ):
        kma.study.run(data, executor=pool, out=tmp_path / "there", **OPTIONS)
    assert not (tmp_path / "there").exists()


@pytest.mark.one_backend
def test_a_worker_is_told_of_a_class_that_it_can_import(data, tmp_path, register):
    register(own_generators.Toy)
    with kma.study.Workers(1, threads=1) as pool:
        results = kma.study.run(data, executor=pool, out=tmp_path, **OPTIONS)
    assert list(results["arms"]) == ["none", "toy"]
