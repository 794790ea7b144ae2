"""Whole studies, small ones, on the procedural set."""

import json
import shutil
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import keras
import numpy as np
import pytest

import keras_medaug as kma
import own_arms
from helpers.ctrl_c import stopped
from keras_medaug.models import fit_steps as fit_steps_module
from keras_medaug.provenance import environment
from keras_medaug.study import execute, runner, train
from keras_medaug.study.arm import resolve_arms
from keras_medaug.study.data import training_images
from keras_medaug.study.scores import area
from keras_medaug.study.settings import Settings
from keras_medaug.study.task import unpacked
from keras_medaug.study.tasks import plan
from keras_medaug.study.train import compiled_model

TINY = {"latent_dim": 4, "encoder_filters": 4, "decoder_filters": 4}
OPTIONS = {
    "steps": 8,
    "generator_steps": 4,
    "batch_size": 32,
    "classifier": {"filters": 4, "dropout": 0.1},
    "generators": {"cvae": TINY},
    "verbose": False,
}


class Bound:
    """Has an arm that depends on more than its source."""

    def arm(self, x, y, seed):
        return x, y + seed * 0


@pytest.fixture(scope="module")
def data():
    return kma.datasets.load("phantom", size=8, train=80, val=40, test=40)


@pytest.fixture(scope="module")
def study(data, tmp_path_factory):
    """A study of three arms and three seeds, in this process."""
    out = tmp_path_factory.mktemp("study")
    results = kma.study.run(data, ["none", "oversample", "cvae"], seeds=3, out=out, **OPTIONS)
    return out, results


def without_timing(path):
    """Return the bytes of a results file, but for the block that may differ."""
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["timing"]
    return json.dumps(content, indent=1).encode()


def test_three_arms_and_three_seeds(study, data):
    out, results = study
    assert results == json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert list(results["arms"]) == ["none", "oversample", "cvae"]
    for arm in results["arms"].values():
        for split in ("val", "test"):
            assert len(arm[split]["auc"]["values"]) == 3
            assert np.mean(arm[split]["auc"]["values"]) == pytest.approx(arm[split]["auc"]["mean"])
    assert [(row["arm"], row["against"]) for row in results["comparisons"]] == [
        ("oversample", "none"),
        ("cvae", "none"),
    ]
    # Fewer than ten seeds give no verdict, whatever came out.
    assert {row["verdict"] for row in results["comparisons"]} == {"INCONCLUSIVE"}
    assert results["dataset"]["md5"] == data.md5
    assert results["config"]["environment"]["threads"] == environment()["threads"]
    assert results["versions"]["backend"] == keras.config.backend()
    assert (out / "differences.png").stat().st_size > 10_000
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "No verdict is given with fewer than 10 seeds." in text


def test_the_headline_is_chosen_on_validation(study):
    _, results = study
    by_validation = {name: arm["val"]["auc"]["mean"] for name, arm in results["arms"].items()}
    chosen = results["headline"]["arm"]
    assert by_validation[chosen] == max(by_validation.values())
    assert results["headline"]["auc"] == results["arms"][chosen]["test"]["auc"]["mean"]


def test_what_is_done_is_not_done_again(study, data, monkeypatch):
    out, results = study
    monkeypatch.setattr(execute, "_run", None)  # any work would fail
    again = kma.study.run(data, ["none", "oversample", "cvae"], seeds=3, out=out, **OPTIONS)
    assert {**again, "timing": 0} == {**results, "timing": 0}
    fewer = kma.study.run(
        data, ["none", "cvae"], seeds=2, store=out / "tasks", out=out / "b", **OPTIONS
    )
    assert (
        fewer["arms"]["cvae"]["test"]["auc"]["values"]
        == (results["arms"]["cvae"]["test"]["auc"]["values"][:2])
    )


