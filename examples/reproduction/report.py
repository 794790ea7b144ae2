"""`report.md`: the paper's numbers beside ours, for every set that has results in the folder."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_medaug.files import write_text_atomic
from keras_medaug.study.figures import interval_of_fraction
from keras_medaug.study.report import table
from reproduction.figures import CAPTIONS, is_too_short, title_of
from reproduction.paper import GENERATORS, LABELS, MEAN_CONFIDENCE, METHODS, PAPER, PROSE
from reproduction.results import MADE_BY, READABLE, TRAINED, warnings

Results = Mapping[str, Any]
_two_digits = "{:.2f}".format


def write_report(out: Path, failures: Mapping[str, str]) -> Path:
    """Write the report on all results in `out`, from this run and earlier ones; return its path."""
    path = out / "report.md"
    write_text_atomic(path, report(read_results(out), failures))
    return path


def read_results(out: Path) -> dict[str, Results]:
    """Return the results by set, the paper's first and in its order.

    Passed over is what is not this job's, or has a format that it cannot read.
    """
    by_name = {}
    for path in sorted(out.glob("*/results.json"), key=lambda path: path.parent.name):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # not JSON: someone else's
            continue
        ours = isinstance(results, dict) and results.get("made_by") == MADE_BY
        if ours and results.get("format") in READABLE:
            by_name[path.parent.name] = results
    order = [*(name for name in PAPER if name in by_name), *(n for n in by_name if n not in PAPER)]
    return {name: by_name[name] for name in order}


def report(by_name: Mapping[str, Results], failures: Mapping[str, str]) -> str:
    """Return the whole text, of the results of each set."""
    failed = _listed("What failed", (f"**{name}**: {text}" for name, text in failures.items()))
    if not by_name:
        return "\n".join([PROSE["introduction"], failed, _not_run(by_name)])
    cautions = (f"{title_of(name)}: {w}" for name in by_name for w in warnings(by_name[name]))
    parts = [PROSE["introduction"], PROSE["phantom"] if "phantom" in by_name else ""]
    parts += [_too_short(by_name), _settings(by_name), failed, _counts(by_name)]
    parts += [_accuracies(by_name), _confidences(by_name), _variety(by_name)]
    parts += [_listed("Warnings", cautions), *map(_figures, by_name)]
    parts += [PROSE["protocol"], _not_run(by_name), _times(by_name)]
    return "\n".join(part for part in parts if part)


def _too_short(by_name: Mapping[str, Results]) -> str:
    short = {
        name: r["config"]["preset"] for name, r in by_name.items() if is_too_short(r["config"])
    }
    presets, sets = ", ".join(sorted(map(repr, {*short.values()}))), ", ".join(map(title_of, short))
    return PROSE["too_short"].format(presets=presets, sets=sets) if short else ""


def _settings(by_name: Mapping[str, Results]) -> str:
    rows = []
    for name, results in by_name.items():
        config, versions = results["config"], results["versions"]
        where = f"{versions['backend']} {versions[versions['backend']]}, keras {versions['keras']}"
        epochs = " / ".join(str(config["training"][kind]["epochs"]) for kind in TRAINED)
        batch, seeds = config["training"]["classifier"]["batch_size"], len(config["seeds"])
        rows.append([title_of(name), config["preset"], seeds, where, epochs, batch])
    head = ["set", "preset", "seeds", "backend", "epochs: classifier / CVAE / DCGAN / CVAEDCGAN"]
    return _section("What was run", table([*head, "batch"], rows, words=2))


def _counts(by_name: Mapping[str, Results]) -> str:
    rows = []
    for name, results in by_name.items():
        data, title = results["dataset"], title_of(name)
        for split in ("train", "val", "test"):
            count, theirs, change = data["counts"][split], "", ""
            if name in PAPER:
                number = getattr(PAPER[name], split)
                theirs, change = f"{number:,}", f"{count - number:+,}" if count != number else "0"
            rows.append([title, split, theirs, f"{count:,}", change, f"{data['used'][split]:,}"])
            title = ""
    head = ["set", "split", "paper", "here", "difference", "used in this run"]
    return _section("Table 1: images", table(head, rows, words=2))


def _accuracies(by_name: Mapping[str, Results]) -> str:
    rows = []
    for name, results in by_name.items():
        scores, data, paper, change = results["classifier"], results["dataset"], "", ""
        mean = scores["test_accuracy"]["mean"]
        if name in PAPER:
            paper = f"{PAPER[name].accuracy:.2f}"
            change = f"{100 * mean - PAPER[name].accuracy:+.2f}"
        ends = interval_of_fraction(mean, data["used"]["test"])
        interval, majority = " to ".join(f"{100 * end:.1f}" for end in ends), data["test_majority"]
        test, train, val = (_over_seeds(scores[f"{s}_accuracy"]) for s in ("test", "train", "val"))
        auc = "" if scores["test_auc"]["mean"] is None else f"{scores['test_auc']['mean']:.3f}"
        row = [title_of(name), paper, test, change, interval, f"{100 * majority:.2f}"]
        rows.append([*row, train, val, auc])
    head = ["set", "paper", "here", "difference", "95% interval", "most frequent class"]
    numbers = table([*head, "train", "validation", "test AUC"], rows, words=1)
    return PROSE["accuracy"].format(table=numbers)


def _confidences(by_name: Mapping[str, Results]) -> str:
    rows, dark = [], []
    for name, results in by_name.items():
        ours = [results["confidence"][kind] for kind in (*METHODS, "train", "test")]
        row = ["here", *map(_over_seeds, ours)]
        if name not in PAPER:
            rows.append([title_of(name), *row])
            continue
        theirs, means = PAPER[name].confidence, [100 * value["mean"] for value in ours]
        paper, _, difference = _paper_rows(means, theirs)
        rows += [[title_of(name), *paper], ["", *row], ["", *difference]]
        twice = _over_seeds(results["confidence_scaled_twice"])
        dark.append(f"{title_of(name)} {twice} (paper: {theirs[METHODS.index('geometric')]:.2f})")
    if shared := [name for name in PAPER if name in by_name]:
        columns = zip(*(PAPER[name].confidence for name in shared), strict=True)
        values = [by_name[name]["confidence"] for name in shared]
        sums = [sum(value[kind]["mean"] for value in values) for kind in METHODS]
        means = [100 * total / len(shared) for total in sums]
        first, *others = _paper_rows(means, [sum(column) / len(shared) for column in columns])
        rows.append(["**mean, all 8**", "paper", *map(_two_digits, MEAN_CONFIDENCE), "", ""])
        rows += [[f"**mean, {len(shared)} of 8**", *first], *(["", *row] for row in others)]
    head = ["set", "", *(LABELS[kind] for kind in METHODS), "real, training", "real, test"]
    text = PROSE["scaled_twice"].rstrip("\n").format(numbers="; ".join(dark)) if dark else ""
    return _section("Table 2: mean confidence", table(head, rows, words=2) + text)


def _paper_rows(ours: Sequence[float], theirs: Sequence[float]) -> list[list[str]]:
    """Return the paper's row, ours and the difference, without their first column."""
    ours = ours[: len(theirs)]
    differences = [f"{a - b:+.2f}" for a, b in zip(ours, theirs, strict=True)]
    numbers = [["paper", *map(_two_digits, theirs)], ["here", *map(_two_digits, ours)]]
    return [[*row, "", ""] for row in (*numbers, ["difference", *differences])]


