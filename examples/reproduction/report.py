"""`report.md`: the paper's numbers beside ours, for every set that has results in the folder."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_medaug.files import write_text_atomic
from reproduction.figures import GRIDS, is_too_short, title_of
from reproduction.measures import interval_of_share
from reproduction.paper import GENERATORS, LABELS, MEAN_CONFIDENCE, METHODS, PAPER
from reproduction.results import FORMAT, MADE_BY, warnings

Results = Mapping[str, Any]

INTRODUCTION = """\
# The paper, reproduced

N. E. Fricker, *Advanced Deep Learning Mini Project: Data Augmentation*, beside the numbers of this
run. Shares are in percent, differences in percentage points. "±" is the standard deviation over
seeds where there are several; n says how many.
"""

PROTOCOL = """\
## What differs from the paper, and how to read its table 2

- **Confidence is not quality.** The mean of the largest class probability says how sure the
  classifier is, and nothing of whether an image looks real, belongs to the class, differs from the
  next one or copies a training image. A classifier that always gives one class, or pure noise far
  from all data, can score 100 as well. It is reproduced here, not recommended. The rows on real
  images, which the paper lacks, show what the same classifier says of images that are above all
  doubt: a method can only be read against them. The variety of the samples is measured beside it.
- **The paper's DermaMNIST row** is that of a collapsed classifier: 66.93 is the share of the most
  frequent class (66.88) to within one image, which also explains three confidences of 100.00.
  Without that row the order of the paper's means changes: geometric 93.57, DCGAN 92.99,
  CVAEDCGAN 92.57, CVAE 91.83.
- **Open in the paper**: sizes of all layers, latent size, optimizers, learning rates, batch size,
  epochs of the generators, gamma and the layer l of the CVAEDCGAN. Each choice made here is in
  `results.json` under `config`.
- **Corrected**: algorithm 1 overwrites the real batch, its signs of the adversarial terms are
  reversed, and equation 3 is never minimised as a whole: each network has its own objective.
- **One run, one test set.** The paper gives one accuracy per set. The 95% interval of such an
  accuracy (over test images alone) stands beside the difference; seeds and settings come on top of
  it. This test set cannot tell a number of the paper's inside the interval from ours.
- **Data**: the paper has the sets as they were before MedMNIST 2.2.4, which dropped blank images
  from the three organ sets.
