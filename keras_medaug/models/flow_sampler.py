"""The integration of a velocity field from noise to images, compiled once."""

from __future__ import annotations

import keras
from keras import ops


class FlowSampler(keras.Model):
    """Follows a velocity field from a time to 1, by Heun's method; the last step is Euler's.

    All steps run inside one compiled loop, in which the network stands once: another number of
    steps, or another guidance, needs no compilation, and no more memory. A step of Heun's method
    takes two velocities, the last step one, so that `steps` steps take `2 * steps - 1`.

    Args:
        network: A network of velocities, as `Flow`'s.
        unknown: The label that means "unknown", or `None` where the network takes no labels.
        augmented: Whether the network is told which images were augmented. None of these is.
        guided: Whether there is a guidance. It costs a second velocity each time.

    Input shape:
        `[images, start, steps]`, then `labels` where the network takes them, then `guidance` where
        guided. All but the images have the shape `(n,)`. `start` is the time from which the field
        is followed. `steps` holds the same integer for all.

    Output shape:
        Images of the same shape, in [0, 1].

    References:
        Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models, 2022,
        algorithm 1, for the method; Ho and Salimans, Classifier-Free Diffusion Guidance, 2022.
    """

    def __init__(
        self, network: keras.Model, unknown: int | None, augmented: bool, guided: bool
    ) -> None:
        super().__init__(dtype="float32")  # half precision has too few digits for a sum of steps
        self.network = network
        self.unknown = unknown
        self.augmented = augmented
        self.guided = guided
        self.built = True

    def call(self, inputs):
        """Return the images at time 1, in [0, 1]."""
        # Run eagerly, JAX's trainer hands arrays over as they came, as NumPy's.
        images, start, steps, *rest = map(ops.convert_to_tensor, inputs)
        labels = None if self.unknown is None else rest[0]
        guidance = rest[-1] if self.guided else None
        length = _as_column((1.0 - start) / ops.cast(steps, "float32"))
        start = _as_column(start)

        def half_step(number, state):
            """Take an Euler step (even numbers), or correct it by the velocity at its end."""
            here, there, first = state
            time = start + length * ops.cast((number + 1) // 2, "float32")
            velocity = self._velocity(there, ops.reshape(time, (-1,)), labels, guidance)
            corrected = here + 0.5 * length * (first + velocity)
            odd = ops.cast(number % 2, "float32")
            ahead = here + length * velocity
            return (
                odd * corrected + (1.0 - odd) * here,
                odd * corrected + (1.0 - odd) * ahead,
                velocity,
            )

        state = (images, images, ops.zeros_like(images))
        _, images, _ = ops.fori_loop(0, 2 * steps[0] - 1, half_step, state)
        return ops.clip(0.5 + 0.5 * images, 0.0, 1.0)

    def _velocity(self, images, times, labels, guidance):
        """Return the velocities, led away from those of an unknown label by a guidance above 1."""
        if guidance is None:
            return self._of_network(images, times, labels)
        unknown = ops.full_like(labels, self.unknown)
        both = self._of_network(
            ops.concatenate([images, images], axis=0),
            ops.concatenate([times, times], axis=0),
            ops.concatenate([labels, unknown], axis=0),
        )
        conditional, unconditional = ops.split(both, 2, axis=0)
        return unconditional + _as_column(guidance) * (conditional - unconditional)

    def _of_network(self, images, times, labels):
        inputs = [images, times]
        if labels is not None:
            inputs.append(labels)
        if self.augmented:
            inputs.append(ops.zeros_like(times))
        return ops.cast(self.network(inputs, training=False), "float32")


def _as_column(values):
    """Return a number for each image in a shape that goes with images."""
    return ops.reshape(values, (-1, 1, 1, 1))