def _variety(by_name: Mapping[str, Results]) -> str:
    rows, classes = [], []
    for name, results in by_name.items():
        classes.append(f"{title_of(name)}: {' / '.join(results['dataset']['class_names'])}")
        for kind in (*METHODS, "test"):
            samples, title = results["samples"][kind], title_of(name) if kind == METHODS[0] else ""
            smallest = f"{min(samples['smallest_distance']['values']):.4f}"
            given = " ; ".join("/".join(map(str, counts)) for counts in samples["answers"][:3])
            variety = _over_seeds(samples["diversity"], scale=1)
            rows.append([title, LABELS.get(kind, "real, test"), variety, smallest, given])
    head = ["set", "images", "variety", "smallest distance", "classes given"]
    return PROSE["variety"].format(classes="; ".join(classes), table=table(head, rows, words=2))


def _figures(name: str) -> str:
    images = [f"{text}:\n\n![{text}]({name}/{file}.png)\n" for file, text in CAPTIONS.items()]
    return f"## Figures: {title_of(name)}\n\n" + "\n".join(images) + "\n"


def _not_run(by_name: Mapping[str, Results]) -> str:
    missing = [name for name in PAPER if name not in by_name]
    backend = next((results["versions"]["backend"] for results in by_name.values()), "jax")
    sets, names = ", ".join(map(title_of, missing)), " ".join(missing)
    return PROSE["not_run"].format(sets=sets, names=names, backend=backend) if missing else ""


def _times(by_name: Mapping[str, Results]) -> str:
    """Return the one section that two runs of the same configuration do not share."""
    rows, verdicts = [], []
    for name, results in by_name.items():
        seconds = [results["timing"][kind]["seconds_per_epoch"]["mean"] for kind in TRAINED]
        used, threads = f"{results['dataset']['used']['train']:,}", results["config"]["threads"]
        rows.append([title_of(name), *map(_two_digits, seconds), used, threads])
        holds = seconds[1] < seconds[2] < seconds[3]
        verdicts.append(f"{title_of(name)}: {'holds' if holds else 'does not hold'}")
    head = ["set", "classifier", *(LABELS[kind] for kind in GENERATORS), "training images"]
    numbers = table([*head, "threads"], rows, words=1)
    return PROSE["timing"].format(table=numbers, verdicts="; ".join(verdicts))


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text.rstrip()}\n"


def _listed(title: str, lines: Iterable[str]) -> str:
    text = "\n".join(f"- {line}" for line in lines)
    return _section(title, text) if text else ""


def _over_seeds(value: Mapping[str, Any], scale: int = 100) -> str:
    """Return a mean, in percent, with its deviation over seeds where there is one."""
    text, sd = f"{scale * value['mean']:.2f}", value["sd"]
    return text if sd is None else f"{text} ± {scale * sd:.2f} (n={len(value['values'])})"
