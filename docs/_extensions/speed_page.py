"""The tables and the plot of the page on speed, out of what `nox -s bench` measured.

Ratios within one run alone: a step's milliseconds on some machine tell a reader little.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Results = dict[str, Any]

BACKENDS = {"jax": "JAX", "torch": "PyTorch", "tensorflow": "TensorFlow"}
COLOURS = {"jax": "#0072B2", "torch": "#D55E00", "tensorflow": "#009E73"}
RIVALS = {
    "native": "by hand, same backend",
    "pythae": "pythae",
    "keras": "Keras's tutorial, TensorFlow",
    "untuned": "itself, its input untuned",
}
# What `benchmarks/flow_speed.py` measures, by what the table calls it.
FLOW = {
    "step, to cvae": "a training step, to that of a `CVAE`",
    "step, to native": "a training step, to that of the loop by hand",
    "step, to monai": "a training step, to that of MONAI's U-Net with about as many weights",
    "sampling, to native": "generating images, to the loop by hand",
    "sampling, to monai": "generating images, to MONAI's U-Net in the same sampler",
    "sampling, to cvae": "generating images, to a `CVAE`",
    "step, 64 pixels to 28": "a training step on 64 by 64 pixels, to one on 28 by 28",
    "step, 128 pixels to 28": "a training step on 128 by 128 pixels, to one on 28 by 28",
}
PROFILED = "VAEGAN"
# In percent: kinds of operations that nowhere take as much are left out of a table.
SHOWN = 0.5


def write_speed(results: Path, out: Path) -> Figure:
    """Write each table of the page to a Markdown file, and return the plot."""
    speed, kept = _read(results / "speed.json"), _read(results / "speed_keep_memory.json")
    rows = _read(results / "targets.json")["rows"]
    profiles = {name: _read(results / f"profiles_{name}.json") for name in BACKENDS}
    flow = {name: _read(results / f"flow_speed_{name}.json")["ratios"] for name in BACKENDS}
    costs = {name: _read(results / f"costs_{name}.json")["measurements"] for name in BACKENDS}
    parts = {
        "rivals": rivals_table(speed),
        "kept": kept_table(speed, kept),
        "backends": backends_table(speed),
        "flow": flow_table(flow),
        "growth": growth_table(costs),
        "generation": generation_table(costs),
        "targets": targets_table(rows),
        "summary": summary(rows),
        "profile": profile_table(profiles, PROFILED),
        "profile_classifier": profile_table(profiles, "Classifier"),
        "sizes": sizes_table(profiles, PROFILED),
        "sizes_classifier": sizes_table(profiles, "Classifier"),
        "augmentation": augmentation_table(profiles),
    }
    for name, text in parts.items():
        (out / f"speed_{name}.md").write_text(text + "\n", encoding="utf-8")
    return draw_speed(speed, rows)


# ---- tables ---------------------------------------------------------------------------------


def rivals_table(speed: Results) -> str:
    """Return how long a step takes to those of others, with intervals."""
    ratios = {(row["model"], row["backend"], row["rival"]): row for row in speed["to_rivals"]}
    models = dict.fromkeys(row["model"] for row in speed["to_rivals"])
    lines = []
    for model in models:
        for rival, title in RIVALS.items():
            cells = [_ratio(ratios.get((model, backend, rival))) for backend in BACKENDS]
            if any(cells):
                lines.append([model, title, *cells])
    return _table(["model", "to", *BACKENDS.values()], lines, words=2)


def kept_table(speed: Results, kept: Results) -> str:
    """Return ours to the loop written by hand, as it is and where freed memory is kept."""
    as_it_is, keeping = (
        {
            (row["model"], row["backend"]): row["ratio"]
            for row in run["to_rivals"]
            if row["rival"] == "native"
        }
        for run in (speed, kept)
    )
    lines = []
    for model in dict.fromkeys(model for model, _ in as_it_is):
        pairs = [(as_it_is[model, backend], keeping[model, backend]) for backend in BACKENDS]
        lines.append([model, *(f"{usual:.2f}, {kept:.2f}" for usual, kept in pairs)])
    return _table(["model", *BACKENDS.values()], lines, words=1)


def flow_table(ratios: Mapping[str, Results]) -> str:
    """Return how long `Flow` takes, for a step and for images, to others."""
    lines = []
    for key, title in FLOW.items():
        lines.append([title, *(_ratio(ratios[backend].get(key)) for backend in BACKENDS)])
    return _table(["time of", *BACKENDS.values()], lines, words=1)


def growth_table(costs: Mapping[str, Results]) -> str:
    """Return a pixel's time at each size to that at the smallest, and its arithmetic's growth."""
    growth = {backend: measurements["growth"]["models"] for backend, measurements in costs.items()}
    lines = []
    for model, grown in next(iter(growth.values())).items():
        smallest, *sizes = grown["sizes"]
        for size in sizes:
            by_backend = {name: models[model]["sizes"][size] for name, models in growth.items()}
            work = f"{by_backend['jax']['multiply_adds_ratio']:.2f}"
            times = (f"{by_backend[name]['ratio']:.2f}" for name in BACKENDS)
            lines.append([model, f"{size} to {smallest}", work, *times])
    return _table(["model", "pixels", "arithmetic", *BACKENDS.values()], lines, words=2)


def generation_table(costs: Mapping[str, Results]) -> str:
    """Return images generated to images trained on in a time, of what arithmetic leaves."""
    lines = []
    for name in next(iter(costs.values()))["generation"]["models"]:
        cells = []
        for backend in BACKENDS:
            ratio = costs[backend]["generation"]["models"][name]["ratio"]
            cells.append(f"{ratio:.1f} of {_work_of_generating(costs[backend], name):.1f}")
        lines.append([name, *cells])
    return _table(["model", *BACKENDS.values()], lines, words=1)


def _work_of_generating(costs: Results, name: str) -> float:
    """Return the arithmetic of a step to that of the pass that makes an image."""
    sizes = costs["growth"]["models"][name]["sizes"]
    work = next(iter(sizes.values()))["multiply_adds_per_pixel"]
    return work["step"] / work["forward"]["generator" if name == "DCGAN" else "decoder"]


def backends_table(speed: Results) -> str:
    """Return how long a step takes to that of the fastest backend, and the first step's time."""
    ratios = {(row["model"], row["backend"]): row for row in speed["to_fastest_backend"]}
    firsts = {
        (row["model"], row["backend"]): row["seconds"]
        for row in speed["first_steps"]
        if row["who"] == "ours"
    }
    lines = []
    for model in dict.fromkeys(model for model, _ in ratios):
        apart = [f"{ratios[model, backend]['ratio']:.2f}" for backend in BACKENDS]
        lines.append([model, *apart, *(f"{firsts[model, backend]:.1f} s" for backend in BACKENDS)])
    head = ["model", *BACKENDS.values(), *(f"{name}, first step" for name in BACKENDS.values())]
    return _table(head, lines, words=1)


