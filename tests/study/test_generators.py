"""Generators of users in a study: found by their name, told from one another, known to workers."""

import importlib
import json
import sys
import types

import own_generators
import pytest

import keras_medaug as kma
from keras_medaug.models import registry
from keras_medaug.study import arm
from keras_medaug.study.arm import ARMS, resolve_arms
from keras_medaug.study.settings import Settings
from keras_medaug.study.task import Task
from keras_medaug.study.tasks import plan
from keras_medaug.study.train import run_generator

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


@pytest.mark.one_backend
@pytest.mark.parametrize("name", ["none", "oversample", "geometric"])
def test_a_generator_does_not_take_the_place_of_a_fixed_arm(monkeypatch, name):
    monkeypatch.setitem(registry._GENERATORS, name, own_generators.Toy)
    with pytest.raises(
        ValueError, match=rf"generator '{name}' \(own_generators.Toy\).* arm '{name}'"
    ):
        resolve_arms(["none", "cvae"])


BASE = """
import keras_medaug as kma

class Base(kma.models.CVAE):
    width = 1
"""
LEAF = """
from base_of_toy import Base

SCALE = 1

class Toy(Base):
    pass
"""


@pytest.mark.one_backend
def test_base_classes_and_the_rest_of_their_modules_count_as_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    digests = []
    for base, leaf in [
        (BASE, LEAF), (BASE.replace("1", "2"), LEAF), (BASE, LEAF.replace("1", "2")), (BASE, LEAF),
    ]:  # fmt: skip
        for name, text in [("base_of_toy", base), ("leaf_of_toy", leaf)]:
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        digests.append(arm._class_digest(importlib.import_module("leaf_of_toy").Toy))
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


@pytest.mark.one_backend
def test_a_worker_that_knows_another_class_of_that_name_takes_the_one_of_the_task(
    data, tmp_path, register
):
    class Other(kma.models.CVAE):
        """Of the same name, in another module."""

        trained = 0

        def fit(self, *args, **kwargs):
            Other.trained += 1
            return super().fit(*args, **kwargs)

    register(own_generators.Toy)
    config = planned(data, tmp_path, "toy").config | {"training": {"steps": 1, "batch_size": 32}}
    config["model"] = OPTIONS["generators"]["toy"]
    task = Task("generator", config, tmp_path, run_generator)
    assert run_generator(task, data, generator=Other)["epochs"] == 1
    assert Other.trained == 1
    assert kma.models.generators()["toy"] is own_generators.Toy
