"""What a study says of planted tasks, whose truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug.files import write_json_atomic
from keras_medaug.provenance import environment
from keras_medaug.study import execute
from keras_medaug.study.arm import ARMS, DIAGNOSTICS, resolve_arms
from keras_medaug.study.report import report, sentence, warning_list
from keras_medaug.study.results import planned_comparisons
from keras_medaug.study.runner import _policies
from keras_medaug.study.scores import area, auc_influence, scores
from keras_medaug.study.settings import Settings
from keras_medaug.study.task import packed
from keras_medaug.study.tasks import plan

pytestmark = pytest.mark.one_backend

SEEDS = 10
STUDIES = Path(__file__).parents[2] / "docs/results/studies"
GAINS = {"none": 1.0, "geometric-safe": 1.0, "oversample": 2.2, "cvae": 0.5}


def softmax(scores):
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def planted(labels, gain, rng, hard):
    """Return probabilities that tell the classes apart as well as the gain says."""
    truth = np.eye(labels.max() + 1)[labels]
    return softmax(gain * truth + hard + 0.3 * rng.normal(size=hard.shape))


@pytest.fixture(scope="module")
def data():
    return kma.datasets.load("phantom", size=8, train=80, val=200, test=600)


def plant(data, folder, gains, seeds=SEEDS, change=None, change_made=None, change_audit=None):
    """Write the tasks of a study as if they had been done, and return the study's results."""
    settings = Settings(policies=_policies(data.name))
    arms = resolve_arms(list(gains))
    audit, tasks = plan(data, arms, seeds, settings, environment(), folder / "tasks")
    rng = np.random.default_rng(0)
    labels = {split: data.stored(split)[1] for split in ("val", "test")}
    hard = {split: rng.normal(size=(len(y), 4)) for split, y in labels.items()}
    for (arm, seed), task in tasks.items():
        if task.needs:
            made = {
                "diversity": [0.9] * 4, "coarse_diversity": [0.9] * 4, "correlation": [0.1] * 4,
                "requested": [20] * 4, "counts": [20] * 4,
            }  # fmt: skip
            if change_made is not None:
                change_made(made)
            write_json_atomic(task.needs["images"].folder / "result.json", made)
        result = {
            "images": {"real_and_synthetic": [20, 20, 20, 20]},
            "test_images_in_training": 0,
            "loss": [1.0] * 20,
            "val_auc": [0.5] * 20,
            "best_step": 500,
            "logits": {
                split: packed(np.log(planted(y, gains[arm], rng, hard[split])) + 5)
                for split, y in labels.items()
            },
            "policies": {"as they are": 0.8, "geometric": 0.75, "geometric-safe": 0.75},
            "timing": {"seconds": 1.0},
        }
        if change is not None:
            change(arm, seed, result)
        write_json_atomic(task.folder / "result.json", result)
    counts = {split: np.bincount(data.stored(split)[1]).tolist() for split in ("train", *labels)}
    nothing = {"exact_duplicates": 0, "near_duplicates": [], "with_another_label": 0}
    audited = {
        **nothing, "validation": dict(nothing), "counts": counts,
        "linear_baseline": packed(rng.normal(size=(1, len(labels["test"]), 4))),
    }  # fmt: skip
    if change_audit is not None:
        change_audit(audited)
    write_json_atomic(audit.folder / "result.json", audited)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "_run", None)  # nothing is trained: all is planted
        return kma.study.run(data, list(gains), seeds=seeds, out=folder, verbose=False)


def verdicts(results):
    return {(row["arm"], row["against"]): row["verdict"] for row in results["comparisons"]}


def test_a_gain_helps_a_loss_hurts_and_nothing_is_inconclusive(data, tmp_path):
    results = plant(data, tmp_path, GAINS)
    assert verdicts(results) == {
        ("geometric-safe", "none"): "INCONCLUSIVE",
        ("oversample", "none"): "HELPS",
        ("cvae", "none"): "HURTS",
        ("cvae", "geometric-safe"): "HURTS",
    }
    assert results["headline"]["arm"] == "oversample"
    assert results["warnings"] == []
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "**oversample** against none: HELPS" in text
    assert "1 HELPS, 2 HURTS, 1 INCONCLUSIVE" in text
    assert "Recall by class is in the order: " + "; ".join(data.class_names) in text
    # Of a wide table the first columns are seen without scrolling.
    assert "\n| arm | against | verdict | " in text
    assert "\n| oversample | none | **HELPS** | " in text


def test_nine_seeds_give_no_verdict(data, tmp_path):
    results = plant(data, tmp_path, GAINS, seeds=9)
    assert set(verdicts(results).values()) == {"INCONCLUSIVE"}


