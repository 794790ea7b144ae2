"""What a study found, in words, tables and figures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_medaug.files import write_text_atomic
from keras_medaug.plotting import save
from keras_medaug.study.arm import SAFE, policy_note
from keras_medaug.study.comparison import SEEDS_FOR_A_VERDICT
from keras_medaug.study.figures import paired_differences

FIGURE = "differences.png"


def write_report(out: Path, results: Mapping[str, Any]) -> Path:
    """Write `report.md` and the figure that it shows.

    Args:
        out: Folder of the report.
        results: What `keras_medaug.study.run` returns.

    Returns:
        The path of the report.
    """
    if results["comparisons"]:
        save(paired_differences(results), out / FIGURE)
    path = out / "report.md"
    write_text_atomic(path, report(results))
    return path


def report(results: Mapping[str, Any]) -> str:
    """Return the report, in Markdown.

    Args:
        results: What `keras_medaug.study.run` returns.

    Returns:
        The text.
    """
    parts = [
        _head(results),
        "## Verdicts\n",
        verdict_table(results),
        "\n".join(f"- {sentence(comparison)}" for comparison in results["comparisons"]) + "\n",
        _figure(results),
        "## Scores on the test split\n",
        score_table(results),
        linear_sentence(results),
        _gaps(results),
        "## Warnings\n",
        warning_list(results),
        "## How it was done\n",
        _method(results),
    ]
    return "\n".join(part for part in parts if part)


def sentence(comparison: Mapping[str, Any]) -> str:
    """Return a comparison in words for those who do not know statistics.

    Args:
        comparison: One of a study's `comparisons`.

    Returns:
        The verdict, what it rests on and, where there is none, what it would take.

    Example:

    >>> from keras_medaug.study.report import sentence
    >>> print(sentence({
    ...     "arm": "cvae", "against": "none", "verdict": "INCONCLUSIVE", "seeds": 10,
    ...     "mean_difference": 0.004, "ci95_images": [-0.01, 0.018], "mde": 0.02, "margin": 0.01,
    ...     "seeds_needed": 40, "equivalent": False,
    ... }))
    **cvae** against none: INCONCLUSIVE. AUC +0.004 (95% interval -0.010 to +0.018). Differences
    smaller than about 0.020 would mostly go unseen with 10 seeds; about 30 more seeds would be
    needed to see a difference of 0.010.
    """
    low, high = comparison["ci95_images"]
    text = (
        f"**{comparison['arm']}** against {comparison['against']}: {comparison['verdict']}. "
        f"AUC {comparison['mean_difference']:+.3f} (95% interval {low:+.3f} to {high:+.3f})."
    )
    if comparison["verdict"] != "INCONCLUSIVE":
        word = "higher" if comparison["verdict"] == "HELPS" else "lower"
        return f"{text} Other seeds, and other test images like these, would also give {word} AUC."
    if comparison["seeds"] < SEEDS_FOR_A_VERDICT:
        text += f" No verdict is given with fewer than {SEEDS_FOR_A_VERDICT} seeds."
    if comparison["equivalent"]:
        margin = f"{comparison['margin']:g}"
        return f"{text} Any difference is smaller than {margin}: the two are equivalent."
    return (
        f"{text} Differences smaller than about {comparison['mde']:.3f} would mostly go unseen "
        f"with {comparison['seeds']} seeds; {_what_it_takes(comparison)}"
    )


def _what_it_takes(comparison: Mapping[str, Any]) -> str:
    wanted = f"a difference of {comparison['margin']:.3f}"
    if comparison["seeds_needed"] is None:
        return f"no number of seeds would show {wanted}: the test set is too small for that."
    more = comparison["seeds_needed"] - comparison["seeds"]
    if more <= 0:
        return f"{wanted} would mostly be seen."
    return f"about {more} more seeds would be needed to see {wanted}."


# ---- tables ---------------------------------------------------------------------------------


def verdict_table(results: Mapping[str, Any]) -> str:
    """Return the comparisons as a table in Markdown.

    Args:
        results: What `keras_medaug.study.run` returns.

    Returns:
        The table, or a sentence where a single seed allows no comparison.
    """
    if not results["comparisons"]:
        return "One seed says nothing about differences.\n"
    rows = [
        [
            comparison["arm"],
            comparison["against"],
            f"**{comparison['verdict']}**",
            f"{comparison['mean_difference']:+.4f}",
            _interval(comparison["ci95"]),
            _interval(comparison["ci95_images"]),
            f"{comparison['p_holm']:.3f}",
            f"{comparison['mde']:.3f}",
            "yes" if comparison["equivalent"] else "no",
        ]
        for comparison in results["comparisons"]
    ]
    heads = [
        "arm", "against", "verdict", "AUC difference", "95% over seeds",
        "95% over seeds and images", "p (Holm)", "detectable", "equivalent",
    ]  # fmt: skip
    return table(heads, rows)


def score_table(results: Mapping[str, Any]) -> str:
    """Return the scores of all arms as a table in Markdown: mean and standard deviation over seeds.

    Args:
        results: What `keras_medaug.study.run` returns.

    Returns:
        The table.
    """
    names = {
        "auc": "AUC", "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy",
        "log_loss": "log loss", "calibration_error": "calibration error",
    }  # fmt: skip
    without = any("test_without_duplicates" in arm for arm in results["arms"].values())
    rows = []
    for name, arm in results["arms"].items():
        row = [name, _score(arm["val"]["auc"]), *(_score(arm["test"][score]) for score in names)]
        recalls = arm["test"]["recall"]["mean"]
        row.append(" / ".join(f"{recall:.2f}" for recall in recalls))
        if without:
            row.append(_score(arm.get("test_without_duplicates", {}).get("auc")))
        rows.append(row)
    heads = ["arm", "AUC, validation", *names.values(), "recall by class"]
    scored = table(heads + ["AUC without duplicates"] * without, rows)
    return f"{scored}\n{_order_of_classes(results['dataset'])}"


def _order_of_classes(dataset: Mapping[str, Any]) -> str:
    names = dataset.get("class_names", [])
    if all(name == str(label) for label, name in enumerate(names)):
        return ""
    return f"Recall by class is in the order: {'; '.join(map(escaped, names))}.\n"


def linear_sentence(results: Mapping[str, Any]) -> str:
    """Return what a linear model of simple statistics scores, in a sentence.

    Args:
        results: What `keras_medaug.study.run` returns.

    Returns:
        The sentence, with a line break; nothing for results of before that was measured.
    """
    linear = results.get("linear_baseline")
    if linear is None:
        return ""
    return (
        f"For comparison: a linear model of simple image statistics has a test AUC of "
        f"{linear['auc']:.3f}, {linear['difference']:+.3f} from `none` (95% interval "
        f"{_interval(linear['ci95_images'])}).\n"
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], words: int | None = None) -> str:
    """Return a table in Markdown.

    Args:
        heads: Heads of the columns.
        rows: The rows.
        words: Number of the first columns that hold words; the others are aligned to the right.
            `None`: all hold words.

    Returns:
        The table, with a blank line after it.
    """
    words = len(heads) if words is None else words
    lines = [heads, ["---"] * words + ["---:"] * (len(heads) - words), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def _interval(pair: Sequence[float]) -> str:
    return f"{pair[0]:+.3f} to {pair[1]:+.3f}"


def _score(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return ""
    deviation = "" if score["sd"] is None else f" ± {score['sd']:.3f}"
    return f"{score['mean']:.3f}{deviation}"


# ---- prose ----------------------------------------------------------------------------------


def _head(results: Mapping[str, Any]) -> str:
    name, headline = escaped(results["dataset"]["name"]), results["headline"]
    verdicts = [comparison["verdict"] for comparison in results["comparisons"]]
    counted = ", ".join(
        f"{verdicts.count(word)} {word}" for word in ("HELPS", "HURTS", "INCONCLUSIVE")
    )
    return (
        f"# Does it help? {name}\n\n"
        f"Of {len(verdicts)} comparisons: {counted}. The arm that is best on the validation split, "
        f"**{headline['arm']}**, has a test AUC of {headline['auc']:.3f} and an accuracy of "
        f"{headline['accuracy']:.3f}.\n"
    )


def _figure(results: Mapping[str, Any]) -> str:
    return f"![Differences by seed, with intervals]({FIGURE})\n" if results["comparisons"] else ""


def _gaps(results: Mapping[str, Any]) -> str:
    if not results["real_against_synthetic"]:
        return ""
    return "## Synthetic images alone\n\n" + gap_table(results)


def gap_table(results: Mapping[str, Any]) -> str:
    """Return how far training on synthetic images alone falls behind, as a table in Markdown.

    Args:
        results: What `keras_medaug.study.run` returns, with a diagnostic arm and two seeds or more.

    Returns:
        The table.
    """
    rows = [
        [
            gap["arm"],
            _score(results["arms"][gap["arm"]]["test"]["auc"]),
            f"{gap['mean_difference']:+.4f}",
            _interval(gap["ci95"]),
            _interval(gap["ci95_images"]),
        ]
        for gap in results["real_against_synthetic"]
    ]
    heads = [
        "trained on synthetic images alone", "test AUC", "less that on real ones", "95% over seeds",
        "95% over seeds and images",
    ]  # fmt: skip
    return table(heads, rows)


def warning_list(results: Mapping[str, Any]) -> str:
    """Return the warnings as a list in Markdown.

    Args:
        results: What `keras_medaug.study.run` returns.

    Returns:
        The list, or that there is none.
    """
    if not results["warnings"]:
        return "None.\n"
    names = results["dataset"].get("class_names", [])
    lines = [
        f"- `{warning['check']}`: {_with_escaped(names, warning['message'])}"
        for warning in results["warnings"]
    ]
    return "\n".join(lines) + "\n"


def escaped(name: str) -> str:
    r"""Return a user's name as Markdown shows it, whatever characters it has.

    Args:
        name: Name of a class or of a data set.

    Returns:
        The name on one line, with backslashes before characters that mean something in Markdown.

    Example:

    >>> from keras_medaug.study.report import escaped
    >>> print(escaped("T1_*|"))
    T1\_\*\|
    """
    return re.sub(r"([\\`*_\[\]<>|~$&])", r"\\\1", " ".join(name.split()))


def _with_escaped(names: Sequence[str], message: str) -> str:
    """Return a message in which the names of classes are escaped."""
    special = sorted((name for name in names if escaped(name) != name), key=len, reverse=True)
    if not special:
        return message
    return re.sub("|".join(map(re.escape, special)), lambda match: escaped(match[0]), message)


def _method(results: Mapping[str, Any]) -> str:
    config, place = results["config"], results["config"]["environment"]
    train = round(sum(results["dataset"]["counts"]["train"]) * config["train_fraction"])
    policy = config.get("policies", {}).get(SAFE)
    note = policy_note(results["dataset"]["name"], policy, config["arms"])
    labels = (
        ""
        if config["fidelity"] is None
        else f" Kept are those to whose label classifiers fitted out of fold give "
        f"{config['fidelity']:g} or more."
    )
    return (
        f"{config['seeds']} seeds; about {train} training images ({config['train_fraction']:g} of "
        f"the training split). Classifiers: {config['steps']} steps of {config['batch_size']} "
        f"images for every arm, the weights that are best on the validation split. Generative "
        f"models: {config['generator_steps']} steps, trained anew for each seed, "
        f"{config['ratio']:g} synthetic images for each real one, in the classes' proportions, of "
        f"the class that the model was told.{labels} The margin of interest is "
        f"{config['margin']:g}. Backend: {place['backend']} {place[place['backend']]} on "
        f"{place['device']}, Keras {place['keras']}, {place['threads']} threads a task. Data MD5: "
        f"{results['dataset']['md5']}.\n" + (f"\n{note}\n" if note else "")
    )
