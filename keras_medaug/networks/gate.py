"""The balance gate of the original VAE/GAN code."""

import dataclasses

import keras
from keras import ops

from keras_medaug.checks import check_positive, fail


@keras.saving.register_keras_serializable(package="keras_medaug")
@dataclasses.dataclass(frozen=True)
class Gate:
    """Decides, step by step, whether the discriminator and the decoder train.

    With the mean cross-entropies on real and on generated images, the discriminator skips its step
    where either is below `equilibrium - margin` (it is winning), the decoder where either is above
    `equilibrium + margin`; where both would skip, neither does. A skipped step leaves the
    weights that the network trains and its optimizer's slots as they were; its moving statistics
    follow the images that pass through it all the same.

    Args:
        equilibrium: Cross-entropy, in nats, of an undecided discriminator (log 2, about 0.69).
        margin: Half the width of the band in which both train, in nats.

    Raises:
        ValueError: If `equilibrium` is not above 0, or `margin` is negative.

    Example:

    >>> from keras_medaug.networks import Gate
    >>> discriminator_trains, decoder_trains = Gate(0.68, 0.35)(0.1, 0.2)
    >>> float(discriminator_trains), float(decoder_trains)
    (0.0, 1.0)

    References:
        The code published with Larsen et al., Autoencoding beyond pixels using a learned
        similarity metric, 2016; it is not in their paper.
    """

    equilibrium: float = 0.68
    margin: float = 0.35

    def __post_init__(self) -> None:
        check_positive(self.equilibrium, "equilibrium")
        check_positive(self.margin, "margin", zero=True)

    def __call__(self, real_cross_entropy, fake_cross_entropy):
        """Decide on one step.

        Args:
            real_cross_entropy: Mean cross-entropy of real images against 1, in nats.
            fake_cross_entropy: Mean cross-entropy of generated images against 0, in nats.

        Returns:
            Two floats, 1 where the network trains: (discriminator, decoder).
        """
        lowest = ops.minimum(real_cross_entropy, fake_cross_entropy)
        highest = ops.maximum(real_cross_entropy, fake_cross_entropy)
        discriminator_skips = lowest < self.equilibrium - self.margin
        decoder_skips = highest > self.equilibrium + self.margin
        both = ops.logical_and(discriminator_skips, decoder_skips)
        discriminator_trains = ops.logical_or(ops.logical_not(discriminator_skips), both)
        decoder_trains = ops.logical_or(ops.logical_not(decoder_skips), both)
        return (
            ops.stop_gradient(ops.cast(discriminator_trains, "float32")),
            ops.stop_gradient(ops.cast(decoder_trains, "float32")),
        )

    def get_config(self) -> dict:
        """Return the arguments that rebuild the gate."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> "Gate":
        """Rebuild the gate from `get_config`."""
        return cls(**config)


def gated(loss, trains):
    """Return `loss` with its value kept and its gradient multiplied by `trains` (0 or 1)."""
    constant = ops.stop_gradient(loss)
    return constant + trains * (loss - constant)


def as_gate(gate: object) -> Gate | None:
    """Return `gate` as the `Gate` or `None` it must be."""
    if gate is None or isinstance(gate, Gate):
        return gate
    raise fail("gate", repr(gate), "None or a keras_medaug.networks.Gate")
