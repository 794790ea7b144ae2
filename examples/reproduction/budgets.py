"""How much work each preset does: the one table to change for a longer or a shorter run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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


PRESETS = {
    # The whole pipeline in minutes on two cores: narrow networks that learn fast, large sets cut
    # down. The samples resemble the data; the numbers are not to be compared with the paper's.
    "smoke": Budget(
        classifier_epochs=20,
        generator_steps={"cvae": 400, "dcgan": 500, "vaegan": 300},
        limits={"train": 640, "val": 200, "test": 400},
        arguments={
            "cvae": {"encoder_filters": 16, "decoder_filters": 32},
            "dcgan": {"generator_filters": 32, "discriminator_filters": 32},
            "vaegan": {"encoder_filters": 16, "decoder_filters": 32, "discriminator_filters": 32},
        },
        learning_rates={"cvae": 2e-3, "dcgan": 1e-3, "vaegan": 1e-3},
    ),
    # The paper: 100 epochs for the classifier, 100 images per method. It does not say how long its
    # generators were trained. On BreastMNIST a DCGAN's samples are nearer to the data after 1,800
    # steps than after 600 (docs/choices.md); large sets get ten epochs.
    "paper": Budget(
        classifier_epochs=100,
        generator_steps={"cvae": 2000, "dcgan": 3000, "vaegan": 2500},
        generator_epochs=10,
    ),
    # What the tests run: every part, in seconds.
    "tiny": Budget(
        classifier_epochs=3,
        generator_steps={"cvae": 6, "dcgan": 6, "vaegan": 6},
        batch_size=16,
        images=12,
        checkpoint_seconds=0.0,
        limits={"train": 32, "val": 16, "test": 24},
        arguments={
            "classifier": {"filters": 4},
            "cvae": {"latent_dim": 4, "encoder_filters": 4, "decoder_filters": 4},
            "dcgan": {"latent_dim": 4, "generator_filters": 4, "discriminator_filters": 4},
            "vaegan": {
                "latent_dim": 4,
                "encoder_filters": 4,
                "decoder_filters": 4,
                "discriminator_filters": 4,
            },
        },
    ),
}