def test_tasks_are_announced_and_counted_alike(study, data, capfd):
    out, _ = study
    options = {**OPTIONS, "verbose": True, "store": out / "tasks", "out": out / "c"}
    kma.study.run(data, ["none", "cvae"], seeds=2, **options)
    printed, shown = capfd.readouterr()
    # The check of the data, two models, four classifiers, and the report.
    assert " 8 tasks: " in printed
    assert " 7 tasks are done already." in printed
    assert "] 7/8: statistics and report" in shown


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 21},
        {"batch_size": 31},
        {"train_fraction": 0.5},
        {"classifier": {"filters": 5}},
        {"generators": {"cvae": TINY | {"latent_dim": 5}}},
        {"generator_steps": 5},
        {"ratio": 2.0},
        {"fidelity": 0.5},
        {"policies": {"geometric-safe": {"rotation": 1.0}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_configuration_uses_no_stale_task(data, tmp_path, change):
    names = ("train_fraction", "ratio", "steps", "generator_steps", "batch_size", "fidelity")
    given = {name: OPTIONS[name] for name in names if name in OPTIONS}
    given |= {"classifier": OPTIONS["classifier"], "generators": OPTIONS["generators"]}
    given |= {"policies": runner._policies("phantom")}
    keys = []
    for settings in (Settings(**given), Settings(**given | change)):
        arms = resolve_arms(["none", "geometric-safe+cvae"])
        _, tasks = plan(data, arms, 1, settings, {}, tmp_path)
        keys.append(tasks["geometric-safe+cvae", 0].key)
    assert keys[0] != keys[1]


def test_another_text_of_an_own_arm_uses_no_stale_task(data, tmp_path, monkeypatch):
    keys = []
    for text in ("return x, y", "return x[:9], y[:9]"):
        monkeypatch.setattr("inspect.getsource", lambda _, text=text: text)
        arms = resolve_arms(["none", own_arms.copied])
        _, tasks = plan(data, arms, 1, Settings(), {}, tmp_path)
        keys.append(tasks["copied", 0].key)
    assert keys[0] != keys[1]


def test_other_data_or_another_machine_uses_no_stale_task(data, tmp_path):
    arms = resolve_arms(["none", "oversample"])
    other = kma.datasets.load("phantom", size=8, train=80, val=40, test=40, seed=1)
    keys = {
        plan(images, arms, 1, Settings(), place, tmp_path)[1]["none", 0].key
        for images, place in ((data, {}), (other, {}), (data, {"threads": 1}))
    }
    assert len(keys) == 3


def test_every_arm_takes_the_same_steps_of_full_batches(data, tmp_path, monkeypatch):
    sizes, steps = set(), []
    original_batches, original_fit = fit_steps_module.ArrayBatches, train.fit_steps

    class Watched(original_batches):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            sizes.add(len(batch[0]))
            return batch

    def watched(model, *rest):
        before = int(model.optimizer.iterations)
        losses = original_fit(model, *rest)
        steps.append(int(model.optimizer.iterations) - before)
        return losses

    monkeypatch.setattr(fit_steps_module, "ArrayBatches", Watched)
    monkeypatch.setattr(train, "fit_steps", watched)
    arms = ["none", "oversample", "geometric-safe", "cvae", "only-cvae"]
    kma.study.run(data, arms, seeds=1, out=tmp_path, **OPTIONS | {"batch_size": 30, "steps": 7})
    assert sizes == {30}
    assert steps == [7] * len(arms)


def test_seeds_are_paired(data):
    config = {"seed": 3, "train_fraction": 0.25}
    first, second = training_images(config, data), training_images(dict(config), data)
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], training_images({**config, "seed": 4}, data)[0])
    counts = np.bincount(data.train[1])
    assert np.array_equal(np.bincount(first[1]), np.round(counts * 0.25))


def test_arms_that_train_on_the_same_images_give_the_same_numbers(data, tmp_path):
    """Weights and order are a function of the seed, whatever the arm's name is."""
    results = kma.study.run(data, ["none", own_arms.copied], seeds=2, out=tmp_path, **OPTIONS)
    ours, theirs = (results["arms"][name]["test"] for name in ("copied", "none"))
    assert ours["auc"]["values"] == theirs["auc"]["values"]
    assert len(set(ours["auc"]["values"])) == 2
    comparison = results["comparisons"][0]
    assert comparison["mean_difference"] == 0
    assert comparison["p"] == 1


def test_generators_see_the_training_split_alone(data, tmp_path, monkeypatch):
    seen = []

    def watched(model, x, y, *rest, **options):
        seen.append((x.copy(), y.copy()))
        return original(model, x, y, *rest, **options)

    original = train.train_generator
    monkeypatch.setattr(train, "train_generator", watched)
    kma.study.run(data, ["none", "cvae"], seeds=2, train_fraction=0.5, out=tmp_path, **OPTIONS)
    assert len(seen) == 2
    training = {image.tobytes() for image in data.stored("train")[0]}
    for seed, (x, y) in enumerate(seen):
        assert {image.tobytes() for image in x} <= training
        expected = training_images({"seed": seed, "train_fraction": 0.5}, data)
        assert np.array_equal(x, expected[0])
        assert np.array_equal(y, expected[1])