def test_a_collapsed_classifier_is_found(data, tmp_path):
    def collapse(arm, seed, result):
        if (arm, seed) == ("oversample", 1):
            constant = np.tile([0.1, 0.2, 0.3, 0.4], (600, 1))
            result["logits"]["test"] = packed(constant)

    results = plant(data, tmp_path, {"none": 1.0, "oversample": 1.0}, 3, collapse)
    (warning,) = results["warnings"]
    assert (warning["check"], warning["arm"]) == ("collapsed_classifier", "oversample")
    assert warning["seeds"] == [1]
    assert warning["never"] == [0, 1, 2]
    assert "`collapsed_classifier`" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_further_checks(data, tmp_path):
    def change(arm, seed, result):
        if arm == "none":
            result["loss"] = list(np.linspace(2.0, 0.5, 20))
            result["best_step"] = 1000 if seed else 100
            result["policies"]["geometric-safe"] = 0.3
        result["test_images_in_training"] = 4 if (arm, seed) == ("geometric-safe", 2) else 0

    results = plant(data, tmp_path, {"none": 1.0, "geometric-safe": 1.0}, 3, change)
    warnings = {warning["check"]: warning for warning in results["warnings"]}
    assert set(warnings) == {"undertrained_baseline", "label_unsafe_geometry", "leak"}
    assert warnings["leak"]["images"] == 4
    assert warnings["label_unsafe_geometry"]["transformed"] == 0.3


def test_every_arm_that_is_cut_off_is_told_of(data, tmp_path):
    rng = np.random.default_rng(0)

    def change(arm, _seed, result):
        slope = 0.1 if arm == "cvae" else 0.0
        result["val_auc"] = (
            0.7 + slope * np.linspace(0, 1, 20) + 0.01 * rng.normal(size=20)
        ).tolist()

    results = plant(data, tmp_path, {"none": 1.0, "oversample": 1.0, "cvae": 1.0}, 10, change)
    (warning,) = results["warnings"]
    assert (warning["check"], warning["arm"]) == ("still_learning", "cvae")
    assert warning["gain"] == pytest.approx(0.1 * 5 / 19, abs=0.01)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"coarse_diversity": [0.9, 0.3, 0.9, 0.9]}, "0.30 times as far apart"),
        ({"correlation": [0.0, 0.7, None, 0.0]}, "one image with noise"),
        ({"diversity": [0.3] * 4}, None),  # blur alone
    ],
)
def test_a_collapsed_generator_is_found(data, tmp_path, made, said):
    results = plant(
        data, tmp_path, {"none": 1.0, "cvae": 1.0}, 2, change_made=lambda task: task.update(made)
    )
    messages = [warning["message"] for warning in results["warnings"]]
    assert len(messages) == (said is not None)
    assert said is None or said in messages[0]


def test_rare_classes_of_which_many_images_are_made_are_told_of(data, tmp_path):
    def change(_arm, _seed, result):
        result["images"]["real_and_synthetic"] = [60, 1, 10, 9]

    results = plant(
        data, tmp_path, {"none": 1.0, "cvae": 1.0}, 2, change,
        change_made=lambda task: task.update(
            requested=[0, 144, 50, 0], counts=[0, 144, 50, 0]
        ),
    )  # fmt: skip
    (warning,) = results["warnings"]
    assert (warning["check"], warning["arm"]) == ("rare_class", "cvae")
    assert (warning["real"], warning["planned"]) == ([1], [144])
    assert "144 synthetic images are planned of class" in warning["message"]
    assert "which has 1 real image:" in warning["message"]


def test_validation_images_in_the_training_split_are_told_of(data, tmp_path):
    duplicates = {
        "exact_duplicates": 2, "near_duplicates": [3, 5, 8], "with_another_label": 0, "turned": 1,
        "uniform": 0,
    }  # fmt: skip
    results = plant(
        data, tmp_path, {"none": 1.0, "oversample": 1.0}, 2,
        change_audit=lambda audited: audited.update(validation=duplicates),
    )  # fmt: skip
    (warning,) = results["warnings"]
    assert (warning["check"], warning["split"], warning["near"]) == ("duplicates", "val", 3)
    assert "3 of 200 validation images" in warning["message"]
    assert "test_without_duplicates" not in results["arms"]["none"]


@pytest.mark.parametrize(("signal", "warned"), [(0.0, False), (1.0, False), (3.0, True)])
def test_a_linear_model_that_is_ahead_is_told_of(data, tmp_path, signal, warned):
    labels = data.stored("test")[1]

    def change(audited):
        noise = np.random.default_rng(1).normal(size=(1, 600, 4))
        audited["linear_baseline"] = packed(signal * np.eye(4)[labels] + noise)

    gains = {"none": 1.0, "oversample": 1.0}
    results = plant(data, tmp_path, gains, 3, change_audit=change)
    assert [warning["check"] for warning in results["warnings"]] == ["linear_baseline"] * warned
    linear, auc = results["linear_baseline"], results["arms"]["none"]["test"]["auc"]["mean"]
    assert linear["auc"] - auc == pytest.approx(linear["difference"])
    assert "a linear model of simple image" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_one_seed_has_a_linear_baseline_as_well(data, tmp_path):
    results = plant(data, tmp_path, {"none": 1.0, "oversample": 1.0}, 1)
    low, high = results["linear_baseline"]["ci95_images"]
    assert low < results["linear_baseline"]["difference"] < high < 0