def targets_table(rows: Iterable[Results]) -> str:
    """Return every target, a line each, with what was measured on each backend."""
    lines: dict[str, list[Results]] = {}
    for row in rows:
        lines.setdefault(row["what"], []).append(row)
    table = []
    for what, same in lines.items():
        cells = {row["where"]: row for row in same}
        bound = f"{same[0]['bound']} {same[0]['target']:g}"
        table.append([what, bound, *(_verdict(cells.get(backend)) for backend in BACKENDS)])
    return _table(["", "target", *BACKENDS.values()], table, words=2)


def summary(rows: Sequence[Results]) -> str:
    """Say how many of the targets are met, and where."""
    parts = []
    for backend, title in BACKENDS.items():
        here = [row for row in rows if row["where"] == backend]
        parts.append(f"{sum(row['met'] for row in here)} of {len(here)} on {title}")
    met = sum(row["met"] for row in rows)
    return f"**{met} of {len(rows)} targets are met**: {', '.join(parts)}."


def profile_table(profiles: Mapping[str, Results], name: str) -> str:
    """Return where a model's step goes, by kind, in percent of the loop written by hand."""
    columns = {}
    for backend, profile in profiles.items():
        model = profile["models"][name]
        for who, title in (("ours", "ours"), ("native", "by hand")):
            columns[f"{BACKENDS[backend]}, {title}"] = _percent(model[who], model["native"])
    return _kinds_table(columns)


