"""Put the figures of all corrections, before and after, in one table.

    python benchmarks/corrections/table.py

Reads `docs/results/corrections/*_before.json` and `*_after.json`, and writes `README.md` beside
them.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs/results/corrections"
INTRODUCTION = """# Corrections of images and metrics: figures before and after

Each table compares the package before the corrections with the package after them. The scripts are
in `benchmarks/corrections`; each table names its command. All were run on two AMD EPYC cores. This
page is written by `python benchmarks/corrections/table.py`.
"""


def main() -> None:
    """Write the page."""
    parts = [
        table(path, path.with_name(path.name.replace("_before", "_after")))
        for path in sorted(FOLDER.glob("*_before.json"))
    ]
    text = "\n\n".join([INTRODUCTION.rstrip(), *parts]) + "\n"
    (FOLDER / "README.md").write_text(text, encoding="utf-8")


def table(before_path: Path, after_path: Path) -> str:
    """Return one part as a heading, its command and a table."""
    before, after = (read(path) for path in (before_path, after_path))
    names = [*dict.fromkeys([*after["rows"], *before["rows"]])]
    lines = [
        f"## {before_path.name.removesuffix('_before.json').replace('_', ' ').capitalize()}",
        "",
        f"```console\n{after['command']}\n```",
        "",
        "| figure | target | before | after |",
        "|---|---|---:|---:|",
    ]
    for name in names:
        was, is_now = before["rows"].get(name), after["rows"].get(name)
        target = (is_now or was or {}).get("target")
        cells = [name, shown(target), *(shown((row or {}).get("value")) for row in (was, is_now))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def read(path: Path) -> dict:
    """Return the command of a file, and its figures by name."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        "command": content["command"],
        "rows": {figure["name"]: figure for figure in content["figures"]},
    }


def shown(value: object) -> str:
    """Return a value as a cell of the table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
