"""`Flow` written by hand in plain JAX, to race the model against: its step and its sampler.

One jitted step and one jitted sampler, of the network of 28 x 28 gray images with two classes, from
weights that are given.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

GROUPS, EPSILON, DROPOUT, LABEL_DROPOUT = 8, 1e-5, 0.1, 0.1
EMA_MOMENTUM, RATE, DECAY, CLIP, WARM_UP = 0.999, 2e-3, 1e-2, 1.0, 100
TIME_MEAN, SHORTEST = -0.4, 0.02
BETA_1, BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-7
FREQUENCIES = np.geomspace(0.1, 100.0, 32).astype("float32")
LAYOUT = ("NHWC", "HWIO", "NHWC")


def convolved(w, x, name, strides=1):
    """Return a convolution by its name."""
    out = lax.conv_general_dilated(
        x, w[f"{name}/kernel"], (strides, strides), "SAME", dimension_numbers=LAYOUT
    )
    return out + w[f"{name}/bias"]


def normalized(w, x, condition, name):
    """Return group normalisation under a condition."""
    n, h, width, channels = x.shape
    groups = math.gcd(GROUPS, channels)
    grouped = x.reshape(n, h * width, groups, channels // groups)
    mean = grouped.mean((1, 3), keepdims=True)
    variance = grouped.var((1, 3), keepdims=True)
    x = ((grouped - mean) * lax.rsqrt(variance + EPSILON)).reshape(x.shape)
    linear = condition @ w[f"{name}/kernel"] + w[f"{name}/bias"]
    scale, shift = jnp.split(linear[:, None, None], 2, axis=-1)
    return x * (1.0 + scale) + shift


def network(w, images, times, labels, key=None):
    """Return the velocities; with a key, values are dropped."""
    angles = times[:, None] * FREQUENCIES
    embedded = w["label/embeddings"][labels]
    condition = jnp.concatenate([jnp.sin(angles), jnp.cos(angles), embedded], axis=1)
    for name in ("condition_1", "condition_2"):
        condition = jax.nn.silu(condition @ w[f"{name}/kernel"] + w[f"{name}/bias"])
    keys = iter(() if key is None else jax.random.split(key, 4))

    def block(features, name):
        x = jax.nn.silu(normalized(w, features, condition, f"{name}/normalization_1"))
        x = convolved(w, x, f"{name}/convolution_1")
        x = jax.nn.silu(normalized(w, x, condition, f"{name}/normalization_2"))
        if key is not None:
            kept = jax.random.bernoulli(next(keys), 1 - DROPOUT, x.shape)
            x = jnp.where(kept, x / (1 - DROPOUT), 0.0)
        if f"{name}/shortcut/kernel" in w:
            features = convolved(w, features, f"{name}/shortcut")
        return features + convolved(w, x, f"{name}/convolution_2")

    n, h, width, c = images.shape
    folded = images.reshape(n, h // 2, 2, width // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    folded = folded.reshape(n, h // 2, width // 2, 4 * c)
    skip = x = block(convolved(w, folded, "input"), "down_1_1")
    x = block(block(convolved(w, x, "halving_1", 2), "middle_1"), "middle_2")
    x = convolved(w, x, "up_1").repeat(2, axis=1).repeat(2, axis=2)
    x = block(jnp.concatenate([x, skip], axis=-1), "up_1_1")
    x = jax.nn.silu(normalized(w, x, condition, "normalization"))
    x = convolved(w, jnp.concatenate([x, folded], axis=-1), "output")
    x = x.reshape(n, h // 2, width // 2, 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    left = jnp.maximum(1.0 - times, SHORTEST)
    return (x.reshape(n, h, width, c) - images) / left[:, None, None, None]


@partial(jax.jit, static_argnames="classes", donate_argnums=0)
def step(state, images, labels, classes):
    """Return the state after a step on a batch."""
    w, averaged, first, second, number, key = state
    key, of_noise, of_times, of_labels, of_dropout = jax.random.split(key, 5)
    images = 2.0 * images - 1.0
    noise = jax.random.normal(of_noise, images.shape)
    times = jax.nn.sigmoid(jax.random.normal(of_times, images.shape[:1]) + TIME_MEAN)
    time = times[:, None, None, None]
    hidden = jax.random.uniform(of_labels, images.shape[:1]) < LABEL_DROPOUT
    shown = jnp.where(hidden, classes, labels)

    def loss(w):
        mixed = (1.0 - time) * noise + time * images
        velocity = network(w, mixed, times, shown, of_dropout)
        return jnp.mean(jnp.square(velocity - (images - noise)))

    gradients = jax.grad(loss)(w)
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradients)))
    gradients = jax.tree.map(lambda g: g * jnp.minimum(1.0, CLIP / norm), gradients)
    kept = jnp.minimum(EMA_MOMENTUM, (1.0 + number) / (10.0 + number))
    averaged = jax.tree.map(lambda a, live: live + kept * (a - live), averaged, w)
    rate = RATE * jnp.minimum(1.0, number / WARM_UP)
    number = number + 1
    first = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), first, gradients)
    second = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g * g - v), second, gradients)
    scale = rate * jnp.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
    w = jax.tree.map(
        lambda p, m, v: p * (1 - rate * DECAY) - scale * m / (jnp.sqrt(v) + ADAM_EPSILON),
        w, first, second,
    )  # fmt: skip
    return w, averaged, first, second, number, key


@jax.jit
def sample(w, noise, labels, steps):
    """Return images made of noise by Heun's method, the last step by Euler's."""
    length = 1.0 / steps

    def velocity(x, time):
        return network(w, x, jnp.full(x.shape[:1], time), labels)

    def heun(number, x):
        first = velocity(x, number * length)
        return x + 0.5 * length * (first + velocity(x + length * first, (number + 1) * length))

    x = lax.fori_loop(0, steps - 1, heun, noise)
    x = x + length * velocity(x, 1.0 - length)
    return jnp.clip(0.5 + 0.5 * x, 0.0, 1.0)


class Loop:
    """Takes steps of training, and makes images.

    Args:
        weights: The network's weights by path, as Keras holds them.
        classes: Number of classes.
    """

    def __init__(self, weights: dict[str, np.ndarray], classes: int) -> None:
        self.classes = classes

        def copies(fill=None):
            return {p: jnp.array(v if fill is None else fill * v) for p, v in weights.items()}

        number, key = jnp.float32(0), jax.random.key(0)
        self.state = (copies(), copies(), copies(0), copies(0), number, key)

    def run(self, batches: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Take a step on each batch."""
        for images, labels in batches:
            self.state = step(self.state, images, labels, self.classes)
        jax.block_until_ready(self.state)

    def sample(self, noise: np.ndarray, labels: np.ndarray, steps: int) -> np.ndarray:
        """Return images made of noise."""
        return np.asarray(sample(self.state[1], noise, labels, steps))
