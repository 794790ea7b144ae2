"""A finished study written anew from its cells, without any training."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from keras_medaug.checks import fail
from keras_medaug.datasets import Dataset
from keras_medaug.files import write_json_atomic
from keras_medaug.study.arm import resolve_arms
from keras_medaug.study.auditing import run_audit
from keras_medaug.study.planning import VERSION, plan
from keras_medaug.study.report import write_report
from keras_medaug.study.results import summarise
from keras_medaug.study.settings import Settings


def results_of_store(folder: Path, data: Dataset) -> dict[str, Any]:
    """Return what a study's results are by the present rules, from cells of this or an old version.

    The data are audited anew, which takes no training.

    Args:
        folder: Folder of the study, with `results.json` and `cells`; arms by name alone.
        data: The set of the study.

    Returns:
        The content of `results.json`, with `timing` as it was.

    Raises:
        ValueError: If the set is another one, or cells are missing.
    """
    stored = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    config = stored["config"]
    if data.md5 != stored["dataset"]["md5"]:
        raise fail("data", f"a set with MD5 {data.md5}", f"MD5 {stored['dataset']['md5']}")
    cells = _cells(folder, data, config)
    arms, settings = resolve_arms(config["arms"]), _settings(config)
    audit, _ = plan(data, arms, config["seeds"], settings, config["environment"], folder / "cells")
    audited = run_audit(audit, data)
    found = summarise(data, arms, config["seeds"], config, audited, cells)
    return found | {"timing": stored["timing"]}


def write_anew(folder: Path, data: Dataset) -> dict[str, Any]:
    """Write `results.json`, report and figure of a finished study anew; cells stay as they are.

    Args:
        folder: As in `results_of_store`.
        data: As in `results_of_store`.

    Returns:
        The content of `results.json`.

    Raises:
        ValueError: As in `results_of_store`.
    """
    results = results_of_store(folder, data)
    write_json_atomic(folder / "results.json", results)
    write_report(folder, results)
    return results


def _settings(config: Mapping[str, Any]) -> Settings:
    return Settings(**{field.name: config[field.name] for field in fields(Settings)})


def _cells(folder: Path, data: Dataset, config: Mapping[str, Any]) -> dict[tuple[str, int], Any]:
    """Return the classifiers' cells, of the newest version of which all are there."""
    arms = resolve_arms(config["arms"])
    for version in range(VERSION, 0, -1):
        _, cells = plan(
            data, arms, config["seeds"], _settings(config), config["environment"],
            folder / "cells", version,
        )  # fmt: skip
        if all(cell.done for cell in cells.values()):
            return cells
    raise fail("folder", f"{folder}, where cells are missing", "all cells of the study")