- The last epoch's weights are tested, as in the paper; the validation split chooses nothing.
"""


def write_report(out: Path, failures: Mapping[str, str]) -> Path:
    """Write the report on all results in `out`, from this run and earlier ones; return its path."""
    path = out / "report.md"
    write_text_atomic(path, report(read_results(out), failures))
    return path


def read_results(out: Path) -> dict[str, Results]:
    """Return the results by set, the paper's first and in its order.

    Passed over is what is not this job's, or was written by another version of it.
    """
    found = {}
    for path in sorted(out.glob("*/results.json"), key=lambda path: path.parent.name):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # not JSON: someone else's
            continue
        marks = (MADE_BY, FORMAT)
        if isinstance(results, dict) and (results.get("made_by"), results.get("format")) == marks:
            found[path.parent.name] = results
    order = [*(name for name in PAPER if name in found), *(n for n in found if n not in PAPER)]
    return {name: found[name] for name in order}


def report(found: Mapping[str, Results], failures: Mapping[str, str]) -> str:
    """Return the whole text."""
    if not found:
        return "\n".join([INTRODUCTION, _failures(failures), _not_run(found)])
    parts = [
        INTRODUCTION,
        _phantom(found),
        _too_short(found),
        _settings(found),
        _failures(failures),
        _counts(found),
        _accuracies(found),
        _confidences(found),
        _variety(found),
        _warnings(found),
        *(_figures(name) for name in found),
        PROTOCOL,
        _not_run(found),
        _times(found),
    ]
    return "\n".join(part for part in parts if part)


# ---- sections -------------------------------------------------------------------------------


def _phantom(found: Mapping[str, Results]) -> str:
    if "phantom" not in found:
        return ""
    return (
        "> **PROCEDURAL DATA.** `phantom` is a set drawn by a program: its numbers say nothing "
        "about\n> medical images or about the paper. Put `breastmnist.npz` into `~/.medmnist`, or "
        "name its folder\n> with `MEDMNIST_ROOT` or `--root`, to run on real images.\n"
    )


def _too_short(found: Mapping[str, Results]) -> str:
    short = {name: results for name, results in found.items() if is_too_short(results["config"])}
    if not short:
        return ""
    presets = ", ".join(sorted({repr(results["config"]["preset"]) for results in short.values()}))
    return (
        f"> **FAR TOO SHORT TO JUDGE.** The preset {presets} only shows that everything runs. It "
        "trains\n> narrow networks for minutes: neither its images nor its numbers say how good a "
        "method is.\n> `--preset paper` trains them as the paper does. Sets: "
        f"{', '.join(title_of(name) for name in short)}.\n"
    )


def _settings(found: Mapping[str, Results]) -> str:
    rows = []
    for name, results in found.items():
        config, versions = results["config"], results["versions"]
        backend = versions["backend"]
        epochs = [config["training"][kind]["epochs"] for kind in ("classifier", *GENERATORS)]
        rows.append(
            [
                title_of(name),
                config["preset"],
                len(config["seeds"]),
                f"{backend} {versions[backend]}, keras {versions['keras']}",
                " / ".join(map(str, epochs)),
                config["training"]["classifier"]["batch_size"],
            ]
        )
    head = ["set", "preset", "seeds", "backend", "epochs: classifier / CVAE / DCGAN / CVAEDCGAN"]
    return _section("What was run", _table([*head, "batch"], rows, words=2))


def _failures(failures: Mapping[str, str]) -> str:
    if not failures:
        return ""
    lines = [f"- **{name}**: {message}" for name, message in failures.items()]
    return _section("What failed", "\n".join(lines))


def _counts(found: Mapping[str, Results]) -> str:
    rows = []
    for name, results in found.items():
        paper, data = PAPER.get(name), results["dataset"]
        for split in ("train", "val", "test"):
            count, used = data["counts"][split], data["used"][split]
            theirs = getattr(paper, split) if paper else None
            rows.append(
                [
                    title_of(name) if split == "train" else "",
                    split,
                    "" if theirs is None else f"{theirs:,}",
                    f"{count:,}",
                    "" if theirs is None else f"{count - theirs:+,}" if count != theirs else "0",
                    f"{used:,}",
                ]
            )
    head = ["set", "split", "paper", "here", "difference", "used in this run"]
    return _section("Table 1: images", _table(head, rows, words=2))


def _accuracies(found: Mapping[str, Results]) -> str:
    rows = []
    for name, results in found.items():
        paper, scores = PAPER.get(name), results["classifier"]
        test = scores["test_accuracy"]
        interval = interval_of_share(test["mean"], results["dataset"]["used"]["test"])
        rows.append(
            [
                title_of(name),
                f"{paper.accuracy:.2f}" if paper else "",
                _percent(test),
                f"{100 * test['mean'] - paper.accuracy:+.2f}" if paper else "",
                " to ".join(f"{100 * end:.1f}" for end in interval),
                f"{100 * results['dataset']['test_majority']:.2f}",
                _percent(scores["train_accuracy"]),
                _percent(scores["val_accuracy"]),
                "" if scores["test_auc"]["mean"] is None else f"{scores['test_auc']['mean']:.3f}",
            ]
        )
    head = ["set", "paper", "here", "difference", "95% interval", "most frequent class"]
    text = "Test accuracy after the last epoch. Wilson's interval is that of one accuracy on so\n"
    text += "many test images; training and validation accuracy and test AUC are additions.\n\n"
    table = _table([*head, "train", "validation", "test AUC"], rows)
    return _section("Section 3: accuracy of the classifier", text + table)


def _confidences(found: Mapping[str, Results]) -> str:
    rows = []
    for name, results in found.items():
        paper, confidence = PAPER.get(name), results["confidence"]
        title = title_of(name)
        if paper:
            rows.append([title, "paper", *(f"{value:.2f}" for value in paper.confidence), "", ""])
        ours = [confidence[kind]["mean"] for kind in METHODS]
        real = [_percent(confidence[kind]) for kind in ("train", "test")]
        tasks = [_percent(confidence[kind]) for kind in METHODS]
        rows.append(["" if paper else title, "here", *tasks, *real])
        if paper:
            pairs = zip(ours, paper.confidence, strict=True)
            rows.append(["", "difference", *(f"{100 * a - b:+.2f}" for a, b in pairs), "", ""])
    rows += _mean_rows(found)
    head = ["set", "", *(LABELS[kind] for kind in METHODS), "real, training", "real, test"]
    table = _table(head, rows, words=2)
    return _section("Table 2: mean confidence", table + _scaled_twice(found))


def _scaled_twice(found: Mapping[str, Results]) -> str:
    """Say what the classifier makes of the geometric images where a slip has left them dark."""
    numbers = [
        f"{title_of(name)} {_percent(results['confidence_scaled_twice'])} "
        f"(paper: {PAPER[name].confidence[METHODS.index('geometric')]:.2f})"
        for name, results in found.items()
        if name in PAPER
    ]
    if not numbers:
        return ""
    return (
        "\n\nThe geometric images once more, divided by 255 a second time and so nearly black: "
        f"{'; '.join(numbers)}.\nA generator with `rescale=1/255` does that to images in [0, 1]. "
        "The paper has no code to\ncheck; where its number is close to this one, "
        "such a slip would explain it."
    )


def _mean_rows(found: Mapping[str, Results]) -> list[list[str]]:
    """Return the paper's last row, and the means over the sets that were run."""
    shared = [name for name in PAPER if name in found]
    if not shared:
        return []
    theirs = [
        sum(PAPER[name].confidence[i] for name in shared) / len(shared) for i in range(len(METHODS))
    ]
    ours = [
        100 * sum(found[name]["confidence"][kind]["mean"] for name in shared) / len(shared)
        for kind in METHODS
    ]
    whole = ["**mean, all 8**", "paper", *(f"{value:.2f}" for value in MEAN_CONFIDENCE), "", ""]
    which = f"**mean, {len(shared)} of 8**"
    return [
        whole,
        [which, "paper", *(f"{value:.2f}" for value in theirs), "", ""],
        ["", "here", *(f"{value:.2f}" for value in ours), "", ""],
        ["", "difference", *(f"{a - b:+.2f}" for a, b in zip(ours, theirs, strict=True)), "", ""],
    ]


