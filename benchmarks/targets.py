"""Every target of speed and memory: what was measured, and whether it is met.

    python benchmarks/targets.py

Reads what `speed.py` and `costs.py` wrote to `docs/results`, prints a row for each target, and
writes the rows to `docs/results/targets.json`. What could not be measured counts as missed.
Imports no backend.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from speed import BACKENDS, BATCH, MODELS, write

RESULTS = Path(__file__).parents[1] / "docs" / "results"
PIXELS = 28 * 28
Costs = dict[str, dict[str, Any]]


class Row(NamedTuple):
    """A target, what was measured, and whether it is met."""

    what: str
    where: str
    bound: str
    target: float
    measured: float | None  # none where it could not be measured

    @property
    def met(self) -> bool:
        """Whether what was measured is on the right side of the target."""
        if self.measured is None:
            return False
        if self.bound == "at most":
            return self.measured <= self.target
        return self.measured >= self.target


def of_races(speed: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of a step's time: to rivals, between backends, and the first step's."""
    for row in speed["to_rivals"]:
        if row["rival"] == "untuned":  # a reason, not a rival
            continue
        target = {"native": 1.05, "pythae": 0.8, "keras": 1.0}[row["rival"]]
        what = f"{row['model']}: a step, to {row['rival']}'s"
        yield Row(what, row["backend"], "at most", target, row["ratio"])
    for row in speed["to_fastest_backend"]:
        if row["backend"] == row["fastest"]:
            continue
        what = f"{row['model']}: a step, to the fastest backend's"
        yield Row(what, row["backend"], "at most", 1.5, row["ratio"])
    for row in speed["first_steps"]:
        if row["who"] == "ours" and row["model"] in MODELS and row["backend"] != "torch":
            what = f"{row['model']}: seconds until the first step is done"
            yield Row(what, row["backend"], "at most", 15.0, row["seconds"])


def of_arithmetic(speed: dict[str, Any], costs: Costs) -> Iterator[Row]:
    """Yield the fraction that the products of a step have of the rate of a matrix product."""
    times = {(r["backend"], r["model"]): r for r in speed["milliseconds"] if r["who"] == "ours"}
    for backend, measurements in costs.items():
        for model, grown in measurements.get("growth", {}).get("models", {}).items():
            step = grown["sizes"]["28"]["multiply_adds_per_pixel"]["step"]
            products = 2e-9 * step * PIXELS * BATCH
            rate = products / (1e-3 * times[backend, model]["median"])
            share = rate / speed["matrix_product_gflops"][backend]
            what = f"{model}: rate of arithmetic, to that of a matrix product"
            yield Row(what, backend, "at least", 0.6, share)


def of_augmentation(backend: str, measurements: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of the geometric augmentation."""
    if "augmentation_share" in measurements:
        share = measurements["augmentation_share"]["share"]
        yield Row("Augmentation: share of a classifier's step", backend, "at most", 0.1, share)
    if "augmentation_rate" in measurements:
        ratio = measurements["augmentation_rate"]["ratio"]
        what = "Augmentation: images a second, to ImageDataGenerator's"
        yield Row(what, backend, "at least", 20.0, ratio)


def of_generation(backend: str, measurements: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of `generate`."""
    for model, generation in measurements.get("generation", {}).get("models", {}).items():
        what = f"{model}: images a second generated, to those trained on"
        yield Row(what, backend, "at least", 10.0, generation["ratio"])
    if "generation_memory" in measurements:
        extra = measurements["generation_memory"]["extra_bytes"] / 1e6
        what = "Memory (MB) of generating 40,000 beyond that of 10,000"
        yield Row(what, backend, "at most", 20.0, extra)


def of_growth(backend: str, measurements: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of larger images, larger batches and larger sets."""
    for model, grown in measurements.get("growth", {}).get("models", {}).items():
        for size, of_size in grown["sizes"].items():
            if size != "28":
                what = f"{model}: time a pixel at {size}, to that at 28"
                yield Row(what, backend, "at most", 1.5, of_size["ratio"])
        for size in grown["rejected"]:
            yield Row(f"{model}: images of {size}", backend, "at most", 1.5, None)
    if "memory_in_batch" in measurements:
        steepness = measurements["memory_in_batch"]["largest_to_smallest"]
        what = "Memory an image of the batch, steepest to flattest of 64 to 512"
        yield Row(what, backend, "at most", 1.25, steepness)
    if "uint8_on_disk" in measurements:
        extra = measurements["uint8_on_disk"]["extra_bytes"] / 1e6
        yield Row("Memory (MB) of 98,000 more mapped images", backend, "at most", 100.0, extra)


def of_seeds(backend: str, measurements: dict[str, Any]) -> Iterator[Row]:
    """Yield the row of many seeds in one process."""
    if "inner_loop" in measurements:
        ratio = measurements["inner_loop"]["to_fit"]["ratio"]
        what = "A further seed by `reinitialize`, to the training alone"
        yield Row(what, backend, "at most", 1.05, ratio)


def rows(speed: dict[str, Any], costs: Costs) -> list[Row]:
    """Return all rows."""
    all_rows = [*of_races(speed), *of_arithmetic(speed, costs)]
    for part in (of_augmentation, of_growth, of_generation, of_seeds):
        for backend, measured in costs.items():
            all_rows += part(backend, measured)
    return all_rows


def read(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_costs(path: Path) -> dict[str, Any]:
    """Return the measurements of a backend; ends the process where they were quick ones."""
    measurements = read(path)["measurements"]
    quick = [name for name, measurement in measurements.items() if measurement["quick"]]
    if quick:
        sys.exit(f"{path} has quick measurements, which decide nothing: {', '.join(quick)}")
    return measurements


def main() -> None:
    """Print the rows and write them to the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    folder = parser.parse_args().results
    costs = {backend: read_costs(folder / f"costs_{backend}.json") for backend in BACKENDS}
    all_rows = rows(read(folder / "speed.json"), costs)
    for row in all_rows:
        measured = "nothing" if row.measured is None else f"{row.measured:.2f}"
        said = f"{row.bound} {row.target:g}, measured {measured}"
        print(f"{'met   ' if row.met else 'MISSED'} {row.where:<11}{row.what}: {said}")
    print(f"{sum(row.met for row in all_rows)} of {len(all_rows)} targets are met")
    write(
        folder / "targets.json", {"rows": [{**row._asdict(), "met": row.met} for row in all_rows]}
    )


if __name__ == "__main__":
    main()