@pytest.mark.parametrize("name", ["breastmnist", "pneumoniamnist-0.1"])
def test_committed_reports_are_what_their_results_say(name):
    """No change to the report may change what was published."""
    folder = STUDIES / name
    stored = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert (folder / "report.md").read_text(encoding="utf-8") == report(stored)


def test_names_of_users_are_shown_as_they_are():
    """Class names with characters that Markdown reads as something else."""
    names = ["a|b", "a|b_*c*", "plain"]
    message = "Class 'a|b_*c*' is 60% of the training split, class 'a|b' of the test split; plain."
    results = {
        "dataset": {"class_names": names},
        "warnings": [{"check": "prior_shift", "message": message}],
    }
    assert warning_list(results) == (
        r"- `prior_shift`: Class 'a\|b\_\*c\*' is 60% of the training split, class 'a\|b' of the "
        "test split; plain.\n"
    )


def test_ten_arms_make_fifteen_comparisons():
    pairs = planned_comparisons(resolve_arms([*ARMS, *DIAGNOSTICS]))
    assert len(pairs) == len(set(pairs)) == 15
    assert [pair for pair in pairs if pair[1] == "geometric-safe"] == [
        (arm, "geometric-safe")
        for arm in (
            "cvae", "dcgan", "vaegan",
            "geometric-safe+cvae", "geometric-safe+dcgan", "geometric-safe+vaegan",
        )
    ]  # fmt: skip


def test_scores_are_those_of_the_field():
    """Against numbers worked out by hand, and ours that the comparisons use."""
    labels = np.array([0, 0, 1, 1, 1])
    ones = np.array([0.2, 0.6, 0.4, 0.7, 0.95])
    result = scores(labels, np.stack([1 - ones, ones], axis=1))
    assert result["accuracy"] == pytest.approx(3 / 5)
    assert result["recall"] == pytest.approx([1 / 2, 2 / 3])
    assert result["balanced_accuracy"] == pytest.approx(7 / 12)
    assert result["auc"] == pytest.approx(5 / 6)  # of six pairs one is in the wrong order
    right = np.array([0.8, 0.4, 0.4, 0.7, 0.95])
    assert result["log_loss"] == pytest.approx(-np.log(right).mean())
    # Bins of 1/15: 0.8 | 0.6, 0.6 | 0.7 | 0.95; gaps 0.2, 2 * 0.6, 0.3 and 0.05, over 5 images.
    assert result["calibration_error"] == pytest.approx((0.2 + 1.2 + 0.3 + 0.05) / 5)
    of_logits = scores(labels, np.stack([np.zeros(5), np.log(ones / (1 - ones))], axis=1) - 3)
    assert of_logits == pytest.approx(result | {"recall": pytest.approx(result["recall"])})


def test_scores_of_a_classifier_that_is_sure_of_everything():
    """Its probabilities are 0 and 1 in float32; its logits say by how much it is wrong."""
    labels = np.array([0, 0, 1, 1])
    logits = np.float32([[50, 0], [20, 0], [0, 60], [30, 0]])
    result = scores(labels, logits)
    assert result["auc"] == 0.75
    assert result["log_loss"] == pytest.approx(30 / 4)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    saturated = odds / odds.sum(axis=1, keepdims=True)
    assert area(labels, saturated) == 0.75  # the other class is below 1, and ranks them
    assert scores(labels, np.round(saturated))["log_loss"] == pytest.approx(36.04 / 4, abs=0.01)


def test_the_area_is_the_one_that_is_tested():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    probabilities = planted(labels, 1.0, rng, rng.normal(size=(90, 3)))
    areas, _ = auc_influence(labels, probabilities)
    assert area(labels, probabilities) == pytest.approx(float(areas), abs=1e-12)


BASE = {
    "arm": "cvae", "against": "none", "seeds": 10, "mean_difference": 0.004,
    "ci95_images": [-0.01, 0.018], "mde": 0.02, "margin": 0.01, "seeds_needed": 40,
    "equivalent": False, "verdict": "INCONCLUSIVE",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "about 30 more seeds would be needed to see a difference of 0.010"),
        ({"seeds_needed": None}, "no number of seeds would show a difference of 0.010"),
        ({"seeds_needed": 10}, "a difference of 0.010 would mostly be seen"),
        ({"seeds": 3}, "No verdict is given with fewer than 10 seeds"),
        ({"equivalent": True}, "the two are equivalent"),
        ({"verdict": "HELPS"}, "would also give higher AUC"),
        ({"verdict": "HURTS"}, "would also give lower AUC"),
    ],
)
def test_verdicts_in_words(change, words):
    assert words in sentence(BASE | change)