def _variety(found: Mapping[str, Results]) -> str:
    rows = []
    for name, results in found.items():
        samples = results["samples"]
        for kind in (*METHODS, "test"):
            one = samples[kind]
            rows.append(
                [
                    title_of(name) if kind == METHODS[0] else "",
                    LABELS.get(kind, "real, test"),
                    _number(one["diversity"]),
                    f"{min(one['smallest_distance']['values']):.4f}",
                    " ; ".join("/".join(map(str, answers)) for answers in one["answers"][:3]),
                ]
            )
    text = (
        "Variety is the mean distance between two of the images, as a multiple of that between\n"
        "two training images; below 0.5 counts as collapse. The distance is the root mean\n"
        "square over pixels in [0, 1]; a smallest one of 0 would be two identical images. The\n"
        "last column says how often the classifier gives each class. The classes in order:\n"
        f"{_order_of_classes(found)}.\n\n"
    )
    head = ["set", "images", "variety", "smallest distance", "classes given"]
    return _section(
        "Are the samples different from each other?", text + _table(head, rows, words=2)
    )


def _order_of_classes(found: Mapping[str, Results]) -> str:
    return "; ".join(
        f"{title_of(name)}: {' / '.join(results['dataset']['class_names'])}"
        for name, results in found.items()
    )


