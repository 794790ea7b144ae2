"""The paper's numbers, and what our report says around them."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

METHODS = ("geometric", "cvae", "dcgan", "vaegan")
GENERATORS = ("cvae", "dcgan", "vaegan")
LABELS = {"geometric": "Geometric", "cvae": "CVAE", "dcgan": "DCGAN", "vaegan": "CVAEDCGAN"}
MEAN_CONFIDENCE = (87.66, 92.85, 93.87, 93.50)  # the last row of table 2


@dataclass(frozen=True)
class PaperRow:
    """What the paper says of one set; fractions in percent."""

    title: str
    train: int
    val: int
    test: int
    accuracy: float
    confidence: list[float]  # in the order of METHODS


def read(name: str) -> str:
    """Return the text of a file beside this one."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


PAPER = {name: PaperRow(**row) for name, row in tomllib.loads(read("paper.toml")).items()}
PROSE = dict(re.findall(r"<!-- (\w+) -->\n(.*?)(?=<!-- |\Z)", read("prose.md"), flags=re.DOTALL))
