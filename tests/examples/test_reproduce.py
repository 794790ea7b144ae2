"""The main job: its parts, one whole tiny run, what it does when killed, and how it fails."""

import contextlib
import copy
import dataclasses
import errno
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request
from concurrent.futures import Executor, Future
from pathlib import Path

import keras
import numpy as np
import pytest
import reproduce
from reproduction import figures, paper, report, results, tasks
from reproduction.presets import PRESETS

import keras_medaug as kma
from helpers.ctrl_c import pythons_handler
from helpers.needs import needs
from keras_medaug import provenance
from keras_medaug.models.step_times import expected_seconds
from keras_medaug.progress import Progress, ignore
from keras_medaug.study import command, execute
from keras_medaug.study.data import limited, stratified
from keras_medaug.study.figures import half_width, interval_of_fraction
from keras_medaug.study.results import over_seeds

pytestmark = pytest.mark.one_backend

needs("matplotlib")

EXAMPLES = Path(__file__).parents[2] / "examples"
TINY = PRESETS["tiny"]
FIGURES = {
    "accuracy", "confidence", "data", "figure1_geometric", "figure2_cvae", "figure3_dcgan",
    "figure5_vaegan", "losses_classifier", "losses_cvae", "losses_dcgan", "losses_vaegan",
    "reconstructions_cvae", "reconstructions_vaegan",
}  # fmt: skip


