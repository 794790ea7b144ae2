"""The tables of the page on choices: ways in which labels enter a model, on validation and test."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

Row = dict[str, Any]

SETS = {
    "breastmnist": "BreastMNIST",
    "mednist": "MedNIST, six classes",
    "phantom": "phantom, four classes",
}
METHODS = {"dcgan": "DCGAN", "vaegan": "VAE/GAN", "cvae": "CVAE"}
VARIANTS = {
    "unit-variance": "variance 1, means",
    "unit-norm-pooled": "norm 1, means",
    "embedding": "**norm 1, all features**",
}
OF_THE_CVAE = {"unit-variance": "variance 1", "embedding": "**norm 1**"}
SHIPPED = {"embedding": "as shipped", "conditional-normalization": "scale and shift"}
MEASURES = "seeds | validation AUC | test AUC | distance | taken for it |"
ALIGNED = "---:|" * 5


def write_choices(results: Path, out: Path) -> None:
    """Write both tables to Markdown files."""
    gpu, cpu = (
        json.loads((results / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        for name in ("labels", "labels_cpu")
    )
    (out / "labels.md").write_text(labels_table(gpu), encoding="utf-8")
    (out / "labels_scale_shift.md").write_text(scale_shift_table(gpu, cpu), encoding="utf-8")


def labels_table(rows: Sequence[Row]) -> str:
    """Return a line for each set, model and way, and one for real images of each set."""
    lines = [f"| set | model | label vectors, product with | {MEASURES}", f"|---|---|---|{ALIGNED}"]
    for name, title in SETS.items():
        for method, model in METHODS.items():
            ways = OF_THE_CVAE if method == "cvae" else VARIANTS
            for variant, words in ways.items():
                runs = _rows(rows, name, method, variant)
                lines.append(f"| {title} | {model} | {words} | {_measures(runs)} |")
        lines.append(f"| {title} | real images | | {_measures(_rows(rows, name, 'real', '-'))} |")
    return "\n".join([*lines, ""])


def scale_shift_table(gpu: Sequence[Row], cpu: Sequence[Row]) -> str:
    """Return each set and model that has rows of both ways, of one machine."""
    lines = [f"| set | model | machine | | {MEASURES}", f"|---|---|---|---|{ALIGNED}"]
    for machine, rows in (("2 CPU cores", cpu), ("H200", gpu)):
        for name, title in SETS.items():
            for method, model in METHODS.items():
                ways = {variant: _rows(rows, name, method, variant) for variant in SHIPPED}
                if not all(ways.values()):
                    continue
                lines += [
                    f"| {title} | {model} | {machine} | {SHIPPED[variant]} | {_measures(runs)} |"
                    for variant, runs in ways.items()
                ]
    return "\n".join([*lines, ""])


def _rows(rows: Sequence[Row], name: str, method: str, variant: str) -> list[Row]:
    which = {"set": name, "method": method, "variant": variant}
    return [row for row in rows if which.items() <= row.items()]


def _measures(rows: Sequence[Row]) -> str:
    cells = [str(len(rows))]
    for measure in ("auc_val", "auc_test"):
        values = [row[measure] for row in rows]
        spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
        cells.append(f"{mean(values):.3f}{spread}")
    others = [f"{mean(row[name] for row in rows):.2f}" for name in ("diversity", "agreement")]
    return " | ".join([*cells, *others])
