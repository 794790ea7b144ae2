"""The tables of the reproduction page: the paper's numbers beside ours, out of `results.json`.

Sets of the paper without results are in every table, as not measured, so that nobody takes two sets
for eight.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from reproduction.figures import title_of
from reproduction.paper import GENERATORS, LABELS, MEAN_CONFIDENCE, METHODS, PAPER
from reproduction.report import read_results

from keras_medaug.study.figures import interval_of_fraction
from keras_medaug.study.report import table

Results = Mapping[str, Any]
BySet = Mapping[str, Results]

NOT_MEASURED = "*not measured*"
OVERFITTING = 0.05  # accuracy on training images less that on test images
LEARNED = 0.99  # accuracy on training images
COLLAPSED = 0.5  # variety below which samples count as collapsed, as in the report


def write_tables(results: Path, out: Path) -> None:
    """Write each part of the page that has numbers in it to a Markdown file of its own."""
    by_set = read_results(results)
    if not by_set:
        raise FileNotFoundError(f"There are no results in {results}.")
    parts: dict[str, Callable[[BySet], str]] = {
        "counts": counts_table,
        "accuracy": accuracy_table,
        "confidence": confidence_table,
        "scaled_twice": scaled_twice,
        "variety": variety_table,
        "claims": claims,
        "missing": missing,
        "figures": figures,
        "summary": summary,
    }
    for name, write in parts.items():
        (out / f"reproduction_{name}.md").write_text(write(by_set) + "\n", encoding="utf-8")


# ---- tables ---------------------------------------------------------------------------------


def counts_table(by_set: BySet) -> str:
    """Return table 1: how many images there are."""
    head = ["set", "paper: train / validation / test", "here", "difference"]
    rows = []
    for name, paper in PAPER.items():
        theirs = [paper.train, paper.val, paper.test]
        row = [paper.title, _numbers(theirs)]
        if name in by_set:
            ours = [by_set[name]["dataset"]["counts"][split] for split in ("train", "val", "test")]
            same = ours == theirs
            changes = [f"{a - b:+,}" for a, b in zip(ours, theirs, strict=True)]
            row += [_numbers(ours), "none" if same else " / ".join(changes)]
        else:
            row += [NOT_MEASURED, ""]
        rows.append(row)
    return table(head, rows, words=1)


def accuracy_table(by_set: BySet) -> str:
    """Return the accuracies of section 3 with what stands around them."""
    head = ["set", "paper", "here", "difference", "95% interval", "majority", "train", "test AUC"]
    rows = []
    for name, paper in PAPER.items():
        row = [paper.title, f"{paper.accuracy:.2f}"]
        if name in by_set:
            scores, data = by_set[name]["classifier"], by_set[name]["dataset"]
            mean = scores["test_accuracy"]["mean"]
            ends = interval_of_fraction(mean, data["used"]["test"])
            row += [
                _percent(mean),
                f"{100 * mean - paper.accuracy:+.2f}",
                " to ".join(f"{100 * end:.1f}" for end in ends),
                _percent(data["test_majority"]),
                _percent(scores["train_accuracy"]["mean"]),
                f"{scores['test_auc']['mean']:.3f}",
            ]
        else:
            row += [NOT_MEASURED, *[""] * 5]
        rows.append(row)
    return table(head, rows, words=1)


def confidence_table(by_set: BySet) -> str:
    """Return table 2: mean confidence, with that on real images beside it."""
    head = ["set", "", *(LABELS[kind] for kind in METHODS), "real, test"]
    rows = []
    for name, paper in PAPER.items():
        rows.append([paper.title, "paper", *(f"{value:.2f}" for value in paper.confidence), ""])
        if name in by_set:
            ours = by_set[name]["confidence"]
            kinds = (*METHODS, "test")
            rows.append(["", "here", *(_percent(ours[kind]["mean"]) for kind in kinds)])
        else:
            rows.append(["", "here", NOT_MEASURED, *[""] * 4])
    rows.append(["**mean of 8**", "paper", *(f"{value:.2f}" for value in MEAN_CONFIDENCE), ""])
    rows.append(["", "here", NOT_MEASURED if len(by_set) < len(PAPER) else "", *[""] * 4])
    return table(head, rows, words=2)


def scaled_twice(by_set: BySet) -> str:
    """Return what the classifier makes of the geometric images when they are divided once more."""
    head = ["set", "paper, geometric", "here", "here, divided by 255 once more"]
    rows = []
    for name in (name for name in PAPER if name in by_set):
        paper = PAPER[name].confidence[METHODS.index("geometric")]
        ours = by_set[name]["confidence"]["geometric"], by_set[name]["confidence_scaled_twice"]
        rows.append([title_of(name), f"{paper:.2f}", *(_percent(value["mean"]) for value in ours)])
    return table(head, rows, words=1)


def variety_table(by_set: BySet) -> str:
    """Return how different from each other the images of each kind are."""
    head = ["set", *(LABELS[kind] for kind in METHODS), "real, test"]
    rows = []
    for name in PAPER:
        if name in by_set:
            kinds = (*METHODS, "test")
            values = [by_set[name]["samples"][kind]["diversity"]["mean"] for kind in kinds]
            rows.append([title_of(name), *(f"{value:.2f}" for value in values)])
        else:
            rows.append([title_of(name), NOT_MEASURED, *[""] * 4])
    return table(head, rows, words=1)


# ---- sentences ------------------------------------------------------------------------------


def summary(by_set: BySet) -> str:
    """Say in two sentences how much of the paper stands here."""
    sets = [title_of(name) for name in PAPER if name in by_set]
    seeds = {len(results["config"]["seeds"]) for results in by_set.values()}
    few = "one seed each" if seeds == {1} else f"{min(seeds)} seeds or more each"
    return (
        f"Measured are **{len(sets)} of the paper's {len(PAPER)} sets**, {' and '.join(sets)}, "
        f"with {few}. The other {len(PAPER) - len(sets)} stand below as not measured."
    )


def claims(by_set: BySet) -> str:
    """Answer what the paper concludes, claim by claim, with the numbers there are."""
    answers = [
        ("All eight sets could be augmented.", _answer_augmented(by_set)),
        ("The DCGAN and the CVAEDCGAN augment best.", _answer_best(by_set)),
        ("Something overfits, perhaps the encoder.", _answer_overfitting(by_set)),
        (
            "A classifier trained on, to some 90% in testing, would judge better.",
            _answer_longer(by_set),
        ),
        (
            "More dropout, or tuning on the validation split, would lessen the overfitting.",
            "Not measured: one dropout rate was run, and the validation split chose nothing.",
        ),
        (
            "The CVAE is faster than the DCGAN, and that faster than the CVAEDCGAN (section 2).",
            _answer_speed(by_set),
        ),
        (
            "The CVAE gets the coarse features; its fine detail is noise (section 2).",
            _answer_blur(by_set),
        ),
    ]
    return "\n".join(f"{claim}\n: {answer}\n" for claim, answer in answers)


def _answer_augmented(by_set: BySet) -> str:
    varieties = [
        results["samples"][kind]["diversity"]["mean"]
        for results in by_set.values()
        for kind in GENERATORS
    ]
    collapsed = sum(variety < COLLAPSED for variety in varieties)
    return (
        f"Images were made for the {len(by_set)} sets that were run. {collapsed or 'None'} of "
        f"{len(varieties)} generators collapsed: the least varied images are {min(varieties):.2f} "
        "times as far apart as real ones. Whether they *augment* is the next claim."
    )


def _answer_best(by_set: BySet) -> str:
    ranks = []
    for name, results in by_set.items():
        confidence = {kind: results["confidence"][kind]["mean"] for kind in METHODS}
        order = sorted(confidence, key=lambda kind: -confidence[kind])
        listed = ", ".join(f"{LABELS[kind]} {_percent(confidence[kind])}" for kind in order)
        real = _percent(results["confidence"]["test"]["mean"])
        ranks.append(f"{title_of(name)}: {listed} (real test images: {real})")
    return (
        "Not shown, neither there nor here. The paper ranks by mean confidence, which does not "
        f"measure augmentation. By that measure the order here is: {'; '.join(ranks)}. What would "
        "answer it, the accuracy of a classifier trained with and without the images, over many "
        "seeds, the paper does not have."
    )


def _answer_overfitting(by_set: BySet) -> str:
    lines, gaps = [], []
    for name, results in by_set.items():
        scores = results["classifier"]
        train, test = (scores[f"{split}_accuracy"]["mean"] for split in ("train", "test"))
        lines.append(f"{title_of(name)} {_percent(train)} and {_percent(test)}")
        gaps.append(train - test)
    verdict = "The classifier does" if min(gaps) > OVERFITTING else "Not everywhere"
    return (
        f"{verdict}: the classifier's accuracy on training and on test images is "
        f"{'; '.join(lines)}. Whether the encoder overfits was not measured."
    )


def _answer_longer(by_set: BySet) -> str:
    train = min(results["classifier"]["train_accuracy"]["mean"] for results in by_set.values())
    verdict = "little" if train > LEARNED else "something"
    return (
        f"There is {verdict} left to learn from these images: after the paper's 100 epochs the "
        f"classifier is right about {_percent(train)}% of its training images or more."
    )


def _answer_speed(by_set: BySet) -> str:
    lines = []
    for name, results in by_set.items():
        seconds = [results["timing"][kind]["seconds_per_epoch"]["mean"] for kind in GENERATORS]
        ratios = " : ".join(f"{value / seconds[0]:.1f}" for value in seconds)
        verdict = "holds" if seconds == sorted(seconds) else "does not hold"
        where = f"{results['versions']['backend']}, {results['versions']['device']}"
        lines.append(f"{title_of(name)} {ratios} ({where}): {verdict}")
    return (
        "Time of an epoch in multiples of the CVAE's, CVAE : DCGAN : CVAEDCGAN. "
        f"{'; '.join(lines)}."
    )


def _answer_blur(by_set: BySet) -> str:
    lines, smooth = [], []
    for name, results in by_set.items():
        cvae, *gans = [results["samples"][kind]["diversity"]["mean"] for kind in GENERATORS]
        lines.append(f"{title_of(name)} {cvae:.2f} against {min(gans):.2f} or more")
        smooth.append(cvae < min(gans))
    verdict = "less varied than" if all(smooth) else "not less varied everywhere than"
    return (
        "For the eye: see the figures below. In numbers, the CVAE's samples are "
        f"{verdict} those of the GANs, in multiples of the distance between real images: "
        f"{'; '.join(lines)}. Smooth samples are; noisy ones would not be."
    )


def missing(by_set: BySet) -> str:
    """Give the command that would measure the rest."""
    names = [name for name in PAPER if name not in by_set]
    if not names:
        return "All sets of the paper are measured."
    return (
        f"{', '.join(title_of(name) for name in names)} could not be had where this was run. "
        "This measures them, and adds them to the report:\n\n"
        "```console\n"
        f"$ KERAS_BACKEND=tensorflow python examples/reproduce.py --preset paper \\\n"
        f"    --datasets {' '.join(names)} --out docs/results/paper\n```"
    )


# ---- figures --------------------------------------------------------------------------------

FIGURES = {
    "data": "Training images.",
    "figure1_geometric": "Figure 1: the first five training images, and geometric augmentation.",
    "figure2_cvae": "Figure 2: images from the CVAE.",
    "figure3_dcgan": "Figure 3: images from the DCGAN.",
    "figure5_vaegan": "Figure 5: images from the CVAEDCGAN.",
    "confidence": "Mean confidence, with 95% intervals.",
}


def figures(by_set: BySet) -> str:
    """Show the figures, a tab for each set."""
    tabs = []
    for name in by_set:
        images = [
            f":::{{figure}} results/paper/{name}/{file}.png\n"
            f":alt: {title_of(name)}. {text}\n\n{text}\n:::"
            for file, text in FIGURES.items()
        ]
        tabs.append(f"::::{{tab-item}} {title_of(name)}\n" + "\n\n".join(images) + "\n::::")
    return "\n".join([":::::{tab-set}", *tabs, ":::::"])


# ---- parts ----------------------------------------------------------------------------------


def _numbers(values: Iterable[int]) -> str:
    return " / ".join(f"{value:,}" for value in values)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"