def arguments(out, *more):
    return ["--preset", "tiny", "--out", str(out), *map(str, more)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of a whole run on the procedural set."""
    out = tmp_path_factory.mktemp("finished")
    assert reproduce.main(arguments(out, "--datasets", "phantom")) == 0
    return out


@pytest.fixture(scope="module")
def fake(finished):
    """Return results as of BreastMNIST, made from those of the procedural set."""
    stored = json.loads((finished / "phantom/results.json").read_text())
    stored["dataset"] |= {"name": "breastmnist", "test_majority": 114 / 156}
    stored["dataset"]["counts"] = stored["dataset"]["used"] = {"train": 546, "val": 78, "test": 156}
    return stored


@pytest.fixture
def no_figures(monkeypatch):
    """Draw nothing, where it is not what is tested."""
    monkeypatch.setattr(reproduce, "write_figures", lambda *_: None)


@pytest.fixture
def no_network(monkeypatch):
    """Cut the network off."""

    def refuse(*_, **__):
        raise urllib.error.URLError("no network here")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def untimed(folder):
    """Return the content of a run's files without what may differ: times."""
    content = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        content[name] = path.read_bytes()
        if path.suffix == ".json":
            loaded = json.loads(content[name])
            content[name] = {key: value for key, value in loaded.items() if key != "timing"}
        elif path.name == "report.md":
            content[name] = content[name].partition(b"## Timing")[0]
    return content


# ---- the paper's numbers --------------------------------------------------------------------


def test_the_last_row_of_table_2_is_the_mean_of_the_others():
    rows = np.array([row.confidence for row in paper.PAPER.values()])
    np.testing.assert_allclose(rows.mean(axis=0), paper.MEAN_CONFIDENCE, atol=0.0101)


def test_without_dermamnist_the_order_of_the_means_is_another():
    rows = [row.confidence for name, row in paper.PAPER.items() if name != "dermamnist"]
    means = dict(zip(paper.METHODS, np.mean(rows, axis=0), strict=True))
    for method, mean in zip(paper.METHODS, (93.57, 91.83, 92.99, 92.57), strict=True):
        assert f"{mean:.2f}" in paper.PROSE["protocol"]
        assert means[method] == pytest.approx(mean, abs=0.0051)


def test_the_papers_sets_can_be_loaded_by_their_names():
    assert set(paper.PAPER) < set(kma.datasets.MEDMNIST)
    assert len(paper.PAPER) == 8
    for name in ("breastmnist", "pneumoniamnist", "pathmnist", "dermamnist", "octmnist"):
        row = paper.PAPER[name]
        counts = {split: getattr(row, split) for split in tasks.SPLITS}
        assert counts == kma.datasets.MEDMNIST[name].counts


def test_the_paper_preset_is_the_papers_protocol():
    assert (PRESETS["paper"].classifier_epochs, PRESETS["paper"].images) == (100, 100)
    assert PRESETS["paper"].limits == {}
    assert PRESETS["paper"].arguments == {}


# ---- measures and data ----------------------------------------------------------------------


def test_intervals_of_fractions():
    low, high = interval_of_fraction(127 / 156, 156)  # the paper's BreastMNIST
    z, fraction = 1.959964, 127 / 156
    centre = (fraction + z**2 / 312) / (1 + z**2 / 156)
    assert (low + high) / 2 == pytest.approx(centre, abs=1e-6)
    assert (high - low) / 2 == pytest.approx(0.0610, abs=1e-3)
    low, high = interval_of_fraction(1.0, 20)
    assert 0.8 < low < high <= 1.0


def test_the_interval_of_a_mean_over_few_seeds_is_students():
    values = np.array([0.80, 0.82, 0.87])
    width = half_width(values.std(ddof=1), 3)
    assert width / (values.std(ddof=1) / np.sqrt(3)) == pytest.approx(4.3027, abs=1e-4)


def test_spread_over_seeds():
    (one_seed,) = results.spread([{"auc": 0.5}]).values()
    assert one_seed == {"mean": 0.5, "sd": None, "n": 1, "values": [0.5]}
    (known,) = results.spread([{"auc": value} for value in (1.0, 3.0, None)]).values()
    assert (known["mean"], known["n"], known["values"]) == (2.0, 2, [1.0, 3.0, None])
    assert known["sd"] == pytest.approx(np.sqrt(2))
    (none,) = results.spread([{"auc": None}]).values()
    assert none == {"mean": None, "sd": None, "n": 0, "values": [None]}


def test_a_cut_keeps_proportions_and_every_class():
    labels = np.repeat([0, 1, 2], [800, 198, 2])
    chosen = stratified(labels, 100)
    counts = np.bincount(labels[chosen])
    assert counts.sum() == 100
    assert counts[2] >= 1
    assert abs(counts[0] - 80) <= 1
    np.testing.assert_array_equal(chosen, stratified(labels, 100))
    np.testing.assert_array_equal(stratified(labels, 2000), np.arange(1000))


def test_a_small_set_is_not_cut():
    whole = kma.datasets.load("phantom", train=20, val=8, test=8)
    assert limited(whole, {"train": 20}) is whole
    cut = limited(whole, {"train": 12})
    assert cut.counts == {"train": 12, "val": 8, "test": 8}
    assert cut.md5 == whole.md5


# ---- tasks ----------------------------------------------------------------------------------


def hashes(folder, seed=0, md5="a", **changes):
    """Return the names of the tasks of a plan, by kind."""
    phantom = kma.datasets.load("phantom", train=16, val=8, test=8)
    splits = [phantom.stored(split) for split in tasks.SPLITS]
    dataset = kma.datasets.Dataset("set", *splits, class_names=phantom.class_names, md5=md5)
    budget = dataclasses.replace(TINY, **changes)
    return {k: task.key for k, task in tasks.plan(dataset, seed, budget, folder).items()}


def test_a_task_is_named_after_all_that_its_result_depends_on(tmp_path):
    before = hashes(tmp_path)
    assert hashes(tmp_path) == before  # whatever was built in between
    kinds = set(before)
    dcgan = {**TINY.arguments, "dcgan": {"latent_dim": 5}}
    steps = {**TINY.generator_steps, "cvae": 7}
    changed = {
        "md5": (hashes(tmp_path, md5="b"), kinds),
        "seed": (hashes(tmp_path, seed=1), kinds),
        "batch": (hashes(tmp_path, batch_size=8), kinds - {"geometric"}),
        "epochs": (hashes(tmp_path, classifier_epochs=4), {"classifier", "confidence"}),
        "steps": (hashes(tmp_path, generator_steps=steps), {"cvae", "confidence"}),
        "argument": (hashes(tmp_path, arguments=dcgan), {"dcgan", "confidence"}),
        "rate": (hashes(tmp_path, learning_rates={"vaegan": 0.5}), {"vaegan", "confidence"}),
        "checkpoints": (hashes(tmp_path, checkpoint_seconds=9.0), set()),
    }
    for what, (after, expected) in changed.items():
        assert {kind for kind in kinds if after[kind] != before[kind]} == expected, what


def test_a_task_is_named_after_the_device_and_the_threads_as_well(tmp_path, monkeypatch):
    before = hashes(tmp_path)
    for patch in (
        lambda: monkeypatch.setenv("OMP_NUM_THREADS", "7"),
        lambda: monkeypatch.setattr(provenance, "device", lambda: "gpu"),
        lambda: monkeypatch.setattr(provenance, "_threads", lambda: 99),
    ):
        patch()
        provenance._of_process.cache_clear()
        after = hashes(tmp_path)
        assert not set(after.values()) & set(before.values())
        before = after
    monkeypatch.undo()
    provenance._of_process.cache_clear()


@pytest.mark.each_backend
def test_the_device_is_named_without_its_number():
    assert provenance.device() in {"cpu", "gpu", "cuda", "mps", "tpu"}


def test_steps_become_whole_epochs(tmp_path):
    phantom = kma.datasets.load("phantom", train=33, val=8, test=8)
    task = tasks.plan(phantom, 0, TINY, tmp_path)["cvae"]  # 6 steps, 3 an epoch
    assert task.config["training"] == {"epochs": 2, "batch_size": 16, "steps_per_epoch": 3}
    assert task.speed is None  # the speed of its kind
    assert task.seconds == expected_seconds(6, phantom.image_shape)


def test_a_training_that_came_to_nothing_is_an_error(tmp_path, monkeypatch):
    history = [{"loss": 1.0, "seconds": 1.0}, {"loss": float("nan"), "seconds": 1.0}]

    class Model:
        def fit(self, *_, **__):
            pass

    diverged = types.SimpleNamespace(history=history)
    monkeypatch.setattr(kma.callbacks, "ResumeTraining", lambda *_, **__: diverged)
    phantom = kma.datasets.load("phantom", train=16, val=8, test=8)
    plan = tasks.plan(phantom, 0, TINY, tmp_path)
    with pytest.raises(ArithmeticError, match="loss is not a finite number from epoch 2 on"):
        tasks._fit(Model(), plan["cvae"], TINY, ignore)


def test_where_a_split_lacks_a_class_there_is_no_auc(tmp_path):
    phantom = kma.datasets.load("phantom", train=16, val=8, test=8)
    (x, y), val, (test_x, test_y) = (phantom.stored(split) for split in tasks.SPLITS)
    splits = (x, y), val, (test_x, np.zeros_like(test_y))
    names = phantom.class_names
    lacking = kma.datasets.Dataset("set", *splits, class_names=names, md5="a")
    task = tasks.plan(lacking, 0, TINY, tmp_path)["classifier"]
    execute.run_task(task, lacking)
    assert task.result()["test_auc"] is None
    assert 0 <= task.result()["test_accuracy"] <= 1


def test_a_model_is_built_from_the_seeds_of_its_task(tmp_path):
    phantom = kma.datasets.load("phantom", train=16, val=8, test=8)
    task = tasks.plan(phantom, 0, TINY, tmp_path)["classifier"]
    draws = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        tasks._build(task, phantom, TINY)
        draws.append(keras.ops.convert_to_numpy(keras.random.uniform((4,))))
    np.testing.assert_array_equal(*draws)


# ---- one whole run --------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_run_leaves_results_figures_and_a_report(finished):
    folder = finished / "phantom"
    assert {path.stem for path in folder.glob("*.png")} == FIGURES
    assert (finished / "report.md").is_file()
    assert not list(finished.rglob("training"))
    assert not list(finished.rglob(".partial-*"))
    stored = json.loads((folder / "results.json").read_text())
    assert stored["dataset"]["counts"] == {"train": 480, "val": 96, "test": 192}
    assert stored["dataset"]["used"] == {"train": 32, "val": 16, "test": 24}
    assert stored["versions"]["backend"] == keras.config.backend()
    assert 0 <= stored["classifier"]["test_accuracy"]["mean"] <= 1
    for name in (*paper.METHODS, "train", "test"):
        assert 0.25 <= stored["confidence"][name]["mean"] <= 1
        assert stored["samples"][name]["count"] == 12
        assert stored["samples"][name]["smallest_distance"]["mean"] > 0
    assert stored["samples"]["train"]["diversity"]["mean"] == 1.0
    for kind in ("classifier", *paper.GENERATORS):
        assert stored["timing"][kind]["seconds_per_epoch"]["mean"] > 0
    assert any("PROCEDURAL" in warning for warning in stored["warnings"])


def test_the_report_says_what_it_is_of(finished):
    text = (finished / "report.md").read_text()
    assert "PROCEDURAL DATA" in text
    assert "Confidence is not quality" in text
    assert "nearly black" not in text  # there is nothing of the paper's to compare with
    assert "## Not run\n\nPathMNIST, DermaMNIST" in text
    for image in FIGURES:
        assert f"(phantom/{image}.png)" in text


@pytest.mark.each_backend
def test_finished_work_is_not_done_again(finished, monkeypatch):
    before = untimed(finished)
    monkeypatch.setattr(execute, "_run", None)  # any work would fail
    assert reproduce.main(arguments(finished, "--datasets", "phantom")) == 0
    assert untimed(finished) == before


def test_the_images_scaled_twice_are_the_geometric_ones(finished):
    (trained,) = (finished / "phantom/tasks").glob("classifier-*")
    (altered,) = (finished / "phantom/tasks").glob("geometric-*")
    stored = json.loads((finished / "phantom/results.json").read_text())
    config = json.loads((trained / "config.json").read_text())["model"]
    classifier = kma.models.Classifier(config["image_shape"], config["num_classes"], filters=4)
    classifier.network.load_weights(trained / "network.weights.h5")
    with np.load(altered / "images.npz", allow_pickle=False) as arrays:
        dark = kma.metrics.mean_confidence(classifier, arrays["images"] / 255)
        lit = kma.metrics.mean_confidence(classifier, arrays["images"])
    assert stored["confidence_scaled_twice"]["mean"] == pytest.approx(dark, rel=1e-5)
    assert stored["confidence"]["geometric"]["mean"] == pytest.approx(lit, rel=1e-5)


def test_stored_images_are_what_the_data_say(finished):
    (folder,) = (finished / "phantom/tasks").glob("geometric-*")
    with np.load(folder / "images.npz", allow_pickle=False) as arrays:
        first = kma.datasets.load("phantom").train[0]
        kept = stratified(kma.datasets.load("phantom").train[1], 32)[:5]
        np.testing.assert_array_equal(arrays["originals"], first[kept])
        assert not np.array_equal(arrays["originals"], arrays["altered"])


# ---- the report -----------------------------------------------------------------------------


def seeds(values):
    """Return values over seeds as results have them."""
    return over_seeds([{"score": value} for value in values])["score"]


def test_the_report_shows_the_papers_numbers_beside_ours_and_the_difference(fake):
    stored = copy.deepcopy(fake)
    stored["config"]["seeds"] = [0, 1]
    stored["classifier"]["test_accuracy"] = seeds([0.8, 0.9])
    stored["classifier"]["test_answers"] *= 2
    for kind in paper.GENERATORS:
        stored["samples"][kind]["diversity"] = seeds([0.9, 0.9])
    stored["confidence"]["cvae"] = seeds([0.95])
    text = report.report({"breastmnist": stored}, {})
    assert "| BreastMNIST | 81.41 | 85.00 ± 7.07 (n=2) | +3.59 | 78.8 to 90.0 | 73.08 |" in text
    assert "| BreastMNIST | paper | 57.48 | 97.34 | 95.37 | 92.21 |" in text
    assert " | -2.34 | " in text
    assert "| **mean, all 8** | paper | 87.66 | 92.85 | 93.87 | 93.50 |" in text
    assert "| **mean, 1 of 8** | paper | 57.48 |" in text
    dark = 100 * stored["confidence_scaled_twice"]["mean"]
    assert f"a second time and so nearly black: BreastMNIST {dark:.2f} (paper: 57.48)." in text
    missing = "pathmnist dermamnist octmnist pneumoniamnist organamnist organcmnist organsmnist"
    backend = keras.config.backend()
    command = f"KERAS_BACKEND={backend} python examples/reproduce.py --preset paper --datasets"
    assert f"\n{command} {missing}\n" in text
    assert " |\n\nThe geometric images once more" in text  # one blank line after the table
    names = " / ".join(stored["dataset"]["class_names"])
    assert f"The classes in order:\nBreastMNIST: {names}." in text


def test_a_report_on_a_trial_run_says_that_it_is_too_short(fake):
    trial, whole = copy.deepcopy(fake), copy.deepcopy(fake)
    trial["config"]["preset"], whole["config"]["preset"] = "smoke", "paper"
    text = report.report({"breastmnist": trial, "octmnist": whole}, {})
    assert "**FAR TOO SHORT TO JUDGE.** The preset 'smoke'" in text
    assert "Sets: BreastMNIST.\n" in text
    assert "TOO SHORT" not in report.report({"octmnist": whole}, {})


@pytest.mark.parametrize(("preset", "marked"), [("smoke", True), ("paper", False)])
def test_figures_of_a_trial_run_say_that_it_is_too_short(finished, monkeypatch, preset, marked):
    titles = []
    monkeypatch.setattr(
        figures.plotting, "save", lambda figure, _: titles.append(figure.get_suptitle())
    )
    stored = json.loads((finished / "phantom/results.json").read_text())
    stored["config"]["preset"] = preset
    small = limited(kma.datasets.load("phantom"), TINY.limits)
    plan = tasks.plan(small, 0, TINY, finished / "phantom/tasks")
    figures.write_figures(finished, small, TINY, stored, plan)
    assert len(titles) == len(FIGURES)
    assert all(("'smoke': far too short to judge\n" in title) == marked for title in titles)


def test_the_report_says_what_failed_and_which_claim_holds(fake):
    stored = copy.deepcopy(fake)
    for kind, seconds in zip(paper.GENERATORS, (1.0, 2.0, 3.0), strict=True):
        stored["timing"][kind]["seconds_per_epoch"]["mean"] = seconds
    text = report.report({"breastmnist": stored}, {"octmnist": "no file"})
    assert "- **octmnist**: no file" in text
    assert "BreastMNIST: holds." in text
    stored["timing"]["cvae"]["seconds_per_epoch"]["mean"] = 9.0
    assert "BreastMNIST: does not hold." in report.report({"breastmnist": stored}, {})


def test_a_report_on_nothing_says_so():
    text = report.report({}, {"breastmnist": "no file"})
    assert "- **breastmnist**: no file" in text
    assert "## Table" not in text


def test_a_folder_of_someone_elses_is_passed_over(tmp_path, fake):
    contents = {
        "breastmnist": json.dumps(fake),
        "other": '{"a": 1}',
        "list": "[1, 2]",
        "truncated": json.dumps(fake)[:-40],
        "older": json.dumps({**fake, "format": 0}),
        "octmnist": json.dumps({**fake, "format": 1}),  # with other names for what nothing reads
    }
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(content)
    assert fake["format"] == 2
    assert list(report.read_results(tmp_path)) == ["octmnist", "breastmnist"]


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda stored: stored["dataset"].update(name="phantom"), "PROCEDURAL DATA"),
        (
            lambda stored: stored["dataset"].update(used={"train": 5, "val": 78, "test": 156}),
            "SUBSET: used were 5 of 546",
        ),
        (lambda stored: stored["config"].update(seeds=[0, 1]), None),
        (lambda stored: stored["classifier"].update(test_answers=[[0, 9]]), "COLLAPSED CLASSIFIER"),
        (
            lambda stored: stored["classifier"].update(test_accuracy={"values": [0.735]}),
            "NO BETTER THAN GUESSING",
        ),
        (
            lambda stored: stored["samples"]["dcgan"].update(diversity={"values": [0.49]}),
            "LITTLE VARIETY in DCGAN",
        ),
        (
            lambda stored: stored["samples"]["vaegan"].update(smallest_distance={"values": [0.0]}),
            "IDENTICAL SAMPLES in CVAEDCGAN",
        ),
    ],
)
def test_warnings(fake, change, warning):
    stored = copy.deepcopy(fake)
    stored["classifier"] |= {"test_answers": [[4, 5]], "test_accuracy": {"values": [0.85]}}
    for kind in paper.GENERATORS:
        stored["samples"][kind] |= {
            "diversity": {"values": [0.9]},
            "smallest_distance": {"values": [0.1]},
        }
    assert results.warnings(stored) == [
        "ONE SEED: another seed gives other numbers; `--seeds N` says how different."
    ]
    if warning is None:
        stored["classifier"] |= {
            "test_answers": [[4, 5]] * 2,
            "test_accuracy": {"values": [0.85] * 2},
        }
        for kind in paper.GENERATORS:
            stored["samples"][kind]["diversity"]["values"] *= 2
    change(stored)
    given = "\n".join(results.warnings(stored))
    assert (warning in given) if warning else given == ""


