"""Figures of a study: paired differences with their intervals, and learning curves."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_medaug.plotting import COLOURS, LINES, SMALL, TEXT, new_figure, set_title, tidy
from keras_medaug.study.scores import PRIMARY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERDICT_COLOURS = {"HELPS": COLOURS[2], "HURTS": COLOURS[1], "INCONCLUSIVE": "#666666"}
MARKERS = "os^Dv<>"


def paired_differences(results: Mapping[str, Any]) -> "Figure":
    """Draw, for each comparison, the differences of all seeds, their mean and both intervals.

    Args:
        results: What `keras_medaug.study.run` returns, of two seeds or more.

    Returns:
        A Matplotlib figure; see `keras_medaug.plotting.save`.

    Example:

    >>> from keras_medaug.study.figures import paired_differences
    >>> comparison = {
    ...     "arm": "a", "against": "none", "mean_difference": 0.1, "ci95": [0.0, 0.2],
    ...     "ci95_images": [-0.1, 0.3], "verdict": "INCONCLUSIVE", "margin": 0.01,
    ... }
    >>> values = {"a": [0.6, 0.8], "none": [0.6, 0.6]}
    >>> arms = {name: {"test": {"auc": {"values": v}}} for name, v in values.items()}
    >>> dataset = {"name": "phantom"}
    >>> results = {"dataset": dataset, "arms": arms, "comparisons": [comparison]}
    >>> len(paired_differences(results).axes)
    1
    """
    comparisons = results["comparisons"]
    figure = new_figure((7.6, 1.9 + 0.36 * len(comparisons)))
    axes = figure.add_subplot()
    for row, comparison in enumerate(comparisons):
        colour = VERDICT_COLOURS[comparison["verdict"]]
        pair = [
            results["arms"][comparison[side]]["test"][PRIMARY]["values"]
            for side in ("arm", "against")
        ]
        seeds = [mine - theirs for mine, theirs in zip(*pair, strict=True)]
        axes.plot(seeds, [row + 0.22] * len(seeds), "|", color=colour, markersize=6, alpha=0.7)
        axes.plot(comparison["ci95_images"], [row, row], "-", color=colour, linewidth=1.2)
        axes.plot(comparison["ci95"], [row, row], "-", color=colour, linewidth=4, alpha=0.55)
        axes.plot(comparison["mean_difference"], row, "o", color=colour, markersize=6)
    margin = comparisons[0]["margin"]
    axes.axvspan(-margin, margin, color="#dddddd", alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(0, color="black", linewidth=1, zorder=1)
    labels = [f"{pair['arm']}  less  {pair['against']}" for pair in comparisons]
    axes.set_yticks(range(len(labels)), labels, fontsize=SMALL)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlabel("difference in test AUC", fontsize=TEXT)
    _name_verdicts(axes, {comparison["verdict"] for comparison in comparisons})
    tidy(axes)
    set_title(figure, f"{results['dataset']['name']}: does it help?")
    return figure


def _name_verdicts(axes: Any, verdicts: set[str]) -> None:
    """Say what thick, thin and coloured stand for."""
    for verdict in (verdict for verdict in VERDICT_COLOURS if verdict in verdicts):
        axes.plot([], [], "o", color=VERDICT_COLOURS[verdict], label=verdict)
    axes.plot([], [], "-", color="#666666", linewidth=4, alpha=0.55, label="95% over seeds")
    axes.plot([], [], "-", color="#666666", linewidth=1.2, label="95% over seeds and images")
    axes.plot([], [], "|", color="#666666", label="one seed")
    axes.figure.legend(fontsize=SMALL, frameon=False, ncols=4, loc="outside lower center")


def learning_curves(studies: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw each arm's test AUC over the number of training images, with 95% t intervals over seeds.

    Args:
        studies: What `keras_medaug.study.run` returned for several fractions of a training split.

    Returns:
        A Matplotlib figure; see `keras_medaug.plotting.save`.

    Example:

    >>> from keras_medaug.study.figures import learning_curves
    >>> def study(fraction, values):
    ...     return {
    ...         "dataset": {"name": "phantom", "counts": {"train": [10, 10]}},
    ...         "config": {"train_fraction": fraction},
    ...         "arms": {"none": {"test": {"auc": {"mean": 0.7, "sd": 0.1, "values": values}}}},
    ...     }
    >>> len(learning_curves([study(0.5, [0.6, 0.8]), study(1.0, [0.65, 0.75])]).axes)
    1
    """
    ordered = sorted(studies, key=lambda study: study["config"]["train_fraction"])
    whole = sum(ordered[-1]["dataset"]["counts"]["train"])
    counts = [round(whole * study["config"]["train_fraction"]) for study in ordered]
    figure = new_figure((7.2, 4.4))
    axes = figure.add_subplot()
    names = list(ordered[0]["arms"])
    for number, name in enumerate(names):
        scores = [study["arms"][name]["test"][PRIMARY] for study in ordered]
        # Side by side, since intervals of ten arms at one place would hide each other.
        places = [count * 1.02 ** (number - (len(names) - 1) / 2) for count in counts]
        axes.errorbar(
            places,
            [score["mean"] for score in scores],
            yerr=[
                half_width(score["sd"], len(score["values"])) if score["sd"] is not None else 0.0
                for score in scores
            ],
            color=COLOURS[number % len(COLOURS)],
            linestyle=LINES[number // len(COLOURS) % len(LINES)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            linewidth=1.2,
            capsize=2,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts], fontsize=TEXT)
    axes.minorticks_off()
    axes.set_xlabel("training images", fontsize=TEXT)
    axes.set_ylabel("test AUC", fontsize=TEXT)
    axes.legend(fontsize=SMALL, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    tidy(axes)
    set_title(figure, str(ordered[0]["dataset"]["name"]))
    return figure


def half_width(sd: float, count: int) -> float:
    """Return half the width of Student's 95% interval of the mean of some values.

    Args:
        sd: Their standard deviation.
        count: Their number, two or more.

    Returns:
        The half width.

    Example:

    >>> from keras_medaug.study.figures import half_width
    >>> round(half_width(1.0, 4), 3)
    1.591
    """
    from scipy import stats

    return float(stats.t.ppf(0.975, count - 1) * sd / count**0.5)


def interval_of_fraction(fraction: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a fraction of some images.

    Args:
        fraction: The fraction, in [0, 1]; it is rounded to whole images.
        count: Number of images.

    Returns:
        The interval, in [0, 1].

    Example:

    >>> from keras_medaug.study.figures import interval_of_fraction
    >>> [round(end, 2) for end in interval_of_fraction(0.5, 100)]
    [0.4, 0.6]
    """
    from scipy import stats

    interval = stats.binomtest(round(fraction * count), count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