def sizes_table(profiles: Mapping[str, Results], model: str) -> str:
    """Return where a pixel's time goes at two sizes, by kind, in percent of that at the smaller."""
    columns = {}
    for backend, profile in profiles.items():
        sizes = profile["sizes"][model]
        smallest = next(iter(sizes.values()))
        for size, profile in sizes.items():
            columns[f"{BACKENDS[backend]}, {size}"] = _percent(profile, smallest)
    return _kinds_table(columns)


def augmentation_table(profiles: Mapping[str, Results]) -> str:
    """Return where geometric augmentation goes, by kind, in percent of what it takes on JAX."""
    whole = profiles["jax"]["augmentation"]
    return _kinds_table(
        {
            BACKENDS[backend]: _percent(profile["augmentation"], whole)
            for backend, profile in profiles.items()
        }
    )


# ---- the plot -------------------------------------------------------------------------------


def draw_speed(speed: Results, targets: Sequence[Results]) -> Figure:
    """Draw our step to that of the loop written by hand, and each backend to the fastest."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    native = [row for row in speed["to_rivals"] if row["rival"] == "native"]
    _draw_ratios(left, native, "time of a step, to the loop\nwritten by hand (same backend)")
    _draw_ratios(
        right, speed["to_fastest_backend"], "time of a step, to that on\nthe fastest backend"
    )
    for axes, what in ((left, "native's"), (right, "fastest backend's")):
        bounds = {row["target"] for row in targets if row["what"].endswith(what)}
        axes.axvline(min(bounds), color="0.3", linestyle="--", linewidth=1)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _draw_ratios(axes: Axes, rows: Sequence[Results], label: str) -> None:
    """Draw a point with its interval for every model and backend; the dashed line is the target."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    for number, (backend, title) in enumerate(BACKENDS.items()):
        here = [row for row in rows if row["backend"] == backend]
        ratios = [row["ratio"] for row in here]
        errors = [
            [max(row["ratio"] - row["interval"][0], 0.0) for row in here],
            [max(row["interval"][1] - row["ratio"], 0.0) for row in here],
        ]
        places = [models.index(row["model"]) + 0.22 * (number - 1) for row in here]
        axes.errorbar(
            ratios, places, xerr=errors, fmt="o", color=COLOURS[backend], capsize=3, label=title
        )
        for ratio, place, row in zip(ratios, places, here, strict=True):
            at = (max(ratio, row["interval"][1]), place)
            axes.annotate(
                f"{ratio:.2f}", at, (5, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.set_yticks(range(len(models)), models)
    axes.set_xlim(0, 1.15 * max(row["interval"][1] for row in rows))
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)


# ---- parts ----------------------------------------------------------------------------------


def _percent(profile: Results, whole: Results) -> dict[str, float]:
    """Return the times of a profile by kind, in percent of all that another adds up to."""
    all_of_it = sum(whole["kinds"].values())
    return {kind: 100 * time / all_of_it for kind, time in profile["kinds"].items()}


def _kinds_table(columns: Mapping[str, Mapping[str, float]]) -> str:
    kinds = dict.fromkeys(kind for column in columns.values() for kind in column)
    largest = {kind: max(column.get(kind, 0.0) for column in columns.values()) for kind in kinds}
    lines = [
        [kind, *(f"{column.get(kind, 0.0):.0f}" for column in columns.values())]
        for kind in sorted(kinds, key=lambda kind: -largest[kind])
        if largest[kind] >= SHOWN
    ]
    totals = [sum(column.values()) for column in columns.values()]
    lines.append(["**all**", *(f"**{total:.0f}**" for total in totals)])
    return _table(["", *columns], lines, words=1)


def _read(path: Path) -> Results:
    return json.loads(path.read_text(encoding="utf-8"))


def _ratio(row: Results | None) -> str:
    if row is None:
        return ""
    low, high = row["interval"]
    return f"{row['ratio']:.2f} [{low:.2f}, {high:.2f}]"


def _verdict(row: Results | None) -> str:
    if row is None:
        return ""
    if row["measured"] is None:
        return "**not to be had, missed**"
    return f"{row['measured']:.2f}" if row["met"] else f"**{row['measured']:.2f}, missed**"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    lines = [head, [*["---"] * words, *["---:"] * (len(head) - words)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