# ---- failures -------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [["--workers", "0"], ["--preset", "best"], ["--seeds", "0"]])
def test_what_is_not_there_yet_is_refused(tmp_path, capsys, more):
    with pytest.raises(SystemExit) as stop:
        reproduce.main(arguments(tmp_path, *more))
    assert stop.value.code == 2
    assert more[0] in capsys.readouterr().err


def test_an_unknown_set_is_refused(tmp_path, capsys):
    code = reproduce.main(arguments(tmp_path, "--datasets", "breastmnist", "brestmnist"))
    assert code == command.REFUSED
    error = capsys.readouterr().err
    assert "got brestmnist; expected 'all' or names among pathmnist" in error


def test_all_means_the_papers_eight_in_its_order(tmp_path):
    options = reproduce.parse(arguments(tmp_path, "--datasets", "all", "phantom", "octmnist"))
    assert reproduce.dataset_names(options) == [*paper.PAPER, "phantom"]


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    code = reproduce.main(arguments(tmp_path / "file" / "out", "--datasets", "phantom"))
    assert code == command.REFUSED
    assert "cannot be written to" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_folder_is_refused_by_the_system(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert reproduce.main(arguments(tmp_path, "--datasets", "phantom")) == command.REFUSED
    assert "cannot be written to (Permission denied)" in capsys.readouterr().err


def test_a_read_only_file_system_is_refused(tmp_path, monkeypatch, capsys):
    """As the one above, for a superuser too."""

    def refuse(path, _):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(command, "write_bytes_atomic", refuse)
    assert reproduce.main(arguments(tmp_path, "--datasets", "phantom")) == command.REFUSED
    assert f"{tmp_path} cannot be written to (Read-only file system)" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_figures")
def test_a_wrong_file_is_named_and_the_other_sets_are_run(finished, tmp_path, capsys):
    out = shutil.copytree(finished, tmp_path / "out")
    wrong = tmp_path / "breastmnist.npz"
    wrong.write_bytes(b"not the file")
    names = ["--datasets", "breastmnist", "phantom"]
    code = reproduce.main(arguments(out, *names, "--root", tmp_path))
    assert code == command.FAILED
    output = capsys.readouterr()
    assert str(wrong) in output.err
    assert "FAILED: breastmnist" in output.err
    assert "Traceback" not in output.err
    assert wrong.read_bytes() == b"not the file"
    text = (out / "report.md").read_text()
    assert "## What failed" in text
    assert "phantom (not in the paper)" in text


@pytest.mark.usefixtures("no_network")
def test_no_network_is_said_with_what_to_do(tmp_path, capsys):
    code = reproduce.main(
        arguments(tmp_path / "out", "--datasets", "breastmnist", "--root", tmp_path)
    )
    assert code == command.FAILED
    error = capsys.readouterr().err
    assert "no network here" in error
    assert kma.datasets.MEDMNIST["breastmnist"].md5[28] in error
    assert "Traceback" not in error


@pytest.mark.usefixtures("no_network", "no_figures")
def test_without_data_the_procedural_set_is_used_and_it_says_so(finished, tmp_path, capsys):
    assert reproduce.main(arguments(finished, "--root", tmp_path)) == 0
    assert "NO REAL DATA" in capsys.readouterr().err
    assert "PROCEDURAL DATA" in (finished / "report.md").read_text()


def test_real_data_at_hand_are_the_default(medmnist_root):
    assert reproduce.choose_dataset(medmnist_root) == "breastmnist"


@pytest.mark.parametrize("order", [["phantom"], ["breastmnist", "phantom"]])
def test_two_runs_in_one_folder_are_kept_apart(finished, capsys, monkeypatch, order):
    monkeypatch.setattr(reproduce, "load_job", None)  # any work would fail
    with contextlib.ExitStack() as first:
        for name in order:
            first.enter_context(command.alone_in(finished / name))
        given = arguments(finished, "--datasets", *reversed(order))
        assert reproduce.main(given) == command.FAILED
    said = capsys.readouterr().err
    for name in order:
        text = f"another run is at work in {finished / name}: wait for it, or choose another --out"
        assert f"FAILED: {name}: {text}" in said


def test_what_the_report_needs_is_said_before_any_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    assert reproduce.main(arguments(tmp_path, "--datasets", "phantom")) == command.REFUSED
    said = capsys.readouterr().err
    assert said.startswith("Nothing was run: ")
    assert said.endswith(
        ". The report needs Matplotlib, SciPy and scikit-learn: "
        'pip install "keras-medaug[reproduce]".\n'
    )
    assert not list(tmp_path.iterdir())


def test_a_defect_of_the_last_part_is_no_refusal(finished, monkeypatch):
    def broken(*_):
        raise ValueError("a defect")

    monkeypatch.setattr(reproduce, "write_report", broken)
    monkeypatch.setattr(reproduce, "write_figures", lambda *_: None)
    with pytest.raises(ValueError, match="a defect"):
        reproduce.main(arguments(finished, "--datasets", "phantom"))


def test_help_needs_neither_package_nor_backend(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "KERAS_BACKEND")}
    done = subprocess.run(  # without site-packages
        [sys.executable, "-S", str(EXAMPLES / "reproduce.py"), "--help"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "--preset" in done.stdout


@pytest.mark.usefixtures("no_figures")
def test_a_defect_is_kept_for_whoever_mends_it(finished, monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(reproduce, "execute", broken)
        assert reproduce.main(arguments(finished, "--datasets", "phantom")) == command.FAILED
    log = finished / "phantom" / "error.log"
    assert "in broken" in log.read_text()
    assert str(log) in capsys.readouterr().err
    assert reproduce.main(arguments(finished, "--datasets", "phantom")) == 0
    assert not log.exists()


def test_the_script_runs_from_anywhere(tmp_path):
    script = [sys.executable, str(EXAMPLES / "reproduce.py"), "--datasets", "no-such-set"]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(
        script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == command.REFUSED
    assert "got no-such-set" in done.stderr
    assert "Traceback" not in done.stderr


# ---- kills ----------------------------------------------------------------------------------


def start(out):
    script = [sys.executable, "-u", str(EXAMPLES / "reproduce.py")]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    # A process that is killed may leave half a program among those that JAX's processes share.
    environment["JAX_ENABLE_COMPILATION_CACHE"] = "0"
    return subprocess.Popen(
        [*script, *arguments(out, "--datasets", "phantom")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_and_interrupted_run_goes_on_to_the_same_files(finished, tmp_path):
    rng = random.Random(3)
    codes = []
    ends = {"classifier": signal.SIGINT, "dcgan": signal.SIGKILL, "vaegan": signal.SIGINT}
    for kind, end in ends.items():
        with pythons_handler(), start(tmp_path) as process:
            process.stdout.readline()  # which comes after the imports
            # The work on a part begins with its configuration.
            while process.poll() is None and not list(tmp_path.rglob(f"{kind}-*/config.json")):
                time.sleep(0.02)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.0, 4.0))
            process.send_signal(end)
            said = process.communicate()[1]
        codes.append(process.returncode)
        if process.returncode == command.INTERRUPTED:
            assert "Run the same command again" in said.splitlines()[-1]
        assert "Traceback" not in said
    assert {-signal.SIGKILL, command.INTERRUPTED} <= {*codes}
    assert {*codes} <= {-signal.SIGKILL, command.INTERRUPTED, 0}
    done = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    with start(tmp_path) as process:
        text = process.stdout.read()
    assert process.returncode == 0
    assert f"{len(done)} of 8 parts are done already" in text
    assert len(list(tmp_path.rglob("result.json"))) == 6
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())
    # The other run was in this process: so two processes agree as well.
    assert reproduce.main(arguments(finished, "--datasets", "phantom")) == 0
    assert untimed(tmp_path) == untimed(finished)


@pytest.mark.one_backend
def test_two_workers_write_the_same_files_as_this_process(finished, tmp_path):
    threads = provenance.environment()["threads"]
    workers = ["--workers", 2, "--threads", threads]
    assert reproduce.main(arguments(tmp_path, "--datasets", "phantom", *workers)) == 0
    assert reproduce.main(arguments(finished, "--datasets", "phantom")) == 0
    assert untimed(tmp_path) == untimed(finished)


def planned(folder, seeds):
    phantom = kma.datasets.load("phantom", train=33, val=8, test=8)
    plans = [tasks.plan(phantom, seed, TINY, folder) for seed in range(seeds)]
    progress = Progress("reproduction", verbose=False)
    wanted = [task for plan in plans for task in plan.values()]
    execute.plan_tasks(progress, wanted)
    return phantom, wanted, progress


class Elsewhere(Executor):
    """Runs what it is given as it would come out on the other side of a wire."""

    def __init__(self, writes=True):
        self.writes, self.order = writes, []

    def submit(self, function, /, *given):
        task, *_ = pickle.loads(pickle.dumps(given))  # noqa: S301 -- our own
        assert all(needed.done for needed in task.needs.values())
        self.order.append(task.key)
        future = Future()
        if self.writes:
            task.folder.mkdir(parents=True)
            for name in (*task.files, "result.json"):
                (task.folder / name).write_text("{}")
        future.set_result(1.0)
        return future


def test_an_executor_gets_each_task_once_and_those_first_that_others_need(tmp_path):
    phantom, wanted, progress = planned(tmp_path, 2)
    pool, others = Elsewhere(), Elsewhere()
    done = next(task for task in wanted if task.kind == "cvae")
    others.submit(None, done, phantom, "")
    with progress:
        execute.execute(wanted, phantom, pool, progress)
    assert len(pool.order) == len(wanted) - 1
    assert {*pool.order} == {task.key for task in wanted} - {done.key}
    assert progress.fraction == 1


def test_workers_that_see_another_folder_are_found_out(tmp_path):
    phantom, wanted, progress = planned(tmp_path, 1)
    with pytest.raises(RuntimeError, match="a folder that they share"):
        execute.execute(wanted, phantom, Elsewhere(writes=False), progress)


def test_a_worker_does_a_task(tmp_path):
    phantom, wanted, progress = planned(tmp_path, 1)
    (geometric,) = (task for task in wanted if task.kind == "geometric")
    with kma.study.Workers(1, threads=provenance.environment()["threads"]) as pool:
        execute.execute([geometric], phantom, pool, progress)
    assert geometric.done


def test_where_tasks_run_is_chosen_once(capsys, tmp_path):
    with pytest.raises(SystemExit):
        reproduce.main(arguments(tmp_path, "--workers", "2", "--scheduler", "tcp://localhost:1"))
    assert "expected one of them" in capsys.readouterr().err