def _warnings(found: Mapping[str, Results]) -> str:
    lines = [
        f"- {title_of(name)}: {warning}"
        for name, results in found.items()
        for warning in warnings(results)
    ]
    return _section("Warnings", "\n".join(lines)) if lines else ""


def _figures(name: str) -> str:
    captions = {
        "data": "Training images",
        "figure1_geometric": "Figure 1: geometric augmentation of the first five training images",
        "figure2_cvae": "Figure 2: CVAE",
        "reconstructions_cvae": "CVAE: test images and their reconstructions",
        "figure3_dcgan": "Figure 3: DCGAN",
        "figure5_vaegan": "Figure 5: CVAEDCGAN",
        "reconstructions_vaegan": "CVAEDCGAN: test images and their reconstructions",
        "accuracy": "Accuracy with 95% intervals",
        "confidence": "Mean confidence with 95% intervals",
        **{
            f"losses_{kind}": f"Training of the {LABELS.get(kind, 'classifier')}" for kind in LOSSES
        },
    }
    images = [f"{text}:\n\n![{text}]({name}/{file}.png)\n" for file, text in captions.items()]
    return _section(f"Figures: {title_of(name)}", "\n".join(images))


LOSSES = ("classifier", *GRIDS)


def _not_run(found: Mapping[str, Results]) -> str:
    missing = [name for name in PAPER if name not in found]
    if not missing:
        return ""
    names = " ".join(missing)
    backend = next((results["versions"]["backend"] for results in found.values()), "jax")
    return _section(
        "Not run",
        f"{', '.join(title_of(name) for name in missing)}. This would add them:\n\n"
        f"```console\nKERAS_BACKEND={backend} python examples/reproduce.py --preset paper "
        f"--datasets {names}\n```",
    )


def _times(found: Mapping[str, Results]) -> str:
    """Return the one section that two runs of the same configuration do not share."""
    rows, verdicts = [], []
    for name, results in found.items():
        timing = results["timing"]
        epochs = {kind: timing[kind]["seconds_per_epoch"]["mean"] for kind in timing}
        rows.append(
            [
                title_of(name),
                *(f"{epochs[kind]:.2f}" for kind in ("classifier", *GENERATORS)),
                f"{results['dataset']['used']['train']:,}",
                results["config"]["threads"],
            ]
        )
        holds = epochs["cvae"] < epochs["dcgan"] < epochs["vaegan"]
        verdicts.append(f"{title_of(name)}: {'holds' if holds else 'does not hold'}")
    head = ["set", "classifier", *(LABELS[kind] for kind in GENERATORS)]
    text = (
        "Seconds per epoch (the median of all but the first, which holds the compilation) depend\n"
        "on the machine, so this is the one section in which two runs differ.\n\n"
        + _table([*head, "training images", "threads"], rows)
        + "\n\nThe paper: the CVAE is faster than the DCGAN, which is faster than the CVAEDCGAN. "
        + "; ".join(verdicts)
        + "."
    )
    return _section("Timing", text)


# ---- Markdown -------------------------------------------------------------------------------


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> str:
    """Return a table: its first columns hold words, the others numbers, aligned to the right."""
    lines = [head, [*["---"] * words, *["---:"] * (len(head) - words)], *rows]
    return "\n".join(f"| {' | '.join(str(task) for task in line)} |" for line in lines)


def _percent(value: Mapping[str, Any]) -> str:
    """Return a share in percent, with its deviation over seeds where there is one."""
    text = f"{100 * value['mean']:.2f}"
    return text if value["sd"] is None else f"{text} ± {100 * value['sd']:.2f} (n={value['n']})"


def _number(value: Mapping[str, Any]) -> str:
    text = f"{value['mean']:.2f}"
    return text if value["sd"] is None else f"{text} ± {value['sd']:.2f} (n={value['n']})"