def test_the_weights_with_the_best_validation_score_count(study, data):
    """What the task has kept is what was best, not what came last."""
    out, _ = study
    for path in sorted((out / "tasks").glob("classifier-*/result.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        kept = unpacked(result["logits"]["val"])
        assert area(data.val[1], kept) == pytest.approx(max(result["val_auc"]), abs=1e-5)


@pytest.mark.usefixtures("compiled_anew")
def test_workers_give_the_same_file_and_a_lost_one_costs_one_task(
    data, tmp_path, monkeypatch, has_gpu
):
    arms = ["none", "oversample", own_arms.killed_once]
    files, calls = [], []
    for count in (1, 2):
        log = tmp_path / f"log{count}"
        log.mkdir()
        if count == 1:  # nothing is killed
            (log / "killed").touch()
        monkeypatch.setenv(own_arms.LOG, str(log))
        with kma.study.Workers(count, threads=1) as workers:
            out = tmp_path / f"out{count}"
            kma.study.run(data, arms, seeds=2, executor=workers, out=out, **OPTIONS)
        files.append(without_timing(out / "results.json"))
        calls.append((log / "calls").read_text().split())
    if not has_gpu:  # where sums are added up in any order
        assert files[0] == files[1]
    assert len(calls[0]) == 2
    assert sorted(set(calls[1])) == sorted(calls[0])
    assert len(calls[1]) == 3


def test_ctrl_c_ends_a_study_and_the_next_call_goes_on(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(own_arms.LOG, str(tmp_path))
    arms = ["none", own_arms.interrupted_once]
    options = {"seeds": 2, "out": tmp_path / "stopped", **OPTIONS}
    with stopped():
        kma.study.run(data, arms, **options)
    assert "Run the same call again" in capsys.readouterr().err
    kma.study.run(data, arms, **options)
    kma.study.run(data, arms, **options | {"out": tmp_path / "whole"})
    results = [without_timing(tmp_path / out / "results.json") for out in ("stopped", "whole")]
    assert results[0] == results[1]
    calls = (tmp_path / "calls").read_text().split()
    assert len(calls) == 2 * 2 + 1  # the part that was stopped began again, and no other


def test_threads_are_refused(data, tmp_path):
    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="`executor`: got a pool"):
        kma.study.run(data, ["none", "oversample"], executor=pool, out=tmp_path, **OPTIONS)

    class Disguised:
        """Threads that do not look like it."""

        def __init__(self, pool):
            self.submit = pool.submit

    with (
        ThreadPoolExecutor(2) as pool,
        pytest.raises(RuntimeError, match="two tasks in one process"),
    ):
        kma.study.run(
            data, ["none", "oversample"], executor=Disguised(pool), out=tmp_path, **OPTIONS
        )


def test_forked_processes_are_refused(data, tmp_path):
    pool = ProcessPoolExecutor(1, mp_context=get_context("fork"))  # of which none is started
    with pytest.raises(ValueError, match="forked processes"):
        kma.study.run(data, ["none", "oversample"], executor=pool, out=tmp_path, **OPTIONS)


def test_processes_that_see_another_folder_are_found_out(data, tmp_path):
    class Elsewhere(Executor):
        def submit(self, function, /, *given):
            future = Future()
            future.set_result(environment() if function is environment else 1.0)
            return future

    with pytest.raises(RuntimeError, match="store: got"):
        kma.study.run(data, ["none", "oversample"], executor=Elsewhere(), out=tmp_path, **OPTIONS)


def test_tasks_of_none_are_shared_by_studies_with_other_arms(data, tmp_path):
    keys = set()
    for arms in (["none", "oversample"], ["none", "geometric"], ["none", "geometric-safe"]):
        settings = Settings(policies=runner._policies(data.name))
        _, tasks = plan(data, resolve_arms(arms), 1, settings, {}, tmp_path)
        keys.add(tasks["none", 0].key)
    assert len(keys) == 1


def test_lost_images_of_a_model_are_made_again_and_lost_results_too(study, data, tmp_path):
    out, results = study
    shutil.copytree(out / "tasks", tmp_path / "tasks")
    (lost,) = (tmp_path / "tasks").glob("generator-cvae-1-*")
    shutil.rmtree(lost)
    options = {"seeds": 3, "out": tmp_path, **OPTIONS}
    again = kma.study.run(data, ["none", "oversample", "cvae"], **options)
    assert again["comparisons"] == results["comparisons"]
    assert (lost / "result.json").is_file()
    (lost / "images.npz").unlink()
    for folder in (tmp_path / "tasks").glob("classifier-cvae-1-*"):
        shutil.rmtree(folder)
    again = kma.study.run(data, ["none", "oversample", "cvae"], **options)
    assert not {"other_images"} & {warning["check"] for warning in again["warnings"]}
    assert (lost / "images.npz").is_file()


def test_a_filter_that_leaves_few_images_is_told_of(data, tmp_path, monkeypatch):
    few = (lambda _, labels: labels == 0), {}
    monkeypatch.setattr(train, "fit_label_filter", lambda *_, **__: few)
    options = OPTIONS | {"steps": 2}
    results = kma.study.run(data, ["none", "cvae"], seeds=1, fidelity=0.5, out=tmp_path, **options)
    (warning,) = [given for given in results["warnings"] if given["check"] == "too_few_images"]
    assert warning["least"] == 0.25
    nothing = (lambda _, labels: labels < 0), {}
    monkeypatch.setattr(train, "fit_label_filter", lambda *_, **__: nothing)
    with pytest.raises(RuntimeError, match="fidelity: got cvae, seed 0, none of whose"):
        kma.study.run(data, ["none", "cvae"], seeds=1, fidelity=0.6, out=tmp_path, **options)


def test_a_model_that_was_interrupted_trains_as_a_new_one(data, tmp_path):
    """What a resumed training leaves on a model must not shorten the next one."""
    x, y = data.stored("train")

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def fitted(model, epochs, *callbacks):
        return model.fit(x, y, batch_size=40, epochs=epochs, verbose=0, callbacks=list(callbacks))

    model = kma.models.CVAE((8, 8, 1), num_classes=4, seed=0, **TINY)
    model.compile()
    fitted(model, 2, kma.callbacks.ResumeTraining(tmp_path))
    model.reinitialize(0)
    with pytest.raises(KeyboardInterrupt):
        fitted(model, 4, kma.callbacks.ResumeTraining(tmp_path), Interrupt())
    model.reinitialize(7)
    assert fitted(model, 3).epoch == [0, 1, 2]
    fresh = kma.models.CVAE((8, 8, 1), num_classes=4, seed=7, **TINY)
    fresh.compile()
    fitted(fresh, 3)
    for ours, theirs in zip(model.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_compiled_model_is_not_used_again_under_another_policy():
    def kept():
        with compiled_model({"test": 1}, 0, lambda: kma.models.CVAE((8, 8, 1), **TINY)) as model:
            return model

    before = kept()
    assert kept() is before
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert kept().dtype_policy.name == "mixed_bfloat16"
        assert environment()["dtype"] == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
        train._MODELS.clear()


@pytest.mark.one_backend
def test_of_many_compiled_models_the_oldest_is_dropped(monkeypatch):
    class Model:
        def reinitialize(self, seed):
            self.seed = seed

    def kept(name):
        with compiled_model({"test": name}, 1, Model) as model:
            return model

    monkeypatch.setattr(train, "_MODELS", {})
    monkeypatch.setattr(train, "MOST_MODELS", 2)
    first, second = kept("first"), kept("second")
    assert kept("first") is first
    assert first.seed == 1
    third = kept("third")
    assert kept("third") is third
    assert kept("second") is second
    assert kept("first") is not first


@pytest.mark.one_backend
def test_a_model_that_fails_is_not_used_again(monkeypatch):
    monkeypatch.setattr(train, "_MODELS", {})
    with pytest.raises(KeyboardInterrupt), compiled_model({"test": 1}, 1, object):
        raise KeyboardInterrupt
    assert not train._MODELS


def test_a_leak_is_found(tmp_path):
    """Test images in the training split, and test images that an arm brings in."""
    clean = kma.datasets.load("phantom", size=8, train=80, val=40, test=40)
    (x, y), (test_x, test_y) = clean.stored("train"), clean.stored("test")
    leaking = kma.datasets.Dataset(
        "leaking",
        (np.concatenate([x, test_x[:3]]), np.concatenate([y, test_y[:3]])),
        clean.stored("val"),
        (test_x, test_y),
    )
    results = kma.study.run(
        leaking, ["none", own_arms.leaking], seeds=1, out=tmp_path, **OPTIONS | {"steps": 2}
    )
    warnings = {(given["check"], given.get("arm")): given for given in results["warnings"]}
    assert warnings["duplicates", None]["exact"] == 3
    assert ("leak", "none") not in warnings  # one warning for the set, not one for every arm
    assert warnings["leak", "leaking"]["images"] == 2  # of five, beyond the three of the set
    assert "`leak`" in (tmp_path / "report.md").read_text(encoding="utf-8")
    for arm in results["arms"].values():
        assert "test_without_duplicates" in arm
    clean_results = kma.study.run(
        clean, ["none", "oversample"], seeds=1, out=tmp_path / "b", **OPTIONS | {"steps": 2}
    )
    assert not {"leak", "duplicates"} & {given["check"] for given in clean_results["warnings"]}
    assert "test_without_duplicates" not in clean_results["arms"]["none"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": ["none", "vea"]}, "`arms`: got 'vea'"),
        ({"arms": ["cvae", "dcgan"]}, "'none' among them"),
        ({"arms": ["none"]}, "an arm to compare"),
        ({"arms": ["none", lambda x, y, seed: (x, y)]}, "top of a module"),
        ({"seeds": 0}, "`seeds`: got 0"),
        ({"train_fraction": 1.5}, "`train_fraction`: got 1.5"),
        ({"ratio": 0}, "`ratio`: got 0"),
        ({"fidelity": 2}, "`fidelity`: got 2"),
        ({"classifier": {"filter": 4}}, "`classifier`: got .'filter'."),
        ({"generators": {"vae": {}}}, "`generators`: got .'vae'."),
        (
            {"arms": ["none", "cvae"], "generators": {"cvae": {"z": 1}}},
            "`generators.'cvae'.`: got .'z'.",
        ),
        ({"safe_policy": "none"}, "`safe_policy`: got str"),
        ({"executor": "dask"}, "`executor`: got a str"),
        ({"classifier": {"filters": {4}}}, "`classifier`: got set has no form in JSON"),
        ({"arms": ["none", Bound().arm]}, "nothing bound to it"),
        ({"arms": ["none", dict]}, "nothing bound to it"),
        ({"fidelity": 0.5, "train_fraction": 0.05}, "`fidelity`: got 0.5 where a class has 1"),
    ],
)
def test_arguments_are_refused_before_any_work(data, tmp_path, change, message):
    options = {"arms": ["none", "oversample"], "out": tmp_path / "out", **OPTIONS, **change}
    with pytest.raises(ValueError, match=message):
        kma.study.run(data, **options)
    assert not (tmp_path / "out").exists()


def test_a_set_without_a_class_in_some_split_is_refused(data, tmp_path):
    x, y = data.val
    partial = kma.datasets.Dataset("partial", data.train, (x[y > 0], y[y > 0]), data.test)
    with pytest.raises(ValueError, match="no image of class 0 in the val split"):
        kma.study.run(partial, ["none", "oversample"], out=tmp_path, **OPTIONS)


@pytest.mark.parametrize(
    ("arm", "message"),
    [(own_arms.wrong_shape, "x of wrong_shape"), (own_arms.failing, "on purpose")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_an_own_arm_does_wrong_is_said(data, tmp_path, arm, message):
    with pytest.raises((ValueError, ZeroDivisionError), match=message):
        kma.study.run(data, ["none", arm], seeds=1, out=tmp_path, **OPTIONS)
    # What was done before is kept.
    assert list((tmp_path / "tasks").glob("classifier-none-0-*/result.json"))


def test_a_process_that_differs_is_refused(data, tmp_path):
    place = {**environment(), "threads": 99}
    audit, _ = plan(data, resolve_arms(["none", "cvae"]), 1, Settings(), place, tmp_path)
    with pytest.raises(RuntimeError, match="'threads': 99"):
        execute.run_task(audit, data)
    assert not list(tmp_path.iterdir())
