"""How much work each preset does; the table to change is `presets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reproduction.paper import read


@dataclass(frozen=True)
class Budget:
    """Sizes of one run.

    Generators are budgeted in steps, so that a set of 546 images and one of 97,477 are trained
    alike; whole epochs are run, at least as many steps as asked for.
    """

    classifier_epochs: int
    generator_steps: Mapping[str, int]
    generator_epochs: int = 1  # at least
    batch_size: int = 64
    images: int = 100  # generated per method, as in the paper
    limits: Mapping[str, int] = field(default_factory=dict)  # largest number of images per split
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # per model
    learning_rates: Mapping[str, float] = field(default_factory=dict)  # of generators, if another
    checkpoint_seconds: float = 20.0  # most work that a kill costs, or one epoch if that is longer


PRESETS = {name: Budget(**table) for name, table in tomllib.loads(read("presets.toml")).items()}
